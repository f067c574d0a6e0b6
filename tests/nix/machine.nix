# A NixOS machine, of a real nixpkgs or of the stub: what private_nix.configuration evaluates.
{
  nixpkgs,
  repository,
  modules,
  system ? "x86_64-linux",
}:
let
  machine = import (nixpkgs + "/nixos/lib/eval-config.nix") {
    inherit system;
    modules = [
      {
        # Enough for NixOS to take it for a machine that could boot.
        fileSystems."/" = {
          device = "/dev/vda";
          fsType = "ext4";
        };
        boot.loader.grub.enable = false;
        system.stateVersion = "26.05";
      }
    ]
    ++ modules;
    specialArgs = { inherit repository; };
  };
in
{
  inherit (machine) config options pkgs;
  lib = import (nixpkgs + "/lib");
}
