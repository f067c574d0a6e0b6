# A service as the text of a unit file, as NixOS writes it.
lib: service:
let
  word = value: if builtins.isBool value then lib.boolToString value else toString value;
  assignment = name: value: lib.concatMapStrings (one: "${name}=${word one}\n") (lib.toList value);
  section =
    name: values:
    "[${name}]\n"
    + lib.concatStringsSep "" (
      lib.mapAttrsToList assignment (lib.filterAttrs (_: v: v != null) values)
    );
  list = name: units: lib.optionalAttrs (units != [ ]) { ${name} = lib.concatStringsSep " " units; };
  some = name: value: lib.optionalAttrs (value != null && value != "") { ${name} = value; };
in
section "Unit" (
  some "Description" service.description
  // list "Documentation" service.documentation
  // list "After" service.after
  // list "Before" service.before
  // list "Wants" service.wants
  // list "Requires" service.requires
  // list "BindsTo" service.bindsTo
  // list "PartOf" service.partOf
  // list "Conflicts" service.conflicts
  // some "StartLimitIntervalSec" service.startLimitIntervalSec
  // some "StartLimitBurst" service.startLimitBurst
  // service.unitConfig
)
+ "\n[Service]\n"
+ lib.concatStringsSep "" (
  lib.mapAttrsToList (name: value: "Environment=${builtins.toJSON "${name}=${value}"}\n") (
    lib.filterAttrs (_: v: v != null) (
      service.environment
      // lib.optionalAttrs (service.path != [ ]) { PATH = lib.makeBinPath service.path; }
    )
  )
)
+ lib.removePrefix "[Service]\n" (section "Service" service.serviceConfig)
