# A NixOS machine that keeps a rig. hlsswarm's address is that of your copy of it: a path, or
# github:OWNER/REPOSITORY.
{
  inputs = {
    hlsswarm.url = "path:/etc/nixos/hlsswarm";
    nixpkgs.follows = "hlsswarm/nixpkgs";
  };

  outputs =
    { nixpkgs, hlsswarm, ... }:
    {
      nixosConfigurations.rig = nixpkgs.lib.nixosSystem {
        system = "x86_64-linux";
        modules = [
          hlsswarm.nixosModules.default
          ./configuration.nix
          # What `nixos-generate-config` wrote for this machine:
          # ./hardware-configuration.nix
        ];
      };
    };
}
