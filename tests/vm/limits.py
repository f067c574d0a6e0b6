# Limits hold on cgroup v2, and what they do is told: quotas, memory, tasks, pressure.
# A NixOS test script: the driver gives it `machine`, `start_all` and `subtest`.

METRICS = "curl -sf http://127.0.0.1:9090/metrics"
ENCODER = "hlsswarm-origin8080-encoder-stress.service"
CLIENT = "hlsswarm-watch-client-0001.service"


def cgroup_file(unit, name):
    group = machine.succeed(f"systemctl show -P ControlGroup {unit}").strip()
    return machine.succeed(f"cat /sys/fs/cgroup{group}/{name}")


def share(unit, seconds):
    """CPU time of a unit in a while, as a share of one processor; and throttled periods."""
    # The guest's own clock: emulation may be late.
    script = "cat /proc/uptime /sys/fs/cgroup$(systemctl show -P ControlGroup {})/cpu.stat"
    seen = []
    for _ in range(2):
        words = machine.succeed(script.format(unit)).split()
        stat = dict(zip(words[2::2], words[3::2], strict=True))
        # Not there as long as nothing near has a limit: cgroup v2 does not count then.
        held = int(stat.get("nr_throttled", 0))
        seen.append((float(words[0]), int(stat["usage_usec"]) / 1e6, held))
        if len(seen) == 1:
            machine.succeed(f"sleep {seconds}")
    (t0, cpu0, held0), (t1, cpu1, held1) = seen
    return (cpu1 - cpu0) / (t1 - t0), held1 - held0


start_all()

with subtest("the rig plays, on cgroup v2"):
    machine.wait_for_unit("hlsswarm.service")
    assert machine.succeed("stat -fc %T /sys/fs/cgroup").strip() == "cgroup2fs"
    machine.wait_until_succeeds(f"{METRICS} | grep '^hlsswarm_clients_active.* 3'")

with subtest("what a client starts with is in the kernel"):
    assert cgroup_file(CLIENT, "memory.max").strip() == str(256 << 20)
    assert cgroup_file(CLIENT, "pids.max").strip() == "64"

with subtest("a CPU quota slows an encoder down while it runs"):
    free, _ = share(ENCODER, 10)
    machine.log(f"the encoder takes {free:.0%} of a processor")
    assert free > 0.08, free
    machine.succeed("hlsswarm set-limit origin8080/encoder-stress --cpu-quota 4%")
    held, throttled = share(ENCODER, 15)
    machine.log(f"with a quota of 4 % it takes {held:.1%}, held back {throttled} times")
    assert held < 0.06, held
    assert throttled > 10, throttled
    machine.succeed("hlsswarm set-limit origin8080/encoder-stress --cpu-quota none")

with subtest("tasks of all clients"):
    machine.succeed("hlsswarm set-limit watch/clients --tasks-max 40")
    assert cgroup_file("hlsswarm-watch-clients.slice", "pids.max").strip() == "40"

with subtest("a client that runs out of memory is counted as that, and comes back"):
    machine.wait_until_succeeds(f"{METRICS} | grep '^hlsswarm_clients_active.* 3'")
    machine.succeed(f"{METRICS} | grep '^hlsswarm_clients_oom_killed_total.* 0'")
    machine.succeed("hlsswarm set-limit watch/client-1 --memory-max 6M")
    machine.wait_until_succeeds(f"{METRICS} | grep '^hlsswarm_clients_oom_killed_total.* [1-9]'")
    machine.succeed(f"{METRICS} | grep '^hlsswarm_process_exits_total.*oom-kill'")
    machine.fail(f"{METRICS} | grep '^hlsswarm_process_exits_total.*SIGKILL'")
    machine.succeed(f"journalctl -u {CLIENT} | grep -i 'oom'")
    # Also while the client waits for its next start.
    machine.succeed("hlsswarm set-limit watch/client-1 --memory-max none")
    machine.wait_until_succeeds(f"{METRICS} | grep '^hlsswarm_clients_active.* 3'", timeout=120)

with subtest("pressure is told"):
    machine.wait_until_succeeds(
        f"{METRICS} | grep -E '^hlsswarm_clients_waiting_seconds_total.*cpu.* [0-9.]*[1-9]'"
    )
    status = machine.succeed("hlsswarm status --units")
    assert "waits cpu/mem/io" in status, status
