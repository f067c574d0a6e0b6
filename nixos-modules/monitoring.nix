# Prometheus, its rules, Grafana with the dashboard, and a node exporter, for rigs here and elsewhere.
#
# Rules and dashboard are ../monitoring's. Grafana listens on loopback; where others are to see it is
# yours to say (services.grafana).
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  rig = config.services.hlsswarm;
  cfg = rig.monitoring;
  addresses = import ./addresses.nix { inherit lib; };

  listen =
    if rig.settings.metrics.listen == null then "127.0.0.1:9090" else rig.settings.metrics.listen;
  isScraped = rig.enable && !addresses.isOff listen;
  own = "${addresses.hereOf (addresses.hostOf listen)}:${toString (addresses.portOf listen)}";
  prometheusPort = config.services.prometheus.port;

  job = name: targets: {
    job_name = name;
    scrape_interval = cfg.scrapeInterval;
    static_configs = [ { inherit targets; } ];
  };
  jobs =
    lib.optional (isScraped || cfg.targets != [ ]) (
      job "hlsswarm" (lib.optional isScraped own ++ cfg.targets)
    )
    ++ lib.optional (cfg.runTargets != [ ]) (job "hlsswarm-run" cfg.runTargets)
    ++ lib.optional cfg.nodeExporter.enable (job "node" [ "127.0.0.1:9100" ])
    ++ lib.optional rig.testOrigin.exporter.enable (job "nginx" [ "127.0.0.1:9113" ]);

  dashboards = pkgs.writeTextDir "hlsswarm.json" (builtins.readFile ../monitoring/dashboard.json);
  keyDirectory = "hlsswarm-grafana";
  keyFile = "/var/lib/${keyDirectory}/secret-key";
in
{
  imports = [
    ./swarm.nix
    ./test-origin.nix
  ];

  options.services.hlsswarm.monitoring = {
    enable = lib.mkEnableOption "Prometheus, Grafana and a node exporter for hlsswarm";

    targets = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "rig2.lab:9090" ];
      description = "Metrics addresses of further rigs. That of this machine is known.";
    };

    runTargets = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "127.0.0.1:9190" ];
      description = "Metrics addresses of runs by hand (`hlsswarm run --metrics`), which end.";
    };

    scrapeInterval = mkOption {
      type = types.str;
      default = "5s";
      description = "How often figures are fetched. The rules want 15 s or less.";
    };

    rules = mkOption {
      type = types.path;
      default = ../monitoring/rules.yml;
      defaultText = lib.literalExpression "monitoring/rules.yml of hlsswarm";
      description = "Recording and alert rules.";
    };

    grafana.enable = mkOption {
      type = types.bool;
      default = true;
      description = "Whether Grafana runs here, with Prometheus as its source and the dashboard in it.";
    };

    nodeExporter.enable = mkOption {
      type = types.bool;
      default = true;
      description = ''
        Whether a node exporter tells of this machine, with its systemd collector. Clients' units
        are left out there: five series for each of a thousand clients help nobody.
      '';
    };
  };

  config = lib.mkIf cfg.enable (
    lib.mkMerge [
      {
        assertions = [
          {
            assertion = rig.enable && addresses.isOff listen -> cfg.targets != [ ];
            message = ''services.hlsswarm.monitoring: settings.metrics.listen is "off", so Prometheus finds nothing of this rig. Leave it out, or name other rigs in monitoring.targets.'';
          }
          {
            assertion = rig.enable || cfg.targets != [ ] || cfg.runTargets != [ ];
            message = "services.hlsswarm.monitoring has nothing to look at: enable services.hlsswarm here, or name rigs in monitoring.targets.";
          }
          {
            assertion = isScraped -> addresses.portOf listen != prometheusPort;
            message = "services.prometheus.port: ${toString prometheusPort} is that of the rig's own metrics (settings.metrics.listen). Give one of them another port.";
          }
        ];

        services.prometheus = {
          enable = true;
          # The rig's figures are at 9090, Prometheus's own default.
          port = lib.mkDefault 9091;
          listenAddress = lib.mkDefault "127.0.0.1";
          globalConfig.evaluation_interval = lib.mkDefault "15s";
          ruleFiles = [ cfg.rules ];
          scrapeConfigs = jobs;
        };
      }

      (lib.mkIf cfg.nodeExporter.enable {
        services.prometheus.exporters.node = {
          enable = true;
          listenAddress = lib.mkDefault "127.0.0.1";
          enabledCollectors = [ "systemd" ];
          # What comes after `|` is the collector's own default.
          extraFlags = [
            "--collector.systemd.unit-exclude='(hlsswarm-.*-client-.*|.+[.](automount|device|mount|scope|slice))'"
          ];
        };
      })

      (lib.mkIf cfg.grafana.enable {
        services.grafana = {
          enable = true;
          settings.server.http_addr = lib.mkDefault "127.0.0.1";
          settings.security.secret_key = lib.mkDefault "$__file{${keyFile}}";
          provision = {
            enable = true;
            datasources.settings.datasources = [
              {
                name = "Prometheus";
                uid = "hlsswarm-prometheus";
                type = "prometheus";
                access = "proxy";
                url = "http://127.0.0.1:${toString prometheusPort}";
                isDefault = true;
                jsonData.timeInterval = cfg.scrapeInterval;
              }
            ];
            dashboards.settings.providers = [
              {
                name = "hlsswarm";
                type = "file";
                options.path = "${dashboards}";
              }
            ];
          };
        };

        # Grafana wants a key that is its own and not in the store: made once, on the machine.
        systemd.services.hlsswarm-grafana-key = {
          description = "The key of hlsswarm's Grafana";
          wantedBy = [ "grafana.service" ];
          before = [ "grafana.service" ];
          serviceConfig = {
            Type = "oneshot";
            User = "grafana";
            StateDirectory = keyDirectory;
            StateDirectoryMode = "0700";
            UMask = "0077";
          };
          path = [ pkgs.openssl ];
          script = ''
            [ -s ${keyFile} ] || openssl rand -hex -out ${keyFile} 32
          '';
        };
      })
    ]
  );
}
