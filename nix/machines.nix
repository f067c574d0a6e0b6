# Examples of machines, for one system: each is a configuration that somebody could have.
{ nixosSystem, modules }:
system:
let
  machine =
    parts:
    nixosSystem {
      inherit system;
      modules = [
        {
          system.stateVersion = "26.05";
          # Nobody reads manuals on them, and images are smaller without.
          documentation.nixos.enable = false;
        }
      ]
      ++ parts;
    };
  # Where a machine boots from is its owner's business.
  onDisk = {
    fileSystems."/" = {
      device = "/dev/disk/by-label/nixos";
      fsType = "ext4";
    };
    boot.loader.systemd-boot.enable = true;
    boot.loader.efi.canTouchEfiVariables = true;
  };
  swarmOf = url: {
    name = "watch";
    inherit url;
    clients = 50;
    ramp-rate = 5;
    threshold = [
      "segment_seconds: p(95)<0.5"
      "playback_failures: rate<1%"
    ];
  };
  guest =
    settings:
    machine [
      modules.microvm
      {
        services.hlsswarm.microvm = settings // {
          enable = true;
        };
      }
    ];
in
{
  # A machine that tests itself for good: origin, swarm, figures, alerts, dashboard.
  rig = machine [
    modules.default
    onDisk
    {
      networking.hostName = "rig";
      services.hlsswarm = {
        enable = true;
        testOrigin.enable = true;
        settings.swarm = [ (swarmOf "http://127.0.0.1:8080/stream.m3u8") ];
        monitoring.enable = true;
        tuning = {
          enable = true;
          clients = 50;
        };
      };
    }
  ];

  # A test origin for other machines.
  origin = machine [
    modules.test-origin
    modules.tuning
    onDisk
    {
      networking.hostName = "origin";
      services.hlsswarm = {
        enable = true;
        testOrigin = {
          enable = true;
          profile = "4k-abr";
          address = "0.0.0.0";
          openFirewall = true;
        };
        tuning = {
          enable = true;
          clients = 2000;
        };
      };
    }
  ];

  # Two machines of a laboratory: one has the stream, the other plays it and keeps the figures.
  lab-origin = machine [
    modules.test-origin
    onDisk
    {
      networking.hostName = "lab-origin";
      services.hlsswarm = {
        enable = true;
        testOrigin = {
          enable = true;
          profile = "stress";
          address = "0.0.0.0";
          openFirewall = true;
        };
      };
    }
  ];
  lab-swarm = machine [
    modules.default
    onDisk
    {
      networking.hostName = "lab-swarm";
      services.hlsswarm = {
        enable = true;
        settings.swarm = [ (swarmOf "http://lab-origin:8080/stream.m3u8") ];
        monitoring.enable = true;
        tuning = {
          enable = true;
          clients = 500;
        };
      };
    }
  ];

  # What swarm-systemd-container is made of: PID 1 is systemd, kernel and disk are the host's.
  container = machine [
    modules.default
    {
      boot.isContainer = true;
      networking = {
        hostName = "hlsswarm";
        # The engine's business.
        useDHCP = false;
        firewall.enable = false;
      };
      services.hlsswarm = {
        enable = true;
        testOrigin.enable = true;
        settings = {
          metrics.listen = "0.0.0.0:9090";
          swarm = [ (swarmOf "http://127.0.0.1:8080/stream.m3u8") ];
        };
      };
    }
  ];

  # Guests of microvm.nix, over QEMU's own network or a TAP interface.
  microvm-origin = guest { role = "origin"; };
  microvm-swarm = guest { role = "swarm"; };
  microvm-origin-tap = guest {
    role = "origin";
    network = "tap";
  };
}
