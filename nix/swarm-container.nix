# An OCI image with the embedded manager: its part in a test is the command, as with the image that
# containers/Containerfile makes. What an engine has to allow: docs/containers.md.
#
#   nix build .#swarm-container && ./result | podman load
{
  lib,
  cacert,
  coreutils,
  dockerTools,
  hlsswarm,
  runCommand,
  util-linux,
}:
let
  # The same two programs as in the image of Debian packages; they need sh, mount and a Python.
  scripts = runCommand "hlsswarm-container-scripts" { } ''
    install -D -m 755 ${../containers/entrypoint} $out/bin/entrypoint
    install -D -m 755 ${../containers/health} $out/bin/health
    substituteInPlace $out/bin/health \
      --replace-fail /usr/bin/python3 ${hlsswarm.environment}/bin/python3
  '';

  image = {
    name = "hlsswarm";
    tag = "latest";
    contents = [
      hlsswarm
      scripts
      coreutils
      util-linux
      dockerTools.binSh
      dockerTools.caCertificates
      # root and nobody; nginx in nixpkgs wants nobody's group by the name that it has on NixOS.
      (dockerTools.fakeNss.override { extraGroupLines = [ "nogroup:x:65534:" ]; })
    ];
    # Mount points, and where systemd's units write, on a root that may be read-only.
    extraCommands = "mkdir -p -m 1777 tmp && mkdir -p run var results";
    config = {
      Entrypoint = [ "/bin/entrypoint" ];
      Cmd = [ "--help" ];
      WorkingDir = "/results";
      StopSignal = "SIGTERM";
      Env = [
        "PATH=/bin"
        "SSL_CERT_FILE=${cacert}/etc/ssl/certs/ca-bundle.crt"
        "HLSSWARM_METRICS=0.0.0.0:9090"
        "HLSSWARM_LISTEN=0.0.0.0"
        "HLSSWARM_CACHE_DIR=/tmp/hlsswarm"
        "PYTHONDONTWRITEBYTECODE=1"
        "LANG=C.UTF-8"
      ];
      ExposedPorts = {
        "8080/tcp" = { };
        "9090/tcp" = { };
      };
      Healthcheck = {
        Test = [
          "CMD"
          "/bin/health"
        ];
        # In nanoseconds (OCI, as Docker extends it).
        Interval = 10 * 1000000000;
        Timeout = 5 * 1000000000;
        StartPeriod = 20 * 1000000000;
      };
      Labels."org.opencontainers.image.description" = hlsswarm.meta.description;
    };
  };
in
dockerTools.streamLayeredImage image // { inherit image scripts; }
