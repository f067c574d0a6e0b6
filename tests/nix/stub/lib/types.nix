# Types of options: what they take, and how several definitions become one value.
# A definition is { file, value, … }, free of conditions and priorities (modules.nix).
lib:
let
  inherit (builtins)
    all
    concatMap
    concatStringsSep
    elem
    filter
    head
    isAttrs
    isBool
    isFloat
    isFunction
    isInt
    isList
    isPath
    isString
    match
    ;
  inherit (lib.modules) effective evalModules mergeType;

  type =
    name: check: more:
    {
      _type = "option-type";
      inherit name check;
      description = name;
      merge = same;
      typeMerge = _: null;
    }
    // more;

  # One value, however often it was given.
  same =
    loc: definitions:
    let
      first = (head definitions).value;
    in
    if all (d: d.value == first) definitions then
      first
    else
      throw "The option `${lib.showOption loc}' has conflicting definition values.";
  last = _: definitions: (lib.last definitions).value;
  values = map (d: d.value);

  joined =
    name: separator:
    type name isString {
      merge = _: definitions: concatStringsSep separator (values definitions);
    };

  names = definitions: builtins.attrNames (builtins.foldl' (a: d: a // d.value) { } definitions);
  each =
    name: definitions:
    map (d: d // { value = d.value.${name}; }) (filter (d: d.value ? ${name}) definitions);

  attrsOf =
    element:
    type "attrsOf" isAttrs {
      description = "attribute set of ${element.description}";
      emptyValue = { };
      inherit element;
      merge =
        loc: definitions:
        builtins.listToAttrs (
          concatMap (
            name:
            let
              used = effective (map (d: removeAttrs d [ "priority" ]) (each name definitions));
            in
            if used == [ ] then
              [ ]
            else
              [
                {
                  inherit name;
                  value = mergeType (loc ++ [ name ]) element used;
                }
              ]
          ) (names definitions)
        );
    };

  anything = type "anything" (_: true) {
    merge =
      loc: definitions:
      let
        found = values definitions;
        first = head found;
      in
      if all (value: isAttrs value && !(value ? outPath) && !(value ? __functor)) found then
        (attrsOf anything).merge loc definitions
      else if all isList found then
        concatMap lib.trivial.id (map (list: concatMap elements list) found)
      else
        same loc definitions;
  };
  # mkIf and the like stand within lists as well.
  elements =
    value:
    map (d: d.value) (
      lib.modules.discharge {
        file = "a list";
        inherit value;
      }
    );

  submoduleWith =
    {
      modules,
      specialArgs ? { },
      ...
    }:
    type "submodule" (value: isAttrs value || isFunction value || isPath value) {
      emptyValue =
        (evalModules {
          modules = modules ++ [ { _module = { }; } ];
          inherit specialArgs;
        }).config;
      inherit modules;
      merge =
        loc: definitions:
        (evalModules {
          modules =
            modules
            ++ map (
              d:
              if isAttrs d.value then
                {
                  _file = toString d.file;
                  config = d.value;
                }
              else
                d.value
            ) definitions;
          specialArgs = {
            name = lib.last loc;
          }
          // specialArgs;
          prefix = loc;
        }).config;
    };

  integers = name: check: type name (value: isInt value && check value) { };
  either =
    a: b:
    type "either" (value: a.check value || b.check value) {
      description = "${a.description} or ${b.description}";
      merge =
        loc: definitions:
        if all (d: a.check d.value) definitions then a.merge loc definitions else b.merge loc definitions;
    };
in
rec {
  inherit
    anything
    attrsOf
    either
    submoduleWith
    ;
  lazyAttrsOf = attrsOf;
  unspecified = anything;
  raw = type "raw value" (_: true) { };
  attrs = type "attribute set" isAttrs {
    emptyValue = { };
    merge = _: definitions: builtins.foldl' (a: b: a // b) { } (values definitions);
  };
  bool = type "boolean" isBool { };
  int = integers "signed integer" (_: true);
  ints = {
    positive = integers "positive integer, meaning >0" (value: value > 0);
    unsigned = integers "unsigned integer, meaning >=0" (value: value >= 0);
    between =
      low: high:
      integers "integer between ${toString low} and ${toString high} (both inclusive)" (
        value: value >= low && value <= high
      );
    u8 = ints.between 0 255;
    u16 = ints.between 0 65535;
    u32 = ints.between 0 4294967295;
  };
  port = ints.between 0 65535 // {
    description = "16 bit unsigned integer; between 0 and 65535 (both inclusive)";
  };
  float = type "floating point number" isFloat { };
  number = either int float;
  numbers.nonnegative = addCheck number (value: value >= 0);
  numbers.between = low: high: addCheck number (value: value >= low && value <= high);
  numbers.positive = addCheck number (value: value > 0);
  str = type "string" isString { };
  nonEmptyStr = type "non-empty string" (value: isString value && match "[ \t\n]*" value == null) { };
  singleLineStr = type "string, not containing newlines or carriage returns" (
    value: isString value && match "[^\n\r]*" value != null
  ) { };
  strMatching =
    pattern:
    type "string matching the pattern ${pattern}" (
      value: isString value && match pattern value != null
    ) { };
  lines = joined "strings concatenated with \"\\n\"" "\n";
  commas = joined "strings concatenated with \",\"" ",";
  separatedString = separator: joined "strings concatenated with \"${separator}\"" separator;
  path = type "absolute path" (
    value: lib.strings.isStringLike value && builtins.substring 0 1 (toString value) == "/"
  ) { };
  externalPath = path;
  pathInStore = path;
  package = type "package" (value: isAttrs value && value ? outPath || isPath value) {
    merge = last;
  };
  shellPackage = package;
  enum =
    allowed:
    type "one of ${concatStringsSep ", " (map builtins.toJSON allowed)}" (
      value: elem value allowed
    ) { };
  nullOr =
    inner:
    type "nullOr" (value: value == null || inner.check value) {
      description = "null or ${inner.description}";
      emptyValue = null;
      merge =
        loc: definitions:
        if all (d: d.value == null) definitions then null else inner.merge loc definitions;
    };
  oneOf = list: builtins.foldl' either (head list) (builtins.tail list);
  listOf =
    element:
    type "listOf" isList {
      description = "list of ${element.description}";
      emptyValue = [ ];
      merge =
        loc: definitions:
        concatMap (
          d:
          concatMap (
            value:
            let
              used = effective [
                {
                  inherit (d) file;
                  inherit value;
                }
              ];
            in
            if used == [ ] then [ ] else [ (mergeType (loc ++ [ "*" ]) element used) ]
          ) d.value
        ) definitions;
    };
  nonEmptyListOf = element: addCheck (listOf element) (value: value != [ ]);
  uniq = inner: inner;
  unique = _: inner: inner;
  functionTo = inner: type "function that evaluates to a(n) ${inner.description}" isFunction { };
  addCheck = inner: check: inner // { check = value: inner.check value && check value; };
  coercedTo =
    from: coerce: to:
    type "coerced" (value: to.check value || from.check value && to.check (coerce value)) {
      description = "${to.description} or ${from.description} convertible to it";
      merge =
        loc: definitions:
        to.merge loc (
          map (d: if from.check d.value then d // { value = coerce d.value; } else d) definitions
        );
    };
  submodule = module: submoduleWith { modules = lib.toList module; };
  deferredModule = raw;
  optionType = raw;
}
