# All of hlsswarm for a machine. microvm.nix is for guests alone, and imported beside this.
{
  imports = [
    ./swarm.nix
    ./test-origin.nix
    ./monitoring.nix
    ./tuning.nix
  ];
}
