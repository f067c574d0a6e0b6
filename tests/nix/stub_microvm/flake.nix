# Stands for microvm.nix: its options take anything, its runner cannot be built.
{
  outputs =
    { self }:
    {
      nixosModules.microvm =
        {
          lib,
          pkgs,
          config,
          ...
        }:
        {
          options.microvm = lib.mkOption {
            default = { };
            type = lib.types.submodule {
              freeformType = lib.types.anything;
              options.declaredRunner = lib.mkOption {
                type = lib.types.package;
                # Whatever was set counts: what is wrong with it is wrong here as well.
                default = pkgs.runCommand "microvm-run" {
                  settings = builtins.toJSON (removeAttrs config.microvm [ "declaredRunner" ]);
                } "";
              };
            };
          };
        };
    };
}
