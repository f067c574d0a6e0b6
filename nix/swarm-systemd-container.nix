# An OCI image with systemd as PID 1: a NixOS machine (machines.nix, `container`) as one layered
# image. What an engine has to allow: docs/containers.md.
#
#   nix build .#swarm-systemd-container && ./result | podman load
#   podman run --systemd=always -p 9090:9090 hlsswarm-systemd
{
  dockerTools,
  machine,
  runCommand,
}:
let
  inherit (machine.config.system.build) toplevel;
in
dockerTools.streamLayeredImage {
  name = "hlsswarm-systemd";
  tag = "latest";
  contents = [
    (runCommand "hlsswarm-systemd-root" { } ''
      mkdir -p $out
      ln -s ${toplevel}/init $out/init
    '')
  ];
  # Stage 2 of NixOS wants these to be there.
  extraCommands = "mkdir -p -m 0755 dev etc proc root run sys var && mkdir -p -m 1777 tmp";
  config = {
    Entrypoint = [ "/init" ];
    # How systemd is told to power off (systemd(1)).
    StopSignal = "SIGRTMIN+3";
    Env = [ "container=oci" ];
    ExposedPorts = {
      "8080/tcp" = { };
      "9090/tcp" = { };
    };
  };
}
