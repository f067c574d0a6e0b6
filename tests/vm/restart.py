# The rig survives its controller, systemd's re-execution and the machine's loss of power.
# A NixOS test script: the driver gives it `machine`, `start_all` and `subtest`.

METRICS = "curl -sf http://127.0.0.1:9090/metrics"


def value(series):
    """A series' value; -1 while nobody answers."""
    status, text = machine.execute(METRICS)
    lines = [line.rpartition(" ") for line in text.splitlines()] if status == 0 else []
    return next((float(number) for name, _, number in lines if name == series), -1.0)


def segments():
    return value('hlsswarm_requests_total{kind="segment",swarm="watch"}')


def processes():
    """Main processes of all that the rig runs, by unit."""
    text = machine.succeed(
        "systemctl show -p Id -p MainPID 'hlsswarm-*.service' | grep -v '^$' | paste -d ' ' - -"
    )
    return sorted(text.splitlines())


def play():
    machine.wait_until_succeeds(f"{METRICS} | grep '^hlsswarm_clients_active.* 3'")
    machine.wait_until_succeeds(
        f"{METRICS} | grep '^hlsswarm_requests_total.*segment.* [1-9][0-9]'"
    )


def goes_on(before):
    """Wait until more segments are counted than there were; no count is ever lower."""
    for _ in range(120):
        now = segments()
        assert now == -1.0 or now >= before, f"the counter of segments ran back: {before} to {now}"
        if now > before + 3:
            return
        machine.execute("sleep 1")
    raise AssertionError(f"no more than {before} segments are counted")


start_all()

with subtest("the rig plays"):
    machine.wait_for_unit("hlsswarm.service")
    play()
    before = processes()
    assert len(before) == 5, before

with subtest("the controller is killed: no client, encoder or server notices"):
    counted = segments()
    machine.succeed("systemctl kill --signal=SIGKILL --kill-whom=main hlsswarm.service")
    machine.wait_until_succeeds("test $(systemctl show -P NRestarts hlsswarm.service) = 1")
    machine.wait_for_unit("hlsswarm.service")
    goes_on(counted)
    assert processes() == before, (before, processes())
    assert value('hlsswarm_clients_restarted_total{swarm="watch"}') == 0

with subtest("systemd executes itself anew: nothing is disturbed"):
    counted = segments()
    machine.succeed("systemctl daemon-reexec")
    machine.succeed("systemctl daemon-reload")
    goes_on(counted)
    assert processes() == before, (before, processes())

with subtest("the machine loses power and comes back, and the rig with it"):
    # The disk may be some seconds behind: the file system writes when it sees fit.
    counted = segments()
    machine.succeed("sleep 15")
    machine.crash()
    machine.start()
    machine.wait_for_unit("hlsswarm.service")
    machine.wait_until_succeeds(f"{METRICS} | grep '^hlsswarm_clients_active.* 3'")
    goes_on(counted)

with subtest("the machine shuts down in order, and the rig comes back"):
    counted = segments()
    machine.shutdown()
    machine.start()
    machine.wait_for_unit("hlsswarm.service")
    machine.wait_until_succeeds(f"{METRICS} | grep '^hlsswarm_clients_active.* 3'")
    goes_on(counted)
