# The module system: options, definitions, priorities, conditions, submodules, errors.
# Messages begin as nixpkgs' do, so that a test of one holds for the other.
lib:
let
  inherit (builtins)
    attrNames
    concatLists
    concatMap
    concatStringsSep
    elem
    filter
    foldl'
    genericClosure
    head
    isAttrs
    isFunction
    isList
    isPath
    isString
    listToAttrs
    mapAttrs
    sort
    ;

  # --- Properties -----------------------------------------------------------------------------
  isProperty = type: value: isAttrs value && value._type or null == type;
  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
  mkOrder = order: content: {
    _type = "order";
    inherit order content;
  };
  defaultPriority = 100;

  # { file, value } to a list of the same with `priority` and `order`, free of properties.
  discharge =
    definition:
    let
      go =
        priority: order: value:
        if isProperty "if" value then
          if value.condition then go priority order value.content else [ ]
        else if isProperty "merge" value then
          concatMap (go priority order) value.contents
        else if isProperty "override" value then
          go value.priority order value.content
        else if isProperty "order" value then
          go priority value.order value.content
        else
          [ (definition // { inherit value priority order; }) ];
    in
    go (definition.priority or defaultPriority) 1000 definition.value;

  strongest =
    definitions:
    let
      most = foldl' (a: d: lib.min a d.priority) 9999 definitions;
    in
    sort (a: b: a.order < b.order) (filter (d: d.priority == most) definitions);

  effective = definitions: strongest (concatMap discharge definitions);

  # Definitions of attribute sets to those of one level below, with properties passed on.
  below =
    { file, value, ... }@definition:
    if isProperty "merge" value then
      concatMap (content: below (definition // { value = content; })) value.contents
    else if isProperty "if" value then
      map (d: d // { value = mapAttrs (_: mkIf value.condition) d.value; }) (
        below (definition // { value = value.content; })
      )
    else if isProperty "override" value then
      map (d: d // { value = mapAttrs (_: mkOverride value.priority) d.value; }) (
        below (definition // { value = value.content; })
      )
    else if isProperty "order" value then
      below (definition // { value = value.content; })
    else if isAttrs value then
      [ definition ]
    else
      throw "In `${file}': a set of options is needed, and this is none.";

  at =
    name: definitions:
    map (d: d // { value = d.value.${name}; }) (filter (d: d.value ? ${name}) definitions);
  namesOf = sets: attrNames (foldl' (all: set: all // set) { } sets);

  # --- Options --------------------------------------------------------------------------------
  isOption = isProperty "option";
  mkOption = arguments: { _type = "option"; } // arguments;
  mkEnableOption =
    name:
    mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = "Whether to enable ${name}.";
    };
  mkPackageOption =
    packages: name:
    {
      default ? name,
      nullable ? false,
      example ? null,
      extraDescription ? "",
      pkgsText ? "pkgs",
    }:
    mkOption {
      type = if nullable then lib.types.nullOr lib.types.package else lib.types.package;
      description = "The ${name} package to use. ${extraDescription}";
      ${if default == null then null else "default"} =
        lib.attrByPath (lib.toList default) (throw "pkgs.${toString default} is not in the stub")
          packages;
    };
  showOption = concatStringsSep ".";
  showFiles = definitions: concatStringsSep ", " (map (d: "`${toString d.file}'") definitions);

  mergeOption =
    loc: option: definitions:
    let
      type = option.type or lib.types.unspecified;
      given =
        definitions
        ++ (
          if option ? default then
            [
              {
                file = "default";
                value = mkOverride 1500 option.default;
              }
            ]
          else
            [ ]
        );
      used = effective given;
      value =
        if used != [ ] then
          mergeType loc type used
        else if type ? emptyValue then
          type.emptyValue
        else
          throw "The option `${showOption loc}' was accessed but has no value defined. Try setting the option.";
      readOnly =
        option.readOnly or false
        && builtins.length (if option ? default then definitions else builtins.tail definitions) > 0
        && definitions != [ ];
    in
    if readOnly then
      throw "The option `${showOption loc}' is read-only, but it's set multiple times."
    else
      (option.apply or (v: v)) value;

  mergeType =
    loc: type: definitions:
    let
      wrong = filter (d: !type.check d.value) definitions;
    in
    if wrong == [ ] then
      type.merge loc definitions
    else
      throw "A definition for option `${showOption loc}' is not of type `${type.description or type.name}'. Definition values: in ${showFiles wrong}";

  # --- Modules --------------------------------------------------------------------------------
  structured =
    file: module:
    let
      bare = removeAttrs module [
        "imports"
        "_file"
        "key"
        "_class"
        "freeformType"
        "meta"
        "disabledModules"
      ];
      explicit = module ? config || module ? options;
    in
    {
      file = module._file or file;
      imports = module.imports or [ ];
      options = module.options or { };
      config = if explicit then module.config or { } else bare;
      freeform = module.freeformType or module.config._module.freeformType or null;
    };

  load =
    arguments: position: module:
    let
      isFile = isPath module || isString module || isAttrs module && module ? outPath;
      content = if isFile then import module else module;
      # Only what it asks for: an argument that it does not name may be one that depends on it.
      called =
        if isFunction content then
          content (
            if builtins.functionArgs content == { } then
              arguments
            else
              mapAttrs (name: _: arguments.${name} or (throw "Modules are given no argument `${name}'.")) (
                lib.filterAttrs (name: optional: !optional || arguments ? ${name}) (builtins.functionArgs content)
              )
              // arguments
          )
        else
          content;
      made = structured (if isFile then toString module else "<a module>") called;
    in
    made
    // {
      key = if isFile then toString module else called.key or position;
    };

  collect =
    arguments: modules:
    genericClosure {
      startSet = lib.imap0 (n: load arguments ":${toString n}") modules;
      operator = module: lib.imap0 (n: load arguments "${module.key}:${toString n}") module.imports;
    };

  evalModules =
    {
      modules,
      specialArgs ? { },
      prefix ? [ ],
      ...
    }:
    let
      arguments = {
        inherit lib;
        inherit (evaluated) config options;
      }
      // specialArgs;
      all = collect arguments modules;
      freeforms = filter (type: type != null) (map (module: module.freeform) all);
      evaluated = level prefix (map (m: m.options) all) (map (m: {
        inherit (m) file;
        value = m.config;
      }) all) (if freeforms == [ ] then null else head freeforms);
    in
    evaluated;

  # One level of the tree of options.
  level =
    loc: declarations: definitions: freeform:
    let
      defined = concatMap below definitions;
      declared = namesOf declarations;
      stray = filter (name: name != "_module" && !elem name declared) (
        namesOf (map (d: d.value) defined)
      );
      made = listToAttrs (
        map (name: {
          inherit name;
          value = node (loc ++ [ name ]) (concatMap (
            d: if d ? ${name} then [ d.${name} ] else [ ]
          ) declarations) (at name defined);
        }) declared
      );
      extra =
        if stray == [ ] || freeform == null then
          { }
        else
          mergeType loc freeform (
            map (d: d // { value = removeAttrs d.value (declared ++ [ "_module" ]); }) defined
          );
      lost = head stray;
    in
    {
      options = mapAttrs (_: n: n.options) made;
      config =
        let
          config = mapAttrs (_: n: n.config) made // extra;
        in
        if stray != [ ] && freeform == null && concatMap discharge (at lost defined) != [ ] then
          throw "The option `${showOption (loc ++ [ lost ])}' does not exist. Definition values: in ${showFiles (at lost defined)}"
        else
          config;
    };

  node =
    loc: declarations: definitions:
    let
      options = filter isOption declarations;
    in
    if options == [ ] then
      level loc declarations definitions null
    else
      {
        options = head options // {
          inherit loc;
          value = mergeOption loc (head options) definitions;
          isDefined = definitions != [ ];
          definitions = map (d: d.value) definitions;
        };
        config = mergeOption loc (head options) definitions;
      };
in
{
  inherit
    mkIf
    mkMerge
    mkOverride
    mkOrder
    mkOption
    mkEnableOption
    mkPackageOption
    isOption
    showOption
    evalModules
    discharge
    effective
    mergeType
    ;
  mkDefault = mkOverride 1000;
  mkForce = mkOverride 50;
  mkOptionDefault = mkOverride 1500;
  mkVMOverride = mkOverride 10;
  mkBefore = mkOrder 500;
  mkAfter = mkOrder 1500;
  mkAssert =
    condition: message: content:
    if condition then content else throw message;
  literalExpression = text: {
    _type = "literalExpression";
    inherit text;
  };
  literalMD = text: {
    _type = "literalMD";
    inherit text;
  };
  mdDoc = text: text;
}
