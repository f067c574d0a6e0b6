# nix flake init -t github:OWNER/hlsswarm#rig, with the address of your copy of hlsswarm below.
{
  inputs = {
    hlsswarm.url = "path:/etc/nixos/hlsswarm";
    nixpkgs.follows = "hlsswarm/nixpkgs";
  };

  outputs =
    { nixpkgs, hlsswarm, ... }:
    {
      nixosConfigurations.rig = nixpkgs.lib.nixosSystem {
        modules = [
          hlsswarm.nixosModules.default
          ./configuration.nix
        ];
      };
    };
}
