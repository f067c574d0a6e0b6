"""Control groups of this machine: where they are, and who is in them.

Knows cgroups(7) (v1, hybrid and v2) and reads or writes only below the cgroup it is given.
Nothing here talks to systemd.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")
CGROUP2 = "cgroup2"
CONTAINER_LEAF = "hlsswarm-container"
"""Where an image's entrypoint puts a container's own processes: on v2 a cgroup with processes in it
hands no controllers on to those below (cgroups(7), no internal processes)."""
_V1_FLAGS = {"rw", "ro", "none", "all", "xattr", "noprefix", "clone_children"}
_V1_FLAGS |= {"cpuset_v2_mode", "favordynmods", "seclabel"}
"""Mount options of a v1 tree that name no controller (kernel/cgroup/cgroup-v1.c)."""


@dataclass(frozen=True)
class Hierarchy:
    """One mounted cgroup tree.

    `controllers` is the second field of /proc/PID/cgroup (`cpu`, `name=systemd`, empty for v2),
    `mount` where the tree is mounted, `root` the cgroup that shows there as its top.
    """

    controllers: str
    mount: Path
    root: str

    @property
    def is_v2(self) -> bool:
        """Whether this is the unified (v2) tree."""
        return self.controllers == ""

    def directory(self, cgroup: str) -> Path:
        """Directory of a cgroup named as /proc/PID/cgroup names it.

        Raises OSError when the cgroup does not show in this mount.
        """
        relative = os.path.relpath(cgroup, self.root)
        if ".." in Path(relative).parts:
            # Beside the tree is the machine's own file system: nothing of ours belongs there.
            raise OSError(f"the cgroup {cgroup} is not to be seen below {self.mount}")
        return self.mount / relative


def hierarchies(mountinfo: str | None = None) -> tuple[Hierarchy, ...]:
    """All mounted cgroup trees, the first mount of each that shows (proc_pid_mountinfo(5)).

    What is mounted on the same place later hides what was there: within a manager of ours it does.
    """
    text = MOUNTINFO.read_text() if mountinfo is None else mountinfo
    found: dict[str, Hierarchy] = {}
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        kind = right.partition(" ")[0]
        if kind not in {"cgroup", CGROUP2}:
            continue
        fields, options = left.split(" "), right.split(" ", 2)[2]
        controllers = "" if kind == CGROUP2 else _v1_controllers(options)
        tree = Hierarchy(controllers, Path(fields[4]), fields[3])
        if found.setdefault(controllers, tree).mount == tree.mount:
            found[controllers] = tree
    return tuple(found.values())


def _v1_controllers(super_options: str) -> str:
    """The tree's name as /proc/PID/cgroup has it, from its mount options."""
    names = [option for option in super_options.split(",") if option not in _V1_FLAGS]
    return ",".join(name for name in names if not name.startswith("release_agent="))


def membership(pid: int | str = "self") -> dict[str, str]:
    """The cgroup of a process in each tree: controllers -> path. Raises OSError when it is gone."""
    result = {}
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        result[controllers] = path
    return result


def own_unit() -> str:
    """The unit that this process is in; empty when it is in none."""
    paths = membership()
    for path in (paths.get("name=systemd"), paths.get("")):
        for part in reversed((path or "").split("/")):
            if part.endswith((".service", ".scope")):
                return part
    return ""


def child_directories(name: str) -> tuple[Path, ...]:
    """Directories of the cgroup `name` below our own, one for each mounted tree.

    Beside our own where that is CONTAINER_LEAF.
    """
    ours = membership()
    own = (
        tree.directory(ours[tree.controllers]) for tree in hierarchies() if tree.controllers in ours
    )
    return tuple((each.parent if each.name == CONTAINER_LEAF else each) / name for each in own)


def join(directories: Iterable[Path]) -> None:
    """Make each cgroup and move the calling process into it. Raises OSError."""
    for directory in directories:
        directory.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            # A v1 cpuset is born empty, and takes no process until it is filled.
            if (directory / setting).exists() and not (directory / setting).read_text().strip():
                (directory / setting).write_text((directory.parent / setting).read_text())
        (directory / "cgroup.procs").write_text(str(os.getpid()))


def _subtree(directory: Path) -> Iterator[Path]:
    """The cgroup and all below it, deepest first."""
    for path, _, _ in os.walk(directory, topdown=False):
        yield Path(path)


def members(directories: Iterable[Path]) -> set[int]:
    """Pids of all processes in these cgroups and below."""
    pids: set[int] = set()
    for directory in directories:
        for cgroup in _subtree(directory):
            try:
                pids.update(int(line) for line in (cgroup / "cgroup.procs").read_text().split())
            except OSError:
                continue
    return pids


def sweep(directories: Iterable[Path], *, timeout_seconds: float = 5.0) -> bool:
    """Kill all processes in these cgroups and remove the cgroups; True when nothing is left."""
    directories = tuple(directories)
    deadline = time.monotonic() + timeout_seconds
    while True:
        for pid in members(directories):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if _remove(directories):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)


def _remove(directories: Iterable[Path]) -> bool:
    """Remove the cgroups deepest first; True when all are gone."""
    for directory in directories:
        for cgroup in _subtree(directory):
            try:
                cgroup.rmdir()
            except FileNotFoundError:
                continue
            except OSError:  # EBUSY: a process is not quite gone
                return False
    return True
