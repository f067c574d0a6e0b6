# The service keeps the rig of its file: a stream plays, the clients are units, figures are told.
# A NixOS test script: the driver gives it `machine`, `start_all` and `subtest`.

start_all()

with subtest("the service is up, and the rig with it"):
    machine.wait_for_unit("hlsswarm.service")
    machine.wait_for_open_port(9090)
    machine.wait_for_open_port(8080)

with subtest("clients play, each a unit of its own"):
    machine.wait_until_succeeds(
        "curl -sf http://127.0.0.1:9090/metrics"
        " | grep -E '^hlsswarm_clients_active\\{swarm=\"watch\"\\} 3'"
    )
    units = machine.succeed(
        "systemctl list-units --plain --no-legend 'hlsswarm-watch-client-*.service'"
    )
    assert units.count(" running ") == 3, units

with subtest("figures and health are told"):
    machine.succeed("curl -sf http://127.0.0.1:9090/healthz")
    machine.wait_until_succeeds(
        "curl -sf http://127.0.0.1:9090/metrics"
        ' | grep -E \'^hlsswarm_requests_total\\{kind="segment",swarm="watch"\\} [1-9][0-9]\''
    )
    shown = machine.succeed("hlsswarm rig")
    assert "watch" in shown, shown

with subtest("the end of the service is the end of the rig"):
    machine.succeed("systemctl stop hlsswarm.service")
    left = machine.succeed("systemctl list-units --plain --no-legend 'hlsswarm-*.service'")
    assert left.strip() == "", left
    machine.fail("pgrep ffmpeg")
