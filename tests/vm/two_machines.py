# Origin and swarm on different machines, and a network that is away for a while.
# A NixOS test script: the driver gives it `origin`, `swarm`, `start_all` and `subtest`.

METRICS = "curl -sf http://127.0.0.1:9090/metrics"


def value(series):
    """A series' value on the swarm's machine; 0 while it is not there."""
    lines = [line.rpartition(" ") for line in swarm.execute(METRICS)[1].splitlines()]
    return next((float(number) for name, _, number in lines if name == series), 0.0)


def segments():
    return value('hlsswarm_requests_total{kind="segment",swarm="watch"}')


start_all()

with subtest("the swarm plays what the other machine sends"):
    origin.wait_for_unit("hlsswarm.service")
    origin.wait_for_open_port(8080)
    swarm.wait_for_unit("hlsswarm.service")
    swarm.wait_until_succeeds(f"{METRICS} | grep '^hlsswarm_clients_active.* 2'")
    swarm.wait_until_succeeds(f"{METRICS} | grep '^hlsswarm_requests_total.*segment.* [1-9][0-9]'")

with subtest("the network is away: clients fail, and are kept"):
    # Whatever the interface is called.
    swarm.succeed("ip route add blackhole $(getent ahostsv4 origin | awk '{print $1; exit}')/32")
    swarm.wait_until_succeeds(f"{METRICS} | grep -E '^hlsswarm_clients_restarted_total.* [1-9]'")
    swarm.succeed("systemctl is-active hlsswarm.service")
    origin.succeed("systemctl is-active hlsswarm.service")

with subtest("the network is back: all play again"):
    swarm.succeed("ip route del blackhole $(getent ahostsv4 origin | awk '{print $1; exit}')/32")
    counted = segments()
    swarm.wait_until_succeeds(f"{METRICS} | grep '^hlsswarm_clients_active.* 2'")
    for _ in range(120):
        if segments() > counted + 5:
            break
        swarm.execute("sleep 1")
    assert segments() > counted + 5, (counted, segments())
