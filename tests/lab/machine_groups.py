"""Cgroups of a throw-away machine, in every hierarchy: made, emptied and removed.

What its owner (system_machine) and its keeper (machine_keeper) share. Touches only the groups it is
given.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PREFIX = "hlsswarm-machine"
REMOVAL_SECONDS = 20.0
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OUTSIDE = "outside"
"""Below our cgroup: processes in the machine that are no unit's."""
USER_NAME, USER_ID = "tester", 42042  # made inside the machine only


class MachineError(Exception):
    """The machine cannot be had here, did not boot, has ended, or could not be removed."""


def own_groups() -> dict[str, Path]:
    """The caller's own cgroup in every hierarchy, by controllers ("" for v2)."""
    found = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for options, root, folder in cgroup_mounts():
            if {*controllers.split(",")} <= options and Path(path).is_relative_to(root):
                group = folder / Path(path).relative_to(root)
                if ".." not in group.parts and (group / "cgroup.procs").exists():
                    found[controllers] = group
        if controllers not in found:
            raise MachineError(f"The caller's own cgroup is not to be seen here: {line}")
    return found


def cgroup_mounts() -> list[tuple[set[str], str, Path]]:
    """(Options of v1 or {""} for v2; the cgroup mounted; where) of each cgroup file system."""
    mounts = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ")
        if right.startswith("cgroup"):
            kind, _, options = right.split(" ")
            root, folder = left.split()[3:5]
            names = {""} if kind == "cgroup2" else {*options.split(",")}
            mounts.append((names, root, Path(folder)))
    return mounts


def make(group: Path) -> None:
    group.mkdir()
    for knob in ("cpuset.cpus", "cpuset.mems"):  # empty on v1, and nothing may enter until set
        if (group / knob).exists() and (group.parent / knob).exists():
            (group / knob).write_text((group.parent / knob).read_text())


def below(groups: Iterable[Path]) -> list[Path]:
    """The groups that exist and all below them, the deepest first."""
    return [Path(folder) for g in groups for folder, _, _ in os.walk(g, topdown=False)]


def kill(groups: Iterable[Path]) -> None:
    for folder in below(groups):
        with contextlib.suppress(OSError):
            for pid in (folder / "cgroup.procs").read_text().split():
                if pid != "0":  # one of another pid namespace; for kill, our own process group
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)


def remove(groups: Sequence[Path]) -> None:
    """Ends the processes that the groups list, and no other, and removes the groups."""
    deadline = time.monotonic() + REMOVAL_SECONDS
    while True:
        kill(groups)
        try:
            for folder in below(groups):
                with contextlib.suppress(FileNotFoundError):
                    folder.rmdir()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise MachineError(f"A cgroup could not be removed: {error}") from error
        # Only v2, beside v1 as well, tells when a group empties.
        for group in groups:
            with contextlib.suppress(OSError), (group / "cgroup.events").open() as events:
                if "populated 1" in events.read():
                    (poller := select.poll()).register(events, select.POLLPRI)
                    poller.poll(20)


def process_stat(pid: int) -> list[str]:
    """/proc/PID/stat from the state on: [1] is the parent, [19] the start time (proc(5): 4, 22)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def ready_files(*files: int, seconds: float | None = None) -> set[int]:
    return {*select.select(files, (), (), seconds)[0]}
