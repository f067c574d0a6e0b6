# Limits of the kernel for a number of clients. The needs are those that `hlsswarm doctor` looks at
# (hlsswarm/core/doctor.py); a test holds what is set here against it.
#
# Left alone, because NixOS and systemd have raised them already: fs.file-max and fs.nr_open (PID 1
# sets the highest there is), kernel.pid_max (4194304), RLIMIT_NOFILE of services (each of ours says
# its own). Left alone as well is whatever would change how TCP behaves, since that is what a load
# test measures: buffers, congestion control, slow start.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;
  rig = config.services.hlsswarm;
  cfg = rig.tuning;
  addresses = import ./addresses.nix { inherit lib; };
  sum = lib.foldl' builtins.add 0;
  flag =
    description:
    mkOption {
      type = types.bool;
      default = true;
      inherit description;
    };
  # Stronger than NixOS's defaults, weaker than what you say.
  set = lib.mapAttrs (_: lib.mkOverride 900);

  # Figures of a client: doctor.py.
  tasksPerClient = 4;
  connectionsPerClient = 4;
  requestsPerTargetDuration = 2;
  # Twice the minute that a closed connection keeps its port: what conntrack remembers of it.
  rememberedSeconds = 120;

  isOn = item: item.enabled or null != false;
  clientsOf = swarm: if swarm.clients == null then 10 else swarm.clients;
  tasks = cfg.clients * tasksPerClient + 50;
  open = cfg.clients * connectionsPerClient;
  closed = cfg.clients * requestsPerTargetDuration * rememberedSeconds / cfg.targetDurationSeconds;

  listening =
    map addresses.portOf (
      lib.filter (address: !addresses.isOff address) [
        (if rig.settings.metrics.listen == null then "127.0.0.1:9090" else rig.settings.metrics.listen)
        (if rig.settings.api.listen == null then "off" else rig.settings.api.listen)
      ]
    )
    ++ map (origin: if origin.port == null then 8080 else origin.port) (
      lib.filter isOn rig.settings.origin
    )
    ++ watching;
  # What looks at the rig, as monitoring.nix sets it up.
  inherit (config.services) grafana prometheus;
  inherit (prometheus) exporters;
  watching =
    lib.optional prometheus.enable prometheus.port
    ++ lib.optional exporters.node.enable exporters.node.port
    ++ lib.optional exporters.nginx.enable exporters.nginx.port
    ++ lib.optional grafana.enable grafana.settings.server.http_port;
in
{
  imports = [ ./swarm.nix ];

  options.services.hlsswarm.tuning = {
    enable = lib.mkEnableOption "limits of the kernel that fit the number of clients";

    clients = mkOption {
      type = types.ints.positive;
      default = lib.max 10 (sum (map clientsOf (lib.filter isOn rig.settings.swarm)));
      defaultText = lib.literalExpression "those of all enabled swarms";
      example = 2000;
      description = "How many clients this machine is to carry; runs by hand count as well.";
    };

    targetDurationSeconds = mkOption {
      type = types.ints.positive;
      default = 2;
      description = ''
        Target Duration of the streams. Each client makes two requests in it, each a connection
        where downloads are measured exactly.
      '';
    };

    ephemeralPorts = flag ''
      Whether clients may use ports from 1024 on (`net.ipv4.ip_local_port_range`). A connection takes
      one for each pair of our address and the origin's, and Linux gives 28232 by default. Ports that
      the rig, Prometheus, its exporters and Grafana listen on are reserved, so that no client is in
      the way of a restart.
    '';

    timeWaitReuse = flag ''
      Whether a port that waits for stragglers of a closed connection may be used again after a
      second (`net.ipv4.tcp_tw_reuse`), not only on loopback. An origin that leaves closing to the
      client would use up all ports within a minute otherwise.
    '';

    conntrack = flag ''
      Whether the firewall remembers as many connections as there are
      (`net.netfilter.nf_conntrack_max`): it drops new ones when its table is full, which looks like
      a broken origin. An entry is 0.3 kB.
    '';

    backlog = flag ''
      Whether more connections may wait to be accepted (`net.core.somaxconn`): those of clients that
      start while the controller is busy, and those of a test origin's web server.
    '';

    tasks = flag ''
      Whether the kernel has room for the clients' threads (`kernel.threads-max`): ffmpeg 7.1 and 9.0
      have up to four each. The kernel's own bound follows from the memory, and is low on small
      virtual machines.
    '';

    inotify = flag ''
      Whether systemd can watch all cgroups (`fs.inotify.max_user_watches`): two watches for each
      client's unit, by which it learns that a unit is empty or out of memory; and whether there are
      instances enough (`fs.inotify.max_user_instances`) for private managers and `journalctl -f`.
    '';

    openFiles = flag ''
      Whether members of the group `hlsswarm` may open enough files when they start runs by hand
      (hard limit of `nofile`): the controller has one for each client. systemd gives 524288, which
      other settings of PAM may have lowered.
    '';
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = !config.boot.isContainer;
        message = "services.hlsswarm.tuning: a container cannot set limits of the kernel. Enable it on the machine that the container runs on, and leave it out here.";
      }
    ];

    boot.kernel.sysctl = set (
      lib.optionalAttrs cfg.ephemeralPorts {
        "net.ipv4.ip_local_port_range" = "1024 65535";
        "net.ipv4.ip_local_reserved_ports" = lib.concatMapStringsSep "," toString (
          lib.unique (builtins.sort builtins.lessThan listening)
        );
      }
      // lib.optionalAttrs cfg.timeWaitReuse { "net.ipv4.tcp_tw_reuse" = 1; }
      // lib.optionalAttrs cfg.conntrack {
        "net.netfilter.nf_conntrack_max" = lib.max 262144 (4 * (open + closed));
      }
      // lib.optionalAttrs cfg.backlog { "net.core.somaxconn" = lib.max 4096 (2 * cfg.clients); }
      // lib.optionalAttrs cfg.tasks {
        "kernel.threads-max" = lib.max 131072 (2 * tasks);
      }
      // lib.optionalAttrs cfg.inotify {
        "fs.inotify.max_user_watches" = lib.max 524288 (4 * cfg.clients);
        "fs.inotify.max_user_instances" = 524288;
      }
    );
    # Loaded before its limit is set; with a firewall it is loaded anyhow.
    boot.kernelModules = lib.mkIf (cfg.conntrack && config.networking.firewall.enable) [
      "nf_conntrack"
    ];

    security.pam.loginLimits = lib.mkIf cfg.openFiles [
      {
        domain = "@hlsswarm";
        type = "hard";
        item = "nofile";
        value = toString (lib.max 524288 (2 * cfg.clients + 200));
      }
    ];
  };
}
