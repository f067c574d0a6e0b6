# systemd.services.NAME
{ lib, ... }:
let
  inherit (lib) mkOption types;
  value = types.oneOf [
    types.bool
    types.int
    types.str
    types.path
    types.package
  ];
  section = mkOption {
    type = types.attrsOf (types.either (types.nullOr value) (types.listOf value));
    default = { };
  };
  units = mkOption {
    type = types.listOf types.str;
    default = [ ];
  };
  text = mkOption {
    type = types.lines;
    default = "";
  };
  flag =
    default:
    mkOption {
      type = types.bool;
      inherit default;
    };
in
{
  options = {
    description = mkOption {
      type = types.singleLineStr;
      default = "";
    };
    documentation = units;
    enable = flag true;
    after = units;
    before = units;
    wants = units;
    requires = units;
    bindsTo = units;
    partOf = units;
    conflicts = units;
    wantedBy = units;
    requiredBy = units;
    unitConfig = section;
    serviceConfig = section;
    environment = mkOption {
      type = types.attrsOf (
        types.nullOr (
          types.oneOf [
            types.str
            types.path
            types.package
          ]
        )
      );
      default = { };
    };
    path = mkOption {
      type = types.listOf (types.either types.package types.str);
      default = [ ];
    };
    script = text;
    preStart = text;
    postStart = text;
    preStop = text;
    reload = text;
    restartTriggers = mkOption {
      type = types.listOf types.anything;
      default = [ ];
    };
    reloadTriggers = mkOption {
      type = types.listOf types.anything;
      default = [ ];
    };
    restartIfChanged = flag true;
    reloadIfChanged = flag false;
    stopIfChanged = flag true;
    startLimitIntervalSec = mkOption {
      type = types.nullOr types.int;
      default = null;
    };
    startLimitBurst = mkOption {
      type = types.nullOr types.int;
      default = null;
    };
    stopWhenUnneeded = flag false;
    startAt = mkOption {
      type = types.anything;
      default = [ ];
    };
    confinement = mkOption {
      type = types.anything;
      default = { };
    };
  };
}
