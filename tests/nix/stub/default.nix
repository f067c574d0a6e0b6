# `import nixpkgs { … }`
{
  system ? "x86_64-linux",
  overlays ? [ ],
  ...
}:
let
  lib = import ./lib;
  apply = pkgs: overlay: pkgs // overlay (pkgs // overlay pkgs pkgs) pkgs;
in
builtins.foldl' apply (import ./pkgs { inherit lib system; }) overlays
