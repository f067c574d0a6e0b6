# The rig's service: `hlsswarm serve`, kept by systemd, from `settings`.
#
# Unit, slice, directories and polkit rules are those of ../systemd, read and not written again.
# What only NixOS knows stands here: paths in the store, the file in /etc, the firewall, secrets.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.services.hlsswarm;
  own = import ../nix/packages.nix { inherit pkgs; };
  addresses = import ./addresses.nix { inherit lib; };
  format = pkgs.formats.toml { };
  settings = import ./settings.nix { inherit lib format; };
  readUnit = file: import ./unit-file.nix { inherit lib; } (builtins.readFile file);
  defaults = lib.mapAttrs (_: lib.mkDefault);

  unit = readUnit ../systemd/hlsswarm.service;
  slice = readUnit ../systemd/hlsswarm.slice;
  tmpfiles = lib.filter (line: line != "" && !lib.hasPrefix "#" line) (
    lib.splitString "\n" (builtins.readFile ../systemd/tmpfiles.conf)
  );
  # The paths of Debian in the unit, and what they are here.
  here =
    builtins.replaceStrings
      [ "@bindir@/hlsswarm" "/bin/kill" ]
      [
        (lib.getExe cfg.package)
        "${pkgs.util-linux}/bin/kill"
      ];

  tokenCredential = "api-token";
  file = format.generate "hlsswarm.toml" cfg.document;
  checked = pkgs.runCommand "hlsswarm-checked.toml" { } ''
    cp ${file} hlsswarm.toml
    ${lib.getExe cfg.package} check hlsswarm.toml
    cp hlsswarm.toml $out
  '';

  # --- What listens -------------------------------------------------------------------------------
  isEnabled = item: item.enabled or null != false;
  or' = default: value: if value == null then default else value;
  metricsAddress = or' "127.0.0.1:9090" cfg.settings.metrics.listen;
  apiAddress = or' "off" cfg.settings.api.listen;
  originAddress = origin: "${or' "127.0.0.1" origin.listen}:${toString (or' 8080 origin.port)}";
  listening = lib.filter (address: !addresses.isOff address) (
    [
      metricsAddress
      apiAddress
    ]
    ++ map originAddress (lib.filter isEnabled cfg.settings.origin)
  );
  reachable = lib.filter (address: !addresses.isLoopback (addresses.hostOf address)) listening;

  # --- What must not be in the store --------------------------------------------------------------
  inStore = path: builtins.isPath path || lib.hasPrefix builtins.storeDir (toString path);
  secretFiles = {
    "apiTokenFile" = cfg.apiTokenFile;
    "settings.api.token-file" = cfg.settings.api.token-file;
    "settings.api.tls-key" = cfg.settings.api.tls-key;
  }
  // lib.listToAttrs (
    map (swarm: {
      name = "settings.swarm: header-file of ${swarm.name}";
      value = swarm.header-file;
    }) cfg.settings.swarm
  );
  exposedFiles = lib.filterAttrs (_: path: path != null && inStore path) secretFiles;
  hasSecretHeader =
    swarm:
    lib.any (
      header:
      builtins.match "([Aa]uthorization|[Cc]ookie|[Pp]roxy-[Aa]uthorization)[ \t]*:.*" header != null
    ) (or' [ ] swarm.header);
  hasPassword = url: builtins.match "[a-z]+://[^/@]*:[^/@]*@.*" (toString url) != null;
  exposingItems =
    map (swarm: "swarm ${swarm.name}") (
      lib.filter (swarm: hasSecretHeader swarm || hasPassword swarm.url) cfg.settings.swarm
    )
    ++ map (item: "publisher ${item.name}") (
      lib.filter (item: hasPassword item.url) cfg.settings.publisher
    )
    ++ map (item: "encoder ${item.name}") (
      lib.filter (item: hasPassword item.input) cfg.settings.encoder
    );
in
{
  options.services.hlsswarm = {
    enable = lib.mkEnableOption "the permanent rig of hlsswarm: origins, encoders and swarms of HLS clients";

    package = mkOption {
      type = types.package;
      default = own.hlsswarm;
      defaultText = lib.literalExpression "hlsswarm.packages.\${system}.hlsswarm";
      description = "The program.";
    };

    ffmpeg = mkOption {
      type = types.package;
      default = pkgs.ffmpeg-headless;
      defaultText = lib.literalExpression "pkgs.ffmpeg-headless";
      description = "The ffmpeg that encodes, and that plays where there is no `clientFfmpeg`.";
    };

    clientFfmpeg = mkOption {
      type = types.nullOr types.package;
      default = own.ffmpeg-minimal;
      defaultText = lib.literalExpression "hlsswarm.packages.\${system}.ffmpeg-minimal";
      description = ''
        The ffmpeg of clients: one that only plays needs a quarter of the memory, and a fifth of the
        CPU at the start. `null` takes `ffmpeg` for them, too.
      '';
    };

    nginx = mkOption {
      type = types.package;
      default = pkgs.nginx;
      defaultText = lib.literalExpression "pkgs.nginx";
      description = "The web server of test origins. `services.nginx` has nothing to do with it.";
    };

    settings = mkOption {
      inherit (settings) type;
      default = { };
      example = lib.literalExpression ''
        {
          swarm = [
            {
              name = "evening";
              url = "https://cdn.example/live/master.m3u8";
              clients = 200;
              ramp-rate = 20;
              threshold = [ "segment_seconds: p(95)<0.5" ];
            }
          ];
        }
      '';
      description = ''
        What the rig is: the file of `hlsswarm serve`, by the same names (docs/configuration.md).
        What is not set is left to the program. The file is checked by `hlsswarm check` when the
        system is built, and reloaded when it has changed: what did not change is not disturbed.
        It lies in the Nix store, which everybody on the machine can read.
      '';
    };

    checkConfig = mkOption {
      type = types.bool;
      default = true;
      description = ''
        Whether `hlsswarm check` reads the file when the system is built. Turn it off where the
        machine that builds cannot run the machine's programs.
      '';
    };

    document = mkOption {
      type = types.raw;
      internal = true;
      readOnly = true;
      default = settings.document cfg.settings;
      defaultText = lib.literalExpression "settings";
      description = "`settings` as they are written: without what is not set.";
    };

    configFile = mkOption {
      type = types.path;
      readOnly = true;
      default = if cfg.checkConfig then checked else file;
      defaultText = lib.literalExpression "settings, as TOML";
      description = "The file that is made of `settings`: /etc/hlsswarm/hlsswarm.toml.";
    };

    operators = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "alice" ];
      description = ''
        Users who may steer the rig by its socket, and start, stop and reload its service: members
        of the group `hlsswarm`. They get no right to start units of their own.
      '';
    };

    apiTokenFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = "/run/secrets/hlsswarm-token";
      description = ''
        A file with the token that callers over TCP must have (`settings.api.listen`). systemd hands
        it to the service as a credential, so root alone has to be able to read it.
      '';
    };

    openFirewall = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether other machines may reach what the rig listens on beside loopback: metrics, the API,
        test origins.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = exposedFiles == { };
        message = ''services.hlsswarm: everybody on this machine could read ${lib.concatStringsSep ", " (builtins.attrNames exposedFiles)}, because the file lies in the Nix store. Give the path of a file that is put on the machine by other means, in quotes: "/run/secrets/…".'';
      }
      {
        assertion = exposingItems == [ ];
        message = "services.hlsswarm.settings: a secret of ${lib.concatStringsSep ", " exposingItems} would lie in the Nix store, where everybody on this machine can read it. Put headers into a file of their own and name it by header-file; a password does not belong into a URL here.";
      }
      {
        assertion = addresses.isOff apiAddress || cfg.settings.api.token-file != null;
        message = ''services.hlsswarm: over TCP (settings.api.listen = "${apiAddress}") anybody could steer the rig. Give apiTokenFile, or leave settings.api.listen "off" and use the socket.'';
      }
      {
        assertion = cfg.openFirewall -> reachable != [ ];
        message = ''services.hlsswarm.openFirewall opens nothing: all of the rig listens on loopback (${lib.concatStringsSep ", " listening}). Say where others find it, such as settings.metrics.listen = "0.0.0.0:9090".'';
      }
      {
        assertion = builtins.elem cfg.settings.manager [
          null
          "auto"
          "system"
        ];
        message = ''services.hlsswarm.settings.manager = "${toString cfg.settings.manager}": the service speaks to the machine's own systemd. Leave it out.'';
      }
    ];

    services.hlsswarm.settings.api = lib.mkIf (cfg.apiTokenFile != null) {
      # systemd.exec(5), LoadCredential=: where a system service finds its credentials.
      token-file = "/run/credentials/hlsswarm.service/${tokenCredential}";
    };

    environment.systemPackages = [ cfg.package ];
    environment.etc."hlsswarm/hlsswarm.toml".source = cfg.configFile;

    users.groups.hlsswarm.members = cfg.operators;
    security.polkit.enable = lib.mkDefault true;
    security.polkit.extraConfig = builtins.readFile ../systemd/50-hlsswarm.rules;

    systemd.tmpfiles.rules = tmpfiles ++ [
      # Where journalctl(1) looks for catalogs besides systemd's own, which are in the store.
      "L+ /usr/local/lib/systemd/catalog/hlsswarm.catalog - - - - ${../systemd/hlsswarm.catalog}"
    ];

    systemd.services.hlsswarm = {
      description = unit.Unit.Description;
      documentation = lib.splitString " " unit.Unit.Documentation;
      wants = lib.splitString " " unit.Unit.Wants;
      after = lib.splitString " " unit.Unit.After;
      wantedBy = lib.splitString " " unit.Install.WantedBy;
      unitConfig = defaults (
        removeAttrs unit.Unit [
          "Description"
          "Documentation"
          "Wants"
          "After"
        ]
      );
      serviceConfig =
        defaults (
          unit.Service
          // {
            ExecStart = here unit.Service.ExecStart;
            ExecReload = here unit.Service.ExecReload;
          }
        )
        // lib.optionalAttrs (cfg.apiTokenFile != null) {
          LoadCredential = [ "${tokenCredential}:${toString cfg.apiTokenFile}" ];
        };
      path = [
        cfg.ffmpeg
        cfg.nginx
      ];
      # Empty is none; not set would be that of the package.
      environment.HLSSWARM_FFMPEG_MINIMAL =
        if cfg.clientFfmpeg == null then "" else lib.getExe cfg.clientFfmpeg;
      # A new file is applied while everything runs, and a new program takes over what runs. To stop
      # the service, as NixOS does with what has changed, would end the rig.
      reloadTriggers = [ cfg.configFile ];
      stopIfChanged = false;
    };

    systemd.slices.hlsswarm = {
      description = slice.Unit.Description;
      documentation = lib.splitString " " slice.Unit.Documentation;
      sliceConfig = defaults slice.Slice;
    };

    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall (map addresses.portOf reachable);
  };
}
