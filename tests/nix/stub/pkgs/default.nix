# Packages by name, each a derivation that nobody could build, and functions that make more of them
# and keep what they were given: as attributes, as nixpkgs' derivations do, and as `arguments`.
{ lib, system }:
let
  # What a derivation would have in its environment: so it is evaluated, and makes a difference.
  text =
    name: value:
    if builtins.isString value || lib.isDerivation value then
      { ${name} = "${value}"; }
    else if builtins.isList value && lib.all lib.strings.isStringLike value then
      { ${name} = map (one: "${one}") value; }
    else if name == "config" then
      { ${name} = builtins.toJSON value; }
    else
      { };
  # What a function was given stays visible as `arguments`.
  fake =
    name: arguments:
    let
      made = derivation (
        lib.concatMapAttrs text (removeAttrs arguments [ "name" ])
        // {
          inherit name system;
          builder = "/bin/false";
        }
      );
      package =
        made
        // arguments
        // {
          inherit name arguments;
          pname = arguments.pname or name;
          version = arguments.version or "0";
          src = arguments.src or null;
          meta = {
            mainProgram = name;
          }
          // arguments.meta or { };
          passthru = arguments.passthru or { };
          override = changed: fake name (arguments // { override = changed; });
          overrideAttrs = changed: fake name (arguments // { overridden = changed; });
          overridePythonAttrs = changed: fake name (arguments // { overridden = changed; });
        }
        // arguments.passthru or { };
    in
    package
    // {
      out = package;
      bin = package;
      lib = package;
      dev = package;
    };
  named = lib.genAttrs [
    "bash"
    "cacert"
    "coreutils"
    "curl"
    "dbus"
    "dumb-init"
    "ffmpeg"
    "ffmpeg-headless"
    "git"
    "gnugrep"
    "gnumake"
    "grafana"
    "iproute2"
    "iputils"
    "jq"
    "kmod"
    "makeBinaryWrapper"
    "mbedtls"
    "mediamtx"
    "mypy"
    "nginx"
    "nixfmt"
    "nixfmt-tree"
    "openssl"
    "pkg-config"
    "procps"
    "prometheus"
    "python3"
    "qemu"
    "ruff"
    "shadow"
    "systemd"
    "tini"
    "util-linux"
    "util-linuxMinimal"
  ] (name: fake name { });

  python3Packages =
    lib.genAttrs [
      "aiohttp"
      "h11"
      "hypothesis"
      "jinja2"
      "jsonschema"
      "m3u8"
      "mypy"
      "prometheus-client"
      "psutil"
      "pystemd"
      "pytest"
      "pytestCheckHook"
      "pyyaml"
      "rich"
      "sdnotify"
      "setuptools"
      "tomli-w"
      "types-jsonschema"
      "types-psutil"
    ] (name: fake name { })
    // {
      python = python3;
      buildPythonApplication = arguments: fake arguments.pname arguments;
      buildPythonPackage = arguments: fake arguments.pname arguments;
    };
  dejavu_fonts = fake "dejavu-fonts" { passthru.minimal = fake "dejavu-fonts-minimal" { }; };
  python3 = fake "python3" { } // {
    pkgs = python3Packages;
    withPackages = choose: fake "python3-env" { packages = choose python3Packages; };
    sitePackages = "lib/python3.13/site-packages";
  };

  tomlType =
    let
      value = lib.types.nullOr (
        lib.types.oneOf [
          lib.types.bool
          lib.types.int
          lib.types.float
          lib.types.str
          lib.types.path
          (lib.types.attrsOf value)
          (lib.types.listOf value)
        ]
      );
    in
    value;
  format = {
    type = tomlType;
    generate =
      name: value:
      fake name {
        inherit value;
        passthru = { inherit value; };
      };
  };

  platform = rec {
    inherit system;
    isx86_64 = system == "x86_64-linux";
    isAarch64 = system == "aarch64-linux";
    isLinux = true;
    qemuArch = parsed.cpu.name;
    parsed.cpu.name = builtins.head (lib.splitString "-" system);
    canExecute = _: true;
  };

  functions = {
    inherit lib system;
    stdenv = {
      hostPlatform = platform;
      buildPlatform = platform;
      cc.targetPrefix = "";
      mkDerivation = arguments: fake (arguments.name or arguments.pname) arguments;
    };
    callPackage = callPackageWith all;
    runCommand =
      name: environment: script:
      fake name (environment // { buildCommand = script; });
    runCommandLocal = functions.runCommand;
    writeText =
      name: text:
      fake name {
        inherit text;
        passthru = { inherit text; };
      };
    writeTextDir =
      path: text:
      fake (baseNameOf path) {
        inherit text;
        passthru = { inherit text; };
      };
    writeTextFile = arguments: fake arguments.name arguments;
    writeShellScript = name: text: fake name { inherit text; };
    writeShellScriptBin = name: text: fake name { inherit text; };
    writeShellApplication = arguments: fake arguments.name arguments;
    buildEnv = arguments: fake arguments.name arguments;
    symlinkJoin = arguments: fake (arguments.name or arguments.pname) arguments;
    linkFarm = name: entries: fake name { inherit entries; };
    mkShell = arguments: fake "shell" arguments;
    mkShellNoCC = arguments: fake "shell" arguments;
    formats = {
      toml = _: format;
      json = _: format;
      yaml = _: format;
      ini = _: format;
    };
    testers.runNixOSTest = arguments: fake "vm-test-run-${arguments.name}" (testNodes arguments);
    nixosOptionsDoc = arguments: {
      optionsJSON = fake "options.json" arguments;
      optionsCommonMark = fake "options.md" arguments;
    };
    dockerTools = {
      streamLayeredImage = arguments: fake "stream-${arguments.name}" arguments;
      buildLayeredImage = arguments: fake arguments.name arguments;
      caCertificates = fake "ca-certificates" { };
      fakeNss = fake "fake-nss" { };
      binSh = fake "bin-sh" { };
    };
  };
  # The machines of a test are evaluated, as NixOS would: their assertions count.
  testNodes =
    arguments:
    arguments
    // {
      machines = map (
        module:
        (import ../nixos/lib/eval-config.nix {
          inherit system;
          modules = [ module ];
        }).config.system.build.toplevel
      ) (lib.attrValues arguments.nodes);
    };

  callPackageWith =
    set: function: changed:
    let
      content = if builtins.isFunction function then function else import function;
      wanted = builtins.functionArgs content;
    in
    content (builtins.intersectAttrs wanted set // changed);

  all =
    named
    // functions
    // {
      inherit dejavu_fonts python3 python3Packages;
      python3Minimal = python3;
      pkgs = all;
    };
in
all
