# What `nix flake check` builds: programs and images, formatting, the rigs' files of all examples
# (`hlsswarm check` reads each), and virtual machines that run tests/vm/*.py, the scripts that
# `make vm-test` runs on Debian. That the examples evaluate as a whole is checked as
# `nixosConfigurations`.
{
  pkgs,
  packages,
  modules,
  machines,
}:
let
  inherit (pkgs) lib;
  # A machine as those scripts expect it: the rig of a file, and a shell's usual programs.
  node = rig: {
    imports = [ modules.swarm ];
    services.hlsswarm = {
      enable = true;
      settings = lib.importTOML rig;
    };
    environment.systemPackages = [
      pkgs.curl
      pkgs.python3
    ];
    # The scripts reach web servers from other machines, and nobody else is on that network.
    networking.firewall.enable = false;
    virtualisation.memorySize = 1024;
    virtualisation.cores = 2;
  };
  vmTest =
    name: nodes:
    pkgs.testers.runNixOSTest {
      name = "hlsswarm-${name}";
      inherit nodes;
      testScript = builtins.readFile ../tests/vm/${name}.py;
    };
  vmTests =
    lib.genAttrs
      [
        "smoke"
        "limits"
        "restart"
        "security"
      ]
      (
        name:
        vmTest name {
          machine = node ../tests/vm/${name}.toml;
        }
      )
    // {
      two-machines = vmTest "two_machines" {
        origin = node ../tests/vm/two_machines.origin.toml;
        swarm = node ../tests/vm/two_machines.swarm.toml;
      };
    };
  rigOf = name: machine: lib.nameValuePair "rig-${name}" machine.config.services.hlsswarm.configFile;
in
{
  inherit (packages)
    hlsswarm
    ffmpeg-minimal
    swarm-container
    test-origin-container
    swarm-systemd-container
    ;
  formatting =
    pkgs.runCommand "hlsswarm-formatting"
      {
        nativeBuildInputs = [ pkgs.nixfmt ];
      }
      ''
        nixfmt --check ${../flake.nix} $(find ${../nix} ${../nixos-modules} -name '*.nix')
        touch $out
      '';
}
// lib.mapAttrs' rigOf machines
# Tried on this kind of machine alone, and each costs an evaluation of NixOS.
// lib.optionalAttrs pkgs.stdenv.hostPlatform.isx86_64 (
  lib.mapAttrs' (name: test: lib.nameValuePair "vm-${name}" test) vmTests
)
