# An OCI image with systemd as PID 1: a NixOS machine (machines.nix, `container`) as one layered
# image, like containers/Containerfile.systemd. What an engine has to allow: docs/containers.md.
#
#   nix build .#swarm-systemd-container && ./result | podman load
#   podman run --systemd=always -p 9090:9090 hlsswarm-systemd
{
  dockerTools,
  machine,
  runCommand,
  swarm-container,
  util-linux,
}:
let
  inherit (machine.config.system.build) toplevel;
  image = {
    name = "hlsswarm-systemd";
    tag = "latest";
    contents = [
      (runCommand "hlsswarm-systemd-root" { } ''
        mkdir -p $out/sbin
        ln -s ${toplevel}/init $out/sbin/init
      '')
      # Before systemd: sh and mount, to say what is missing where no cgroup can be written.
      swarm-container.scripts
      dockerTools.binSh
      util-linux
    ];
    # Stage 2 of NixOS wants these to be there.
    extraCommands = "mkdir -p -m 0755 dev etc proc root run sys var && mkdir -p -m 1777 tmp";
    config = {
      Entrypoint = [ "/bin/entrypoint" ];
      Cmd = [ "/sbin/init" ];
      # How systemd is told to power off (systemd(1)).
      StopSignal = "SIGRTMIN+3";
      Env = [
        "PATH=/bin:/run/current-system/sw/bin"
        "container=oci"
      ];
      ExposedPorts = {
        "8080/tcp" = { };
        "9090/tcp" = { };
      };
      Healthcheck = swarm-container.image.config.Healthcheck // {
        Test = [
          "CMD"
          "/run/current-system/sw/bin/systemctl"
          "is-active"
          "hlsswarm.service"
        ];
        StartPeriod = 30 * 1000000000;
      };
    };
  };
in
dockerTools.streamLayeredImage image // { inherit image; }
