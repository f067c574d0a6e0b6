# The options below `services.hlsswarm.settings`, made of the program's own table of settings.
#
# options.json is `hlsswarm schema --options`; a test holds them together. Keys that are not in it
# go through (RFC 42, `freeformType`), and `hlsswarm check` says at build what it thinks of them.
{ lib, format }:
let
  inherit (lib) mkOption types;
  rows = (lib.importJSON ./options.json).options;

  between =
    row: type:
    types.addCheck type (
      value:
      (row.minimum == null || value >= row.minimum) && (row.maximum == null || value <= row.maximum)
    );
  integer =
    row:
    if row.minimum != null && row.maximum != null then
      types.ints.between row.minimum row.maximum
    else
      between row types.int;
  text =
    row:
    if row.choices != [ ] then
      types.enum row.choices
    else if row.type == "path" then
      types.path
    else
      types.str;
  # By JSON's names, of which TOML has the same types.
  typed = row: {
    string = text row;
    integer = integer row;
    number = between row types.number;
    boolean = types.bool;
  };
  oneValue = row: types.oneOf (map (json: (typed row).${json}) row.json-types);

  shown = value: "`${builtins.toJSON value}`";
  option =
    row:
    let
      one = oneValue row;
      sentences = [
        "${row.description}."
      ]
      ++ lib.optional (row.default != null) "Default of the program: ${shown row.default}."
      ++ lib.optional row.live "A change reaches what runs.";
    in
    mkOption {
      type = types.nullOr (if row.list then types.listOf one else one);
      default = null;
      description = lib.concatStringsSep " " sentences;
    }
    // lib.optionalAttrs (row.example != null) {
      example = if row.list then [ row.example ] else row.example;
    };

  # "swarm.*.clients" is in section "swarm.*"
  parts = row: lib.splitString "." row.name;
  key = row: lib.last (parts row);
  section = row: lib.concatStringsSep "." (lib.take (builtins.length (parts row) - 1) (parts row));
  inSection = name: lib.filter (row: section row == name) rows;
  optionsOf =
    name: lib.listToAttrs (map (row: lib.nameValuePair (key row) (option row)) (inSection name));

  table = name: {
    freeformType = format.type;
    options = optionsOf name;
  };
  # An item without a name is nobody's.
  item = name: {
    freeformType = format.type;
    options = optionsOf name // {
      name = mkOption {
        type = types.nonEmptyStr;
        description = "Its name, by which it is told, steered and known after a reload.";
      };
    };
  };

  sections = lib.unique (map section rows);
  tableOption =
    name:
    if lib.hasSuffix ".*" name then
      lib.nameValuePair (lib.removeSuffix ".*" name) (mkOption {
        type = types.listOf (types.submodule (item name));
        default = [ ];
        description = "The `[[${lib.removeSuffix ".*" name}]]` tables of the file.";
      })
    else
      lib.nameValuePair name (mkOption {
        type = types.submodule (table name);
        default = { };
        description = "The `[${name}]` table of the file.";
      });
in
{
  type = types.submodule {
    freeformType = format.type;
    options =
      optionsOf "" // lib.listToAttrs (map tableOption (lib.filter (name: name != "") sections));
  };

  # What is not set is left to the program.
  document =
    let
      isSet = value: value != null && value != [ ] && value != { };
      pruned =
        value:
        if builtins.isAttrs value then
          lib.filterAttrs (_: isSet) (lib.mapAttrs (_: pruned) value)
        else if builtins.isList value then
          map pruned value
        else
          value;
    in
    pruned;
}
