# A guest of microvm.nix: a test origin, or a machine for swarms.
#
# Needs microvm-nix's own module beside it (inputs.microvm.nixosModules.microvm), which the flake's
# nixosModules.microvm brings along.
#
#     host                           guest, network "user"
#     127.0.0.1:17080 ─────────────► 8080   HLS            (origin)
#     127.0.0.1:17122 ─────────────► 22     SSH
#     127.0.0.1:17113 ─────────────► 9113   nginx exporter (origin)
#     127.0.0.1:17100 ─────────────► 9100   node exporter
#     a swarm's guest: 17222 ► 22, 17290 ► 9090 (metrics), 17200 ► 9100
#
# With network "tap" the guest has an address of its own in 10.177.0.0/24.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.services.hlsswarm.microvm;
  origin = config.services.hlsswarm.testOrigin;
  isOrigin = cfg.role == "origin";
  isThere = options ? microvm;
  mac = if isOrigin then "02:00:00:11:77:10" else "02:00:00:11:77:20";

  forward = host: guest: {
    from = "host";
    proto = "tcp";
    host.address = "127.0.0.1";
    host.port = host;
    guest.port = guest;
  };
  forwarded =
    if isOrigin then
      [
        (forward 17080 origin.port)
        (forward 17122 22)
        (forward 17113 9113)
        (forward 17100 9100)
      ]
    else
      [
        (forward 17222 22)
        (forward 17290 9090)
        (forward 17200 9100)
      ];
in
{
  imports = [ ./default.nix ];

  options.services.hlsswarm.microvm = {
    enable = lib.mkEnableOption "this machine as a guest of microvm.nix";

    role = mkOption {
      type = types.enum [
        "origin"
        "swarm"
      ];
      default = "origin";
      description = "What it is for: a test origin, or swarms (`services.hlsswarm.settings.swarm`).";
    };

    network = mkOption {
      type = types.enum [
        "user"
        "tap"
      ];
      default = "user";
      description = ''
        `user`: QEMU's own, without any right or set-up on the host, with forwarded ports. `tap`: a
        network device of the host, faster and in both directions (docs/nixos.md).
      '';
    };

    tapDevice = mkOption {
      # netdevice(7): IFNAMSIZ is 16, with the zero at the end.
      type = types.strMatching "[a-zA-Z0-9_-]{1,15}";
      default = "hls-${cfg.role}";
      defaultText = lib.literalExpression ''"hls-''${role}"'';
      description = "Name of the host's TAP device.";
    };

    address = mkOption {
      type = types.str;
      default = if isOrigin then "10.177.0.10" else "10.177.0.20";
      defaultText = lib.literalExpression ''if role == "origin" then "10.177.0.10" else "10.177.0.20"'';
      description = "The guest's address with `tap`, in a network of 24 bits whose first is the host's.";
    };

    memory = mkOption {
      type = types.ints.positive;
      default = 4096;
      description = "Memory of the guest, in MiB.";
    };

    vcpus = mkOption {
      type = types.ints.positive;
      default = 4;
      description = "Processors of the guest.";
    };
  };

  config = lib.mkIf cfg.enable (
    lib.mkMerge [
      {
        assertions = [
          {
            assertion = isThere;
            message = "services.hlsswarm.microvm: this machine knows nothing of microvm.nix. Import inputs.microvm.nixosModules.microvm, or this flake's nixosModules.microvm, which has it.";
          }
          {
            assertion = cfg.memory != 2048;
            message = "services.hlsswarm.microvm.memory: QEMU's microvm machine does not start with exactly 2048 MiB. Take 2047 or 2049.";
          }
          {
            assertion = cfg.network == "tap" -> lib.hasPrefix "10.177.0." cfg.address;
            message = "services.hlsswarm.microvm.address: ${cfg.address} is not in 10.177.0.0/24, the network of the host's bridge.";
          }
        ];

        networking.hostName = lib.mkDefault "hlsswarm-${cfg.role}";
        services.openssh.enable = lib.mkDefault true;
        services.hlsswarm.enable = true;
        services.hlsswarm.tuning.enable = lib.mkDefault (!isOrigin);
        services.prometheus.exporters.node = {
          enable = true;
          openFirewall = true;
        };
      }

      (lib.mkIf isOrigin {
        services.hlsswarm.testOrigin = {
          enable = true;
          openFirewall = true;
          exporter.enable = true;
          exporter.openFirewall = true;
        };
      })

      (lib.mkIf (!isOrigin) {
        services.hlsswarm.openFirewall = true;
        services.hlsswarm.settings.metrics.listen = lib.mkDefault "0.0.0.0:9090";
      })

      (lib.mkIf (cfg.network == "tap") {
        networking.useDHCP = false;
        networking.useNetworkd = true;
        systemd.network.networks."10-hlsswarm" = {
          matchConfig.MACAddress = mac;
          address = [ "${cfg.address}/24" ];
          routes = [ { Gateway = "10.177.0.1"; } ];
        };
      })

      (lib.optionalAttrs isThere {
        microvm = {
          hypervisor = lib.mkDefault "qemu";
          mem = cfg.memory;
          vcpu = cfg.vcpus;
          interfaces = [
            {
              type = cfg.network;
              id = if cfg.network == "tap" then cfg.tapDevice else "hls-user";
              inherit mac;
            }
          ];
          forwardPorts = lib.mkIf (cfg.network == "user") forwarded;
        };
      })
    ]
  );
}
