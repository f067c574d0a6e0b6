# The part of nixpkgs' `lib` that we use, with the same names and meaning.
let
  inherit (builtins)
    attrNames
    attrValues
    concatLists
    concatMap
    concatStringsSep
    elemAt
    filter
    foldl'
    head
    isAttrs
    isBool
    isFunction
    isList
    isPath
    isString
    length
    listToAttrs
    mapAttrs
    match
    replaceStrings
    ;

  strings = rec {
    inherit (builtins)
      concatStringsSep
      stringLength
      substring
      toJSON
      ;
    concatMapStringsSep =
      separator: f: list:
      concatStringsSep separator (map f list);
    concatMapStrings = concatMapStringsSep "";
    concatLines = concatMapStrings (line: line + "\n");
    optionalString = condition: text: if condition then text else "";
    hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
    hasSuffix =
      suffix: text:
      let
        start = builtins.stringLength text - builtins.stringLength suffix;
      in
      start >= 0 && builtins.substring start (-1) text == suffix;
    removePrefix =
      prefix: text:
      if hasPrefix prefix text then builtins.substring (builtins.stringLength prefix) (-1) text else text;
    removeSuffix =
      suffix: text:
      if hasSuffix suffix text then
        builtins.substring 0 (builtins.stringLength text - builtins.stringLength suffix) text
      else
        text;
    hasInfix = infix: text: builtins.length (builtins.split (escapeRegex infix) text) > 1;
    escapeRegex = replaceStrings (map (c: c) special) (map (c: "\\" + c) special);
    special = [
      "\\"
      "."
      "*"
      "+"
      "?"
      "("
      ")"
      "["
      "]"
      "{"
      "}"
      "|"
      "^"
      "$"
    ];
    splitString =
      separator: text: filter isString (builtins.split (escapeRegex separator) (toString text));
    trim = text: head (match "[ \n\t]*(.*[^ \n\t]|)[ \n\t]*" text);
    toUpper = replaceStrings lower upper;
    toLower = replaceStrings upper lower;
    lower = map (n: builtins.substring n 1 "abcdefghijklmnopqrstuvwxyz") (builtins.genList (n: n) 26);
    upper = map (n: builtins.substring n 1 "ABCDEFGHIJKLMNOPQRSTUVWXYZ") (builtins.genList (n: n) 26);
    escapeShellArg =
      word:
      if match "[[:alnum:],._+:@%/-]+" (toString word) != null then
        toString word
      else
        "'${replaceStrings [ "'" ] [ "'\\''" ] (toString word)}'";
    escapeShellArgs = concatMapStringsSep " " escapeShellArg;
    versionOlder = a: b: builtins.compareVersions b a == 1;
    versionAtLeast = a: b: !versionOlder a b;
    isStringLike =
      value: isString value || isPath value || isAttrs value && (value ? outPath || value ? __toString);
    toInt = text: builtins.fromJSON (head (match "[ \t]*0*(-?[0-9]+)[ \t]*" text));
    fileContents = path: removeSuffix "\n" (builtins.readFile path);
  };

  attrsets = rec {
    inherit (builtins) attrNames attrValues listToAttrs;
    nameValuePair = name: value: { inherit name value; };
    genAttrs = names: f: listToAttrs (map (name: nameValuePair name (f name)) names);
    mapAttrs' = f: set: listToAttrs (attrValues (mapAttrs f set));
    mapAttrsToList = f: set: attrValues (mapAttrs f set);
    filterAttrs = keep: set: removeAttrs set (filter (n: !keep n set.${n}) (attrNames set));
    optionalAttrs = condition: set: if condition then set else { };
    attrByPath =
      path: default: set:
      if path == [ ] then
        set
      else if set ? ${head path} then
        attrByPath (builtins.tail path) default set.${head path}
      else
        default;
    recursiveUpdate =
      a: b:
      if isAttrs a && isAttrs b then
        a // mapAttrs (name: value: if a ? ${name} then recursiveUpdate a.${name} value else value) b
      else
        b;
    concatMapAttrs = f: set: foldl' (a: b: a // b) { } (attrValues (mapAttrs f set));
    concatMapAttrsStringSep =
      separator: f: set:
      concatStringsSep separator (mapAttrsToList f set);
    isDerivation = value: value.type or null == "derivation";
    getBin = package: package.bin or package;
    mergeAttrsList = foldl' (a: b: a // b) { };
    cartesianProduct =
      sets:
      foldl' (all: name: concatMap (set: map (value: set // { ${name} = value; }) sets.${name}) all) [
        { }
      ] (attrNames sets);
  };

  lists = rec {
    inherit (builtins)
      all
      any
      concatLists
      concatMap
      elem
      elemAt
      filter
      foldl'
      head
      length
      map
      tail
      ;
    singleton = value: [ value ];
    optional = condition: value: if condition then [ value ] else [ ];
    optionals = condition: list: if condition then list else [ ];
    flatten = value: if isList value then concatMap flatten value else [ value ];
    last = list: elemAt list (length list - 1);
    imap0 = f: list: builtins.genList (n: f n (elemAt list n)) (length list);
    imap1 = f: list: builtins.genList (n: f (n + 1) (elemAt list n)) (length list);
    range =
      first: past: if first > past then [ ] else builtins.genList (n: first + n) (past - first + 1);
    unique = foldl' (seen: value: if builtins.elem value seen then seen else seen ++ [ value ]) [ ];
    subtractLists = gone: filter (value: !builtins.elem value gone);
    intersectLists = kept: filter (value: builtins.elem value kept);
    findFirst =
      found: default: list:
      let
        hits = filter found list;
      in
      if hits == [ ] then default else head hits;
    toList = value: if isList value then value else [ value ];
    naturalSort = builtins.sort builtins.lessThan;
    sortOn = key: builtins.sort (a: b: key a < key b);
    count = wanted: list: length (filter wanted list);
    take =
      number: list: builtins.genList (elemAt list) (if number < length list then number else length list);
    allUnique = list: length (unique list) == length list;
    groupBy = builtins.groupBy;
  };

  trivial = {
    id = value: value;
    const = value: _: value;
    flip =
      f: a: b:
      f b a;
    pipe = foldl' (value: f: f value);
    boolToString = value: if value then "true" else "false";
    importJSON = path: builtins.fromJSON (builtins.readFile path);
    importTOML = path: fromTOML (builtins.readFile path);
    version = "stub";
    trivial.release = "26.11";
    release = "26.11";
    throwIf =
      condition: message: value:
      if condition then throw message else value;
    throwIfNot =
      condition: message: value:
      if condition then value else throw message;
    warnIf =
      condition: message: value:
      if condition then builtins.trace message value else value;
    makeBinPath = makePath "bin";
    makeLibraryPath = makePath "lib";
    makeSearchPath = makePath;
    getExe = package: "${package}/bin/${package.meta.mainProgram or package.pname or package.name}";
    getExe' = package: name: "${package}/bin/${name}";
    max = a: b: if a > b then a else b;
    min = a: b: if a < b then a else b;
    toString = builtins.toString;
  };

  makePath = below: packages: concatStringsSep ":" (map (package: "${package}/${below}") packages);

  # Files are not chosen: a source is the directory as it is.
  fileset = {
    toSource = { root, ... }: root;
    unions = sets: sets;
    union = a: b: [
      a
      b
    ];
    difference = a: _: a;
    intersection = a: _: a;
    fileFilter = _: path: path;
    gitTracked = path: path;
    maybeMissing = path: path;
  };

  # Without the rest of nixpkgs nobody looks at them.
  named =
    names:
    attrsets.genAttrs names (name: {
      shortName = name;
    });
  metadata = {
    licenses = named [
      "mit"
      "gpl3Plus"
      "gpl2Plus"
      "lgpl21Plus"
      "lgpl3Plus"
    ];
    platforms = {
      linux = [
        "x86_64-linux"
        "aarch64-linux"
      ];
    };
    maintainers = { };
  };
  modules = import ./modules.nix lib;
  types = import ./types.nix lib;
  lib =
    builtins
    // trivial
    // attrsets
    // lists
    // strings
    // modules
    // metadata
    // {
      inherit
        fileset
        types
        modules
        strings
        lists
        attrsets
        trivial
        ;
      isFunction = isFunction;
      isBool = isBool;
      inherit concatLists concatMap;
      options = modules;
      evalModules = modules.evalModules;
      systems.elaborate = system: { inherit system; };
    };
in
lib
