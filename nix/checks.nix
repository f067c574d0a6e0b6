# What `nix flake check` builds: packages, examples, formatting, and virtual machines that run
# tests/vm/*.py, the scripts that `make vm-test` runs on Debian.
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
  ofMachine =
    name: machine: lib.nameValuePair "machine-${name}" machine.config.system.build.toplevel;
in
{
  inherit (packages) hlsswarm ffmpeg-minimal;
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
// lib.mapAttrs' (name: test: lib.nameValuePair "vm-${name}" test) vmTests
// lib.mapAttrs' ofMachine machines
