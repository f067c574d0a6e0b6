# All that we build, of any nixpkgs: `import ./packages.nix { inherit pkgs; }`.
#
# The NixOS modules take their default packages from here too, so that they need no overlay.
{ pkgs }:
let
  own = {
    ffmpeg-minimal = pkgs.callPackage ./ffmpeg-minimal.nix { };
    hlsswarm = pkgs.callPackage ./hlsswarm.nix { inherit (own) ffmpeg-minimal; };
    swarm-container = pkgs.callPackage ./swarm-container.nix { inherit (own) hlsswarm; };
    test-origin-container = pkgs.callPackage ./test-origin-container.nix {
      inherit (own) swarm-container;
    };
  };
in
own
