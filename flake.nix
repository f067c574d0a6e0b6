{
  description = "hlsswarm: HLS load tests by swarms of real ffmpeg clients, each a transient systemd unit";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    microvm = {
      url = "github:microvm-nix/microvm.nix";
      inputs.nixpkgs.follows = "nixpkgs";
      # Only for its guests with graphics.
      inputs.spectrum.follows = "";
    };
  };

  outputs =
    {
      self,
      nixpkgs,
      microvm,
    }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      forAllSystems = function: lib.genAttrs systems (system: function nixpkgs.legacyPackages.${system});
      systemOf = pkgs: pkgs.stdenv.hostPlatform.system;

      # By system, and evaluated once.
      machines = lib.genAttrs systems (
        import ./nix/machines.nix {
          inherit (lib) nixosSystem;
          modules = self.nixosModules;
        }
      );
    in
    {
      # The modules bring their own default packages; none needs an overlay.
      nixosModules = {
        default = ./nixos-modules/default.nix;
        swarm = ./nixos-modules/swarm.nix;
        test-origin = ./nixos-modules/test-origin.nix;
        monitoring = ./nixos-modules/monitoring.nix;
        tuning = ./nixos-modules/tuning.nix;
        # A guest of microvm.nix.
        microvm.imports = [
          microvm.nixosModules.microvm
          ./nixos-modules/microvm.nix
        ];
      };

      packages = forAllSystems (
        pkgs:
        let
          own = import ./nix/packages.nix { inherit pkgs; };
          inherit (machines.${systemOf pkgs})
            container
            microvm-origin
            microvm-origin-tap
            microvm-swarm
            ;
        in
        own
        // {
          default = own.hlsswarm;
          swarm-systemd-container = pkgs.callPackage ./nix/swarm-systemd-container.nix {
            inherit (own) swarm-container;
            machine = container;
          };
        }
        // lib.mapAttrs (_: machine: machine.config.microvm.declaredRunner) {
          inherit microvm-origin microvm-origin-tap microvm-swarm;
        }
      );

      apps = forAllSystems (
        pkgs:
        import ./nix/apps.nix {
          inherit pkgs;
          packages = self.packages.${systemOf pkgs};
        }
      );

      # Examples: what a machine's configuration looks like, and that it evaluates.
      nixosConfigurations = machines.x86_64-linux;

      checks = forAllSystems (
        pkgs:
        import ./nix/checks.nix {
          inherit pkgs;
          packages = self.packages.${systemOf pkgs};
          modules = self.nixosModules;
          machines = machines.${systemOf pkgs};
        }
      );

      devShells = forAllSystems (pkgs: {
        default = import ./nix/shell.nix {
          inherit pkgs;
          inherit (self.packages.${systemOf pkgs}) ffmpeg-minimal;
        };
      });

      formatter = forAllSystems (pkgs: pkgs.nixfmt-tree);

      templates = {
        default = self.templates.rig;
        rig = {
          path = ./nix/templates/rig;
          description = "A NixOS machine that keeps a rig: origin, swarm, monitoring";
        };
      };
    };
}
