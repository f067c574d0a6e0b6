# The program: a Python environment with hlsswarm in it, and a command that knows where ffmpeg, nginx
# and systemd are. Libraries and version are those of pyproject.toml.
{
  lib,
  coreutils,
  dejavu_fonts,
  ffmpeg-headless,
  ffmpeg-minimal,
  makeBinaryWrapper,
  mediamtx,
  nginx,
  openssl,
  python3,
  runCommand,
  systemd,
  util-linux,
}:
let
  inherit (lib.importTOML ../pyproject.toml) project;

  # "m3u8>=6.0" is python3.pkgs.m3u8
  package =
    requirement: python3.pkgs.${builtins.head (builtins.match "([A-Za-z0-9_-]+).*" requirement)};

  # Programs that units name by Debian's paths, which NixOS does not have (it has /bin/sh).
  # tests/nix/test_packages.py finds those that are missing here.
  programs = {
    "/bin/cat" = coreutils;
    "/bin/kill" = util-linux;
    "/bin/true" = coreutils;
    "/usr/bin/tail" = coreutils;
    "/usr/bin/timeout" = coreutils;
    "/usr/bin/touch" = coreutils;
  };
  substitutions = lib.concatStringsSep "\n" (
    lib.mapAttrsToList (
      path: program:
      "grep -rlZ --include='*.py' -E '[\"=]${path}\\b' hlsswarm"
      + " | xargs -0 sed -i -E 's#([\"=])${path}\\b#\\1${lib.getExe' program (baseNameOf path)}#'"
    ) programs
  );

  # The clock in test pictures is left out where there is no font.
  font =
    let
      path = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf";
      here = "${dejavu_fonts.minimal}/share/fonts/truetype/DejaVuSans.ttf";
    in
    "grep -lZF '\"${path}\"' hlsswarm/programs.py | xargs -0 sed -i 's#${path}#${here}#'";

  library = python3.pkgs.buildPythonPackage {
    pname = project.name;
    inherit (project) version;
    pyproject = true;
    src = lib.fileset.toSource {
      root = ../.;
      fileset = lib.fileset.unions [
        ../README.md
        ../pyproject.toml
        ../hlsswarm
      ];
    };
    # xargs and `pipefail`: a path that nobody names any more ends the build.
    postPatch = "set -o pipefail\n${substitutions}\n${font}\n";
    build-system = [ python3.pkgs.setuptools ];
    dependencies = map package project.dependencies;
    # The tests want a systemd of their own: `make test`, and the VM tests among the flake's checks.
    doCheck = false;
    pythonImportsCheck = [
      "hlsswarm.cli.main"
      "hlsswarm.units.embedded_keeper"
    ];
    inherit meta;
  };

  # Units run `python -m hlsswarm.…` with an empty environment: this Python finds all by itself.
  environment = python3.withPackages (_: [ library ]);

  meta = {
    inherit (project) description;
    license = lib.licenses.mit;
    mainProgram = "hlsswarm";
    platforms = lib.platforms.linux;
  };
in
runCommand "hlsswarm-${project.version}"
  {
    pname = "hlsswarm";
    inherit (project) version;
    nativeBuildInputs = [ makeBinaryWrapper ];
    passthru = {
      inherit
        environment
        ffmpeg-minimal
        library
        programs
        ;
    };
    inherit meta;
  }
  # What the caller has in PATH comes first: an ffmpeg to be tested, say.
  ''
    makeBinaryWrapper ${environment}/bin/python3 $out/bin/hlsswarm \
      --add-flags "-I -m hlsswarm" \
      --suffix PATH : ${
        lib.makeBinPath [
          ffmpeg-headless
          nginx
          openssl
          mediamtx
          systemd
          util-linux
          coreutils
        ]
      } \
      --set-default HLSSWARM_SYSTEMD ${systemd}/lib/systemd/systemd \
      --set-default HLSSWARM_FFMPEG_MINIMAL ${lib.getExe ffmpeg-minimal}
    $out/bin/hlsswarm --version

    # As `make install` puts them; NixOS has modules instead (../nixos-modules).
    install -D -m 644 ${../systemd/hlsswarm.service} $out/lib/systemd/system/hlsswarm.service
    substituteInPlace $out/lib/systemd/system/hlsswarm.service \
      --replace-fail @bindir@ $out/bin --replace-fail /bin/kill ${lib.getExe' util-linux "kill"}
    install -D -m 644 ${../systemd/hlsswarm.slice} $out/lib/systemd/system/hlsswarm.slice
    install -D -m 644 ${../systemd/sysusers.conf} $out/lib/sysusers.d/hlsswarm.conf
    install -D -m 644 ${../systemd/tmpfiles.conf} $out/lib/tmpfiles.d/hlsswarm.conf
    install -D -m 644 ${../systemd/hlsswarm.catalog} $out/lib/systemd/catalog/hlsswarm.catalog
    install -D -m 644 ${../systemd/50-hlsswarm.rules} \
      $out/share/polkit-1/rules.d/50-hlsswarm.rules
  ''
