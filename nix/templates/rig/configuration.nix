{
  networking.hostName = "rig";
  system.stateVersion = "26.05";

  services.hlsswarm = {
    enable = true;
    # Who may steer it without being root.
    operators = [ ];

    # Something to play, on http://127.0.0.1:8080/stream.m3u8, until you have something better.
    testOrigin.enable = true;

    settings.swarm = [
      {
        name = "watch";
        url = "http://127.0.0.1:8080/stream.m3u8";
        clients = 20;
        ramp-rate = 5;
        threshold = [
          "segment_seconds: p(95)<0.5"
          "playback_failures: rate<1%"
        ];
      }
    ];

    # Limits of the kernel for so many clients.
    tuning.enable = true;
    tuning.clients = 20;

    # Prometheus, its rules, and Grafana with the dashboard, on loopback.
    monitoring.enable = true;
  };
}
