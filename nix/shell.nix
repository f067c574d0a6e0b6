# `nix develop`: what `make test` and `make lint` need, with nixpkgs' libraries in the place of .venv.
{ pkgs, ffmpeg-minimal }:
let
  inherit (pkgs) lib;
  inherit (lib.importTOML ../pyproject.toml) project;
  name = requirement: builtins.head (builtins.match "([A-Za-z0-9_-]+).*" requirement);
  # ruff and mypy are programs of their own, and nixpkgs does not have the stubs of every library.
  isLibrary = name: name != "ruff" && name != "mypy" && !lib.hasPrefix "types-" name;
  needed = project.dependencies ++ project.optional-dependencies.test;
  python = pkgs.python3.withPackages (
    python: map (name: python.${name}) (lib.filter isLibrary (map name needed))
  );
in
pkgs.mkShell {
  packages = [
    python
    pkgs.mypy
    pkgs.ruff
    pkgs.ffmpeg-headless
    pkgs.nginx
    pkgs.openssl
    pkgs.mediamtx
    pkgs.systemd
    pkgs.gnumake
    pkgs.nixfmt
  ];
  HLSSWARM_SYSTEMD = "${pkgs.systemd}/lib/systemd/systemd";
  HLSSWARM_FFMPEG_MINIMAL = lib.getExe ffmpeg-minimal;
}
