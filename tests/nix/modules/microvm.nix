# microvm.nix's own module, of a checkout or of the stub.
tree:
let
  real = tree + "/nixos-modules/microvm";
in
if builtins.pathExists real then
  real
else
  ((import (tree + "/flake.nix")).outputs { self = null; }).nixosModules.microvm
