# Every option below services.hlsswarm, in words, for docs/nixos-options.md.
{ lib, options }:
let
  text =
    value: if value._type or null == "literalExpression" then value.text else builtins.toJSON value;
  row = option: {
    name = lib.concatStringsSep "." option.loc;
    description = option.description or "";
    default =
      if option ? defaultText then
        text option.defaultText
      else if option ? default then
        text option.default
      else
        null;
    example = if option ? example then text option.example else null;
  };
  below =
    value:
    if value._type or null == "option" then
      lib.optional (!(value.internal or false)) (row value)
    else
      lib.concatMap (name: below value.${name}) (builtins.attrNames value);
in
below options.services.hlsswarm
