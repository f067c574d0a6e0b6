# `nix develop`: what `make test` and `make lint` need, with nixpkgs' libraries in the place of .venv.
{ pkgs, ffmpeg-minimal }:
let
  inherit (pkgs) lib;
  inherit (lib.importTOML ../pyproject.toml) project;
  # "PyYAML>=6" is python3.pkgs.pyyaml
  name = requirement: lib.toLower (builtins.head (builtins.match "([A-Za-z0-9_-]+).*" requirement));
  inherit (project) dependencies optional-dependencies;
  python = pkgs.python3.withPackages (
    python:
    map (requirement: python.${name requirement}) dependencies
    # ruff and mypy come below; of what only some tests want, nixpkgs has a part.
    ++ map (requirement: python.${name requirement}) (
      lib.filter (
        requirement:
        python ? ${name requirement}
        && !lib.elem (name requirement) [
          "mypy"
          "ruff"
        ]
      ) optional-dependencies.test
    )
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
