"""The lab's system manager is a real one, and nothing of it is left when it has gone."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.machine_groups import PREFIX, REPOSITORY, USER_ID, MachineError
from tests.lab.system_machine import SystemMachine

CGROUPS = Path("/sys/fs/cgroup")
ON_V1 = (CGROUPS / "memory").is_dir()
# dd fills a buffer of one block.
TAKES_100_MB = ["dd", "if=/dev/zero", "of=/dev/null", "bs=100M", "count=1"]
KNOBS = ["fs/nr_open", "fs/file-max", "net/unix/max_dgram_qlen", "kernel/hostname"]
# Gives the pid of the keeper, then waits to be killed.
OWNER = """
import signal
from tests.lab.system_machine import SystemMachine
with SystemMachine() as machine:
    machine.run(["systemd-run", "sleep", "infinity"], check=True)
    print(machine._keeper.pid, flush=True)
    signal.pause()
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[SystemMachine]:
    with SystemMachine() as machine:
        yield machine


def cgroups_of(owner: int) -> list[Path]:
    """The cgroups, in any hierarchy, of machines that this process owns or owned."""
    folders = (Path(folder) for folder, _, _ in os.walk(CGROUPS))
    return [f for f in folders if f.name.startswith(PREFIX) and f".{owner}." in f.name]


def started(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def members(groups: list[Path]) -> set[tuple[int, str]]:
    found = set()
    for group in groups:
        for file in group.rglob("cgroup.procs"):
            for pid in map(int, file.read_text().split()):
                with contextlib.suppress(OSError):
                    found.add((pid, started(pid)))
    return found


def outside_cgroups() -> dict[tuple[int, str], str]:
    """In which cgroups each process is, by pid and start time."""
    found = {}
    for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()):
        with contextlib.suppress(OSError):
            found[pid, started(pid)] = Path(f"/proc/{pid}/cgroup").read_text()
    return found


def listings() -> set[str]:
    """What lies in the folders that a booting systemd would clean or fill, and its sysctls."""
    folders = ("/tmp", "/run", "/var/tmp", "/etc")
    names = {str(path) for folder in folders for path in Path(folder).iterdir()}
    return names | {f"{knob}: {Path('/proc/sys', knob).read_text()}" for knob in KNOBS}


def wait_for_the_end_of(pid: int) -> None:
    process = os.pidfd_open(pid)
    assert select.select([process], [], [], 20)[0], f"process {pid} did not end"
    os.close(process)


def test_the_system_manager_is_up(machine: SystemMachine) -> None:
    state = machine.run(["systemctl", "is-system-running"]).stdout.strip()
    assert state in ("running", "degraded")
    assert machine.run(["cat", "/proc/1/comm"]).stdout == "systemd\n"


def test_the_system_bus_answers(machine: SystemMachine) -> None:
    manager = ["org.freedesktop.systemd1", "/org/freedesktop/systemd1"]
    get = ["org.freedesktop.DBus.Properties", "Get", "ss", "org.freedesktop.systemd1.Manager"]
    answer = machine.run(["busctl", "--system", "call", *manager, *get, "Version"], check=True)
    assert answer.stdout.startswith('v s "')


@pytest.mark.parametrize(
    ("limit", "outcomes"), [("20M", {"signal", "oom-kill"}), ("400M", {"success"})]
)
def test_a_memory_limit_holds(machine: SystemMachine, limit: str, outcomes: set[str]) -> None:
    have = machine.run(["sh", "-c", "ls /sys/fs/cgroup; cat /sys/fs/cgroup/cgroup.controllers"])
    if "memory" not in have.stdout.split():  # cgroup v2, and the controller was not delegated to us
        outcomes = {"success"}
    properties = ["-p", f"MemoryMax={limit}", "-p", "MemorySwapMax=0"]
    done = machine.run(["systemd-run", "--wait", "--collect", *properties, *TAKES_100_MB])
    assert done.stderr.partition("Finished with result: ")[2].split()[0] in outcomes


@pytest.mark.parametrize("unit", ["systemd-tmpfiles-setup.service", "systemd-tmpfiles-clean.timer"])
def test_what_touches_a_machines_state_is_masked(machine: SystemMachine, unit: str) -> None:
    assert machine.run(["systemctl", "is-enabled", unit]).stdout == "masked\n"


def test_a_command_has_its_folder_environment_input_and_status(machine: SystemMachine) -> None:
    script = 'pwd; echo "$WORD $HOME"; cat; exit 7'
    done = machine.run(["sh", "-c", script], cwd=Path("/etc"), env={"WORD": "up"}, input="in")
    assert (done.stdout, done.returncode) == ("/etc\nup /root\nin", 7)
    assert machine.run(["no-such-command"]).returncode == 127
    with pytest.raises(subprocess.CalledProcessError):
        machine.run(["false"], check=True)


def test_a_timeout_ends_all_that_the_command_started(machine: SystemMachine) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        machine.run(["sh", "-c", "sleep 4321 & sleep 4321"], timeout=0.2)
    assert machine.run(["pgrep", "-fx", "sleep 4321"]).returncode == 1


def test_the_repository_and_the_running_python_are_there(machine: SystemMachine) -> None:
    file = REPOSITORY / f".written-inside-{os.getpid()}"
    code = f"import pytest, tests.lab; open({str(file)!r}, 'w')"
    try:
        machine.run([sys.executable, "-c", code], check=True)
        assert file.exists()
    finally:
        file.unlink(missing_ok=True)


def test_tmp_is_its_own(machine: SystemMachine) -> None:
    machine.run(["touch", "/tmp/inside", "/etc/inside"], check=True)
    assert not Path("/tmp/inside").exists()
    assert not Path("/etc/inside").exists()


def test_a_user_has_a_manager_of_its_own(machine: SystemMachine) -> None:
    assert machine.run_as_user(["id", "-u"]).stdout == f"{USER_ID}\n"
    state = machine.run_as_user(["systemctl", "--user", "is-system-running"]).stdout.strip()
    assert state in ("running", "degraded")
    done = machine.run_as_user(
        ["systemd-run", "--user", "--wait", "--pipe", "id", "-u"], check=True
    )
    assert done.stdout == f"{USER_ID}\n"


def test_a_user_managers_limits_do_nothing_without_delegation(machine: SystemMachine) -> None:
    own = "/sys/fs/cgroup$(sed s/^0:://\\;q /proc/self/cgroup)/cgroup.controllers"
    show = ["systemd-run", "--user", "--wait", "--pipe", "sh", "-c", f"cat {own}"]
    delegated = not ON_V1 and "memory" in machine.run_as_user(show).stdout.split()
    run = ["systemd-run", "--user", "--wait", "--collect", "-p", "MemoryMax=20M", *TAKES_100_MB]
    assert ("result: success" in machine.run_as_user(run).stderr) != delegated


def test_it_leaves_nothing_and_moves_nobody() -> None:
    first_process = Path("/proc/1/cgroup").read_text()
    # The machine is shared: what others do meanwhile happens once, what we do every time.
    for _ in range(3):
        lying, placed, before = listings(), outside_cgroups(), cgroups_of(os.getpid())
        with SystemMachine() as machine:
            machine.run(["systemd-run", "sleep", "infinity"], check=True)
            machine.run(["sh", "-c", "setsid sleep infinity >/dev/null 2>&1 &"], check=True)
            machine.run_as_user(["systemd-run", "--user", "sleep", "infinity"], check=True)
            groups = [g for g in cgroups_of(os.getpid()) if g not in before]
            inside = members(groups)
            placed_meanwhile = outside_cgroups()
        placed_after = outside_cgroups()
        assert len(inside) >= 5
        assert not inside & placed_after.keys()
        assert groups
        assert cgroups_of(os.getpid()) == before
        changed = lying ^ listings()
        moved = {
            process: (cgroup, later[process])
            for later in (placed_meanwhile, placed_after)
            for process, cgroup in placed.items()
            if later.get(process, cgroup) != cgroup
        }
        if not changed and not moved:
            break
    assert not changed
    assert not moved
    assert Path("/proc/1/cgroup").read_text() == first_process


def test_a_killed_owner_leaves_nothing() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout
        keeper = int(owner.stdout.readline())
        inside = members(cgroups_of(owner.pid))
        assert inside
        owner.kill()
        wait_for_the_end_of(keeper)
    assert not cgroups_of(owner.pid)
    assert not inside & outside_cgroups().keys()


def test_the_next_start_sweeps_what_a_killed_owner_and_keeper_left() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout
        keeper = int(owner.stdout.readline())
        inside = members(cgroups_of(owner.pid))
        os.kill(keeper, signal.SIGKILL)
        owner.kill()
    assert cgroups_of(owner.pid)
    with SystemMachine():
        assert not cgroups_of(owner.pid)
        for pid, _ in inside:  # they may be zombies for a while: the machine's init reaps them
            with contextlib.suppress(ProcessLookupError):
                wait_for_the_end_of(pid)


def test_a_failed_boot_says_why_and_leaves_nothing() -> None:
    before = cgroups_of(os.getpid())
    with pytest.raises(MachineError, match=r"(?s)did not boot.*No such file.*/no/such/folder"):
        SystemMachine(readable=[Path("/no/such/folder")]).__enter__()
    assert cgroups_of(os.getpid()) == before


def test_a_machine_that_has_ended_says_so() -> None:
    with SystemMachine() as machine:
        machine.run(["systemctl", "poweroff"])
        wait_for_the_end_of(machine.root_pid)
        with pytest.raises(MachineError, match=r"(?s)has ended.*Stopped target basic.target"):
            machine.run(["true"])


def test_it_is_refused_without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MachineError, match="needs root"):
        SystemMachine().__enter__()


def test_the_command_line_gives_the_commands_status() -> None:
    command = [sys.executable, "-m", "tests.lab.system_machine", "--user", "--"]
    command += ["sh", "-c", "id -u; exit 3"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (3, f"{USER_ID}\n".encode())
