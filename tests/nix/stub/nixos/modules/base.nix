# What our modules set or read of NixOS. Names that are not here do not exist.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  free =
    names:
    lib.genAttrs names (
      _:
      mkOption {
        type = types.anything;
        default = { };
      }
    );
  # These options, and any other.
  open =
    options:
    mkOption {
      type = types.submodule {
        freeformType = types.anything;
        inherit options;
      };
      default = { };
    };
  enable = lib.mkEnableOption "it";
  port =
    default:
    mkOption {
      type = types.port;
      inherit default;
    };
  wrong = map (a: a.message) (lib.filter (a: !a.assertion) config.assertions);
  toplevel =
    if wrong != [ ] then
      throw "\nFailed assertions:\n${lib.concatMapStringsSep "\n" (message: "- ${message}") wrong}"
    else
      pkgs.runCommand "nixos-system" { units = builtins.toJSON config.systemd.units; } "";
in
{
  options = {
    assertions = mkOption {
      type = types.listOf types.anything;
      default = [ ];
    };
    warnings = mkOption {
      type = types.listOf types.str;
      default = [ ];
    };
    nixpkgs.overlays = mkOption {
      type = types.listOf types.raw;
      default = [ ];
    };
    nixpkgs.hostPlatform = mkOption {
      type = types.anything;
      default = "x86_64-linux";
    };
    systemd = {
      services = mkOption {
        type = types.attrsOf (types.submodule ./service.nix);
        default = { };
      };
      units = mkOption {
        type = types.anything;
        default = { };
      };
      tmpfiles = {
        rules = mkOption {
          type = types.listOf types.str;
          default = [ ];
        };
        packages = mkOption {
          type = types.listOf types.package;
          default = [ ];
        };
        settings = mkOption {
          type = types.anything;
          default = { };
        };
      };
      packages = mkOption {
        type = types.listOf types.package;
        default = [ ];
      };
    }
    // free [
      "slices"
      "sockets"
      "targets"
      "timers"
      "network"
      "settings"
      "oomd"
    ];
    environment =
      free [
        "etc"
        "variables"
        "sessionVariables"
      ]
      // {
        systemPackages = mkOption {
          type = types.listOf types.package;
          default = [ ];
        };
      };
    networking =
      free [
        "interfaces"
        "nftables"
        "hosts"
      ]
      // {
        hostName = mkOption {
          type = types.str;
          default = "nixos";
        };
        useNetworkd = mkOption {
          type = types.bool;
          default = false;
        };
        useDHCP = mkOption {
          type = types.bool;
          default = true;
        };
        firewall = {
          enable = mkOption {
            type = types.bool;
            default = true;
          };
          allowedTCPPorts = mkOption {
            type = types.listOf types.port;
            default = [ ];
            apply = ports: lib.naturalSort (lib.unique ports);
          };
        };
      };
    boot = {
      kernel.sysctl = mkOption {
        type = types.attrsOf (
          types.nullOr (
            types.oneOf [
              types.bool
              types.int
              types.str
            ]
          )
        );
        default = { };
      };
      kernelModules = mkOption {
        type = types.listOf types.str;
        default = [ ];
      };
    }
    // free [
      "initrd"
      "loader"
      "tmp"
    ]
    // {
      extraModprobeConfig = mkOption {
        type = types.lines;
        default = "";
      };
      kernelParams = mkOption {
        type = types.listOf types.str;
        default = [ ];
      };
      isContainer = mkOption {
        type = types.bool;
        default = false;
      };
    };
    security =
      free [
        "sudo"
        "pam"
        "acme"
      ]
      // {
        polkit.enable = mkOption {
          type = types.bool;
          default = false;
        };
        polkit.extraConfig = mkOption {
          type = types.lines;
          default = "";
        };
      };
    services =
      lib.genAttrs [
        "nginx"
        "journald"
        "openssh"
        "getty"
        "logind"
      ] (_: open { inherit enable; })
      // {
        prometheus = open {
          inherit enable;
          port = port 9090;
          exporters = open {
            node = open {
              inherit enable;
              port = port 9100;
            };
            nginx = open {
              inherit enable;
              port = port 9113;
            };
          };
        };
        grafana = open {
          inherit enable;
          settings = open { server = open { http_port = port 3000; }; };
        };
      };
    system = {
      build.toplevel = mkOption {
        type = types.package;
        default = toplevel;
      };
      stateVersion = mkOption {
        type = types.str;
        default = "26.11";
      };
      nixos.release = mkOption {
        type = types.str;
        default = "26.11";
      };
    };
  }
  // free [
    "users"
    "fileSystems"
    "programs"
    "virtualisation"
    "documentation"
    "nix"
    "hardware"
    "time"
    "swapDevices"
    "meta"
  ];

  config.systemd.units = lib.mapAttrs' (
    name: service: lib.nameValuePair "${name}.service" { text = import ./unit-text.nix lib service; }
  ) config.systemd.services;
}
