"""Whatever ends the embedded manager, and whoever is killed: the machine is as it was before.

Real commands with clients that are small programs. The machine is compared before and after: the
cgroup of every process, all cgroup trees, the directories for run-time and temporary files, the
mounts, and the processes. It may be shared: other names than ours are for others to keep.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hlsswarm.units import cgroups, embedded
from tests.controller.swarms import PLAYS, fake_ffmpeg, start_times
from tests.support import Command, Place, place, processes_with, wait_for
from tests.units.live import gone

CLIENTS = 3
FIRST_PROCESS = Path("/proc/1/cgroup")
_PLACES = ("/run", "/tmp", "/var/tmp", "/dev/shm")
_MANAGED = ("mount /run", "mount /sys/fs/cgroup", "mount / ", "/run/systemd", "/run/user")


def process_cgroups() -> dict[tuple[int, str], str]:
    """The cgroups of every process, by its pid and start time."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                started = (entry / "stat").read_text().rpartition(")")[2].split()[19]
                found[int(entry.name), started] = (entry / "cgroup").read_text()
    return found


def names_around() -> set[str]:
    """Everything with a name that a manager could have made: cgroups, files, mounts."""
    trees = (tree.mount for tree in cgroups.hierarchies())
    found = {directory for tree in trees for directory, _, _ in os.walk(tree)}
    for directory in _PLACES:
        found |= {str(path) for path in Path(directory).iterdir()}
    # Without the numbers of mounts, which the kernel gives anew; the mount point comes first.
    mounts = (line.split() for line in cgroups.MOUNTINFO.read_text().splitlines())
    return found | {f"mount {fields[4]} {fields[2:4]}" for fields in mounts}


def systemds_own(names: set[str]) -> set[str]:
    """Of names, what a systemd that was not walled in would have made where we are."""
    ours = cgroups.membership()
    tops = {tree.directory(ours[tree.controllers]) for tree in cgroups.hierarchies()}
    kinds = (".slice", ".scope", ".service")
    groups = {name for name in names if Path(name).parent in tops and name.endswith(kinds)}
    return groups | {name for name in names if name.startswith(_MANAGED)}


@dataclass(frozen=True)
class Swarm:
    """A run in a place of its own, with clients that stream until they are ended."""

    place: Place
    run: str

    @property
    def directory(self) -> Path:
        """The embedded manager's."""
        return embedded.directory_in(self.place.runtime_directory)

    def start(self, *more: str) -> Command:
        """Start it as a user does."""
        program = str(self.place.root / "ffmpeg")
        words = ["run", "--manager", "embedded", "--run-id", self.run, "--ffmpeg", program]
        words += ["--skip-preflight", "--metrics", "off", "--clients", str(CLIENTS)]
        words += ["--sandbox", "off"]  # they note their starts in files
        return self.place.start(*words, "--ramp-rate", "0", *more, "http://127.0.0.1:1/s.m3u8")

    def started(self, *more: str) -> Command:
        """Start it and wait until all clients run."""
        command = self.start(*more)
        wait_for("all clients", lambda: self.clients_started() == CLIENTS or self.died(command))
        return command

    def clients_started(self) -> int:
        """How many clients have begun."""
        return sum(bool(start_times(self.place.root, n + 1)) for n in range(CLIENTS))

    def died(self, command: Command) -> bool:
        """Fail when the command has ended already."""
        assert command.process.poll() is None, command.finished()
        return False

    def keeper(self) -> int:
        """The keeper's pid."""
        [process] = [p for p in self.processes() if "embedded_keeper" in p]
        return int(process.split()[1].rstrip(":"))

    def manager(self) -> int:
        """The manager's pid: the keeper's child that is not a leftover."""
        [process] = [p for p in self.processes() if "systemd --user" in p]
        return int(process.split()[1].rstrip(":"))

    def processes(self) -> list[str]:
        """All processes of this place."""
        return processes_with(str(self.place.root))

    def belongings(self) -> tuple[str, ...]:
        """What is in every name that this run makes."""
        return (self.place.root.name, self.run, embedded.cgroup_name(self.directory))

    def left(self) -> list[str]:
        """What of it is there now."""
        mine = self.belongings()
        around = {name for name in names_around() if any(part in name for part in mine)}
        around -= {str(self.place.root), str(self.place.logs)}
        runtime = self.place.runtime_directory
        around |= {str(runtime)} if runtime.exists() else set()
        return [*sorted(around), *self.processes()]


@pytest.fixture
def swarm() -> Iterator[Swarm]:
    """A swarm's place; afterwards nobody has been moved, and nothing of it is left."""
    first, before, around = FIRST_PROCESS.read_text(), process_cgroups(), names_around()
    with place() as where:
        fake_ffmpeg(where.root, PLAYS)
        made = Swarm(where, f"i{secrets.token_hex(5)}")
        yield made
        nothing_left(made)
        after = process_cgroups()
        moved = {
            process: changed
            for process, cgroup in before.items()
            if (changed := moved_by_systemd(cgroup, after.get(process, cgroup), made))
        }
        assert moved == {}
        assert FIRST_PROCESS.read_text() == first
        assert systemds_own(names_around() ^ around) == set()


def moved_by_systemd(before: str, after: str, swarm: Swarm) -> list[str]:
    """Where a systemd has put a process that was there before; other supervisors move some, too.

    Groups of other managers and machines of the lab are below one that is named for them.
    """
    new = set(after.splitlines()) - set(before.splitlines())
    ours = swarm.belongings()[2]
    return [
        path
        for path in new
        if ours in path
        or ("/hlsswarm-" not in path and re.search(r"\.(scope|slice|service)(/|$)", path))
    ]


def nothing_left(swarm: Swarm) -> None:
    """Fail unless everything is gone, or about to be."""
    with contextlib.suppress(AssertionError):
        wait_for("an end", lambda: not swarm.left(), timeout_seconds=10)
    assert swarm.left() == []


def kill(*pids: int) -> None:
    """SIGKILL, and wait until they have ended."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_for("their end", lambda: gone(*pids))


def test_a_move_would_be_seen(swarm: Swarm) -> None:
    was = "4:memory:/\n0::/\n"
    assert moved_by_systemd(was, was, swarm) == []
    assert moved_by_systemd(was, "4:memory:/\n0::/init.scope\n", swarm) == ["0::/init.scope"]
    ours = f"4:memory:/{swarm.belongings()[2]}"
    assert moved_by_systemd(was, f"{ours}\n0::/\n", swarm) == [ours]
    other = "4:memory:/hlsswarm-0123456789/hlsswarm.slice\n0::/\n"
    assert moved_by_systemd(was, other, swarm) == []


def test_a_run_that_ends_by_itself(swarm: Swarm) -> None:
    finished = swarm.start("--duration", "1s").finished()
    assert finished.status == 0, finished
    assert swarm.clients_started() == CLIENTS
    # At once: the command waits until all is gone.
    assert swarm.left() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted(swarm: Swarm, number: signal.Signals) -> None:
    command = swarm.started()
    command.signal(number)
    assert command.finished().status == 105
    assert swarm.left() == []


def test_a_controller_that_is_killed_leaves_clients_that_can_be_stopped(swarm: Swarm) -> None:
    command = swarm.started()
    kill(command.process.pid)
    command.finished()
    assert swarm.place.units(swarm.run, "client") == ["running"] * CLIENTS
    assert f"Stopped {swarm.run}" in swarm.place.done("stop", "--all").out
    assert swarm.left() == []


def test_a_manager_that_is_killed(swarm: Swarm) -> None:
    command = swarm.started()
    kill(swarm.manager())
    assert command.finished().status == 107
    nothing_left(swarm)


def test_a_keeper_that_is_killed(swarm: Swarm) -> None:
    command = swarm.started()
    kill(swarm.keeper())
    assert swarm.place.units(swarm.run, "client") == ["running"] * CLIENTS
    command.signal(signal.SIGTERM)
    assert command.finished().status == 105
    assert swarm.left() == []


def test_a_keeper_and_a_controller_that_are_killed(swarm: Swarm) -> None:
    command = swarm.started()
    kill(swarm.keeper(), command.process.pid)
    command.finished()
    swarm.place.done("stop", "--all")
    assert swarm.left() == []


def test_keeper_and_manager_that_are_killed_are_swept_by_the_next_command(swarm: Swarm) -> None:
    command = swarm.started()
    keeper, manager = swarm.keeper(), swarm.manager()
    kill(command.process.pid)
    command.finished()
    kill(keeper, manager)
    assert swarm.left() != []
    assert swarm.place.status() == []
    assert swarm.left() == []


def test_a_new_run_sweeps_as_well(swarm: Swarm) -> None:
    command = swarm.started()
    kill(swarm.keeper(), swarm.manager())
    command.finished()
    for notes in swarm.place.root.glob("starts-*"):
        notes.unlink()
    again = swarm.started()
    again.signal(signal.SIGINT)
    assert again.finished().status == 105
    assert swarm.left() == []


def test_a_manager_that_cannot_start(swarm: Swarm) -> None:
    false = "/bin/false"
    words = ("run", "--manager", "embedded", "--skip-preflight", "--metrics", "off")
    program = str(swarm.place.root / "ffmpeg")
    finished = swarm.place.run(
        *words, "--ffmpeg", program, "http://127.0.0.1:1/", env={"HLSSWARM_SYSTEMD": false}
    )
    assert finished.status == 106
    assert finished.sentence.startswith("The embedded manager did not start")
    assert swarm.left() == []


def _there(name: str) -> Callable[[Swarm], bool]:
    return lambda swarm: (swarm.place.runtime_directory / name).exists()


MOMENTS: dict[str, Callable[[Swarm], bool]] = {
    "the runtime directory is made": lambda swarm: swarm.place.runtime_directory.exists(),
    "the manager's directory is made": _there("embedded"),
    "the cgroups are written down": _there("embedded/cgroups"),
    "the cgroups are made": lambda swarm: any(
        path.exists() for path in embedded.recorded_cgroups(swarm.directory)
    ),
    "the manager answers": _there("embedded/systemd/private"),
    "the run's directory is made": lambda swarm: _there(swarm.run)(swarm),
    "the probe runs": lambda swarm: _there(f"{swarm.run}/probe.sock")(swarm),
    "the first client runs": lambda swarm: swarm.clients_started() > 0,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_start_that_is_killed_in_the_middle(swarm: Swarm, moment: str) -> None:
    command = swarm.start()
    reached = MOMENTS[moment]
    while not reached(swarm):
        swarm.died(command)  # looked at without a pause: the moments are short
    command.process.kill()
    command.finished()
    if swarm.clients_started():
        swarm.place.done("stop", "--all")
        assert swarm.left() == []
    else:
        # The keeper ends a manager that never came to have a run; a command removes the rest.
        wait_for("no process", lambda: not swarm.processes() or swarm.clients_started())
        swarm.place.done("stop", "--all")
        nothing_left(swarm)


def test_a_start_after_a_killed_start_does_not_wait_for_it(swarm: Swarm) -> None:
    command = swarm.start()
    while not _there("embedded/cgroups")(swarm):
        swarm.died(command)
    command.process.kill()
    command.finished()
    again = swarm.started()
    again.signal(signal.SIGINT)
    assert again.finished().status == 105
    assert swarm.left() == []


def test_two_runs_share_a_manager_and_the_first_to_end_leaves_the_other_alone(
    swarm: Swarm,
) -> None:
    first = swarm.started()
    second = Swarm(swarm.place, f"i{secrets.token_hex(5)}")
    manager = swarm.manager()
    other = second.start()
    other.wait_for_line(f"Run {second.run}")
    wait_for("its clients", lambda: second.place.units(second.run, "client") == ["running"] * 3)
    first.signal(signal.SIGINT)
    assert first.finished().status == 105
    assert second.manager() == manager
    assert second.place.units(second.run, "client") == ["running"] * CLIENTS
    assert [run["run"] for run in second.place.status()] == [second.run]
    other.signal(signal.SIGINT)
    assert other.finished().status == 105
    assert second.left() == []


def test_a_second_run_of_the_same_name_is_refused_and_changes_nothing(swarm: Swarm) -> None:
    first = swarm.started()
    refused = swarm.start().finished()
    assert refused.status == 106
    assert refused.sentence == f"A run named {swarm.run} is there already."
    assert swarm.place.units(swarm.run, "client") == ["running"] * CLIENTS
    first.signal(signal.SIGINT)
    assert first.finished().status == 105
