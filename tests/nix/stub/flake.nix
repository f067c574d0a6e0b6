# Stands for nixpkgs where none can be had: enough of its shape for our flake to be evaluated.
# What is evaluated with it is proven again with a real tree: docs/nix.md.
{
  outputs =
    { self }:
    let
      lib = import ./lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
    in
    {
      lib = lib // {
        nixosSystem = import ./nixos/lib/eval-config.nix;
      };
      legacyPackages = lib.genAttrs systems (system: import ./. { inherit system; });
    };
}
