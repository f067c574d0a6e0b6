# Reads a systemd unit file, so that a unit is described in one place: ../systemd.
#
# Text to { Section.Key = value; }. A key that is repeated has a list, which NixOS writes again as
# repeated keys. Knows comments and sections; continued lines, which ours do not have, are refused.
{ lib }:
text:
let
  trimmed = line: builtins.head (builtins.match "[ \t]*(.*[^ \t])?[ \t]*" line);
  isComment = line: lib.hasPrefix "#" line || lib.hasPrefix ";" line;
  lines = lib.filter (line: line != null && line != "" && !isComment line) (
    map trimmed (lib.splitString "\n" text)
  );

  read =
    state: line:
    let
      section = builtins.match "\\[([A-Za-z]+)]" line;
      pair = builtins.match "([A-Za-z]+)=(.*)" line;
      key = builtins.elemAt pair 0;
      value = builtins.elemAt pair 1;
      before = state.sections.${state.current} or { };
    in
    if section != null then
      state // { current = builtins.head section; }
    else if pair == null || lib.hasSuffix "\\" value then
      throw "unit-file.nix does not understand this line of a unit file: ${line}"
    else
      state
      // {
        sections = state.sections // {
          ${state.current} = before // {
            ${key} = before.${key} or [ ] ++ [ value ];
          };
        };
      };

  alone = values: if builtins.length values == 1 then builtins.head values else values;
in
lib.mapAttrs (_: lib.mapAttrs (_: alone))
  (builtins.foldl' read {
    current = "";
    sections = { };
  } lines).sections
