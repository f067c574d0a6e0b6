# A test origin that the rig keeps for good: an encoder and a web server, as one [[origin]] table.
#
# The rig does the work; this file is the few keys that most people set, the firewall, and nginx's
# figures for Prometheus. Everything else of an origin: services.hlsswarm.settings.origin.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.services.hlsswarm.testOrigin;
  addresses = import ./addresses.nix { inherit lib; };
  rows = (lib.importJSON ./options.json).options;
  row = name: lib.findFirst (each: each.name == "origin.*.${name}") null rows;
  profiles = "default, low-latency, 4k-abr, stress, logged, vod, audio-group";
in
{
  imports = [ ./swarm.nix ];

  options.services.hlsswarm.testOrigin = {
    enable = lib.mkEnableOption "a test origin: a live HLS stream made by an encoder and served by nginx";

    name = mkOption {
      type = types.nonEmptyStr;
      default = "test-origin";
      description = "Its name in the rig.";
    };

    profile = mkOption {
      type = types.str;
      default = (row "profile").default;
      example = "low-latency";
      description = ''
        What stream it plays: ${profiles}, or the absolute path of a TOML file (docs/origin.md).
      '';
    };

    port = mkOption {
      type = types.port;
      default = (row "port").default;
      description = "Port of its web server.";
    };

    address = mkOption {
      type = types.str;
      default = if cfg.openFirewall then "0.0.0.0" else "127.0.0.1";
      defaultText = lib.literalExpression ''if openFirewall then "0.0.0.0" else "127.0.0.1"'';
      description = "Address of its web server.";
    };

    encode = mkOption {
      type = types.enum (row "encode").choices;
      default = (row "encode").default;
      description = ''
        `live` encodes while it plays; `once` encodes a loop, keeps it, and plays it for almost no
        CPU.
      '';
    };

    tls = mkOption {
      type = types.bool;
      default = false;
      description = "Whether it speaks HTTP over TLS, with a certificate made for it (docs/tls.md).";
    };

    tlsNames = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "origin.lab" ];
      description = "Further names that the certificate is for.";
    };

    accessLog = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = "/var/log/hlsswarm/access.json";
      description = "Where it writes a JSON line for each request.";
    };

    openFirewall = mkOption {
      type = types.bool;
      default = false;
      description = "Whether other machines may play its stream.";
    };

    exporter = {
      enable = lib.mkEnableOption "nginx's figures for Prometheus, by the nginx exporter";
      openFirewall = mkOption {
        type = types.bool;
        default = false;
        description = "Whether other machines may read them.";
      };
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.openFirewall -> !addresses.isLoopback cfg.address;
        message = "services.hlsswarm.testOrigin.openFirewall opens port ${toString cfg.port}, but the origin listens on ${cfg.address} alone: nobody else gets there. Leave address out, or give one that others reach.";
      }
      {
        assertion = cfg.tlsNames != [ ] -> cfg.tls;
        message = "services.hlsswarm.testOrigin.tlsNames: without tls = true there is no certificate to put names into.";
      }
      {
        assertion =
          let
            nginx = config.services.nginx;
          in
          nginx.enable -> cfg.port != nginx.defaultHTTPListenPort or 80;
        message = "services.hlsswarm.testOrigin.port: ${toString cfg.port} is that of services.nginx. Choose another port; the test origin brings a web server of its own.";
      }
    ];

    services.hlsswarm.enable = lib.mkDefault true;
    services.hlsswarm.settings.origin = [
      {
        inherit (cfg)
          name
          profile
          port
          encode
          tls
          ;
        listen = cfg.address;
        tls-name = cfg.tlsNames;
        access-log = cfg.accessLog;
      }
    ];

    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall [ cfg.port ];

    services.prometheus.exporters.nginx = lib.mkIf cfg.exporter.enable {
      enable = true;
      scrapeUri = "${
        if cfg.tls then "https" else "http"
      }://${addresses.hereOf cfg.address}:${toString cfg.port}/nginx_status";
      # The certificate is one that the origin has made for itself.
      sslVerify = !cfg.tls;
      listenAddress = if cfg.exporter.openFirewall then "0.0.0.0" else "127.0.0.1";
      inherit (cfg.exporter) openFirewall;
    };
  };
}
