"""Control groups of this machine: where they are, who is in them, what they have used.

Knows cgroups(7) (v1, hybrid and v2) and reads or writes only below the cgroup it is given.
Nothing here talks to systemd.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hlsswarm.core.cgroup_text import (
    RESOURCES,
    Stall,
    flat_keyed,
    io_bytes_v1,
    io_bytes_v2,
    parse_stall,
)
from hlsswarm.core.limits import V1_CONTROLLERS, LimitKind

MOUNTINFO = Path("/proc/self/mountinfo")
CGROUP2 = "cgroup2"
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
    """All mounted cgroup trees, the first mount of each (proc_pid_mountinfo(5))."""
    text = MOUNTINFO.read_text() if mountinfo is None else mountinfo
    found: dict[str, Hierarchy] = {}
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        kind = right.partition(" ")[0]
        if kind not in {"cgroup", CGROUP2}:
            continue
        fields, options = left.split(" "), right.split(" ", 2)[2]
        controllers = "" if kind == CGROUP2 else _v1_controllers(options)
        found.setdefault(controllers, Hierarchy(controllers, Path(fields[4]), fields[3]))
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


def child_directories(name: str) -> tuple[Path, ...]:
    """Directories of the cgroup `name` below our own, one for each mounted tree."""
    ours = membership()
    return tuple(
        tree.directory(ours[tree.controllers]) / name
        for tree in hierarchies()
        if tree.controllers in ours
    )


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


def _read_int(path: Path) -> int | None:
    try:
        return int(path.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


@dataclass(frozen=True)
class Usage:
    """What a cgroup has used; None where the machine does not account it.

    `memory_peak_bytes` is what memory.max_usage_in_bytes (v1) or memory.peak (v2, Linux 5.19)
    tells: page cache charged to the group is in it. `stalls` is its pressure by resource; empty
    where its v2 cgroup (hybrid set-ups have one too) does not tell it.
    """

    cpu_seconds: float | None = None
    memory_peak_bytes: int | None = None
    memory_bytes: int | None = None
    tasks: int | None = None
    read_bytes: int | None = None
    written_bytes: int | None = None
    throttled: int | None = None
    """Periods of 0.1 s in which a CPU quota stopped it."""
    stalls: Mapping[str, Stall] = field(default_factory=dict)


@dataclass(frozen=True)
class KernelLimit:
    """A limit as the kernel has it: the file, its text, and its value (None: none is set)."""

    files: tuple[Path, ...]
    text: str
    value: Any


@dataclass(frozen=True)
class Accounting:
    """Reads usage and limits of units of one manager.

    `bases` gives, for each tree, the directory that the manager's own paths (its
    `ControlGroup` properties) start from.
    """

    bases: tuple[tuple[str, Path], ...]

    def _directory(self, controller: str, cgroup: str) -> Path | None:
        for controllers, base in self.bases:
            if controller in controllers.split(","):
                directory = base / cgroup.lstrip("/")
                if directory.is_dir():
                    return directory
        return None

    def usage(self, cgroup: str) -> Usage:
        """Usage of the cgroup that systemd names `cgroup`."""
        v2 = self._directory("", cgroup)
        pids = self._directory("pids", cgroup) or v2
        peak, now = self._memory(cgroup, v2)
        read, written = self._io(cgroup, v2)
        return Usage(
            cpu_seconds=self._cpu_seconds(cgroup, v2),
            memory_peak_bytes=peak,
            memory_bytes=now,
            tasks=_read_int(pids / "pids.current") if pids else None,
            read_bytes=read,
            written_bytes=written,
            throttled=self._throttled(cgroup, v2),
            stalls=_stalls(v2, "{}.pressure") if v2 else {},
        )

    def _cpu_seconds(self, cgroup: str, v2: Path | None) -> float | None:
        cpu = self._directory("cpuacct", cgroup)
        if cpu is not None:
            nanoseconds = _read_int(cpu / "cpuacct.usage")
            return None if nanoseconds is None else nanoseconds / 1e9
        usec = flat_keyed(_text(v2 / "cpu.stat")).get("usage_usec") if v2 else None
        return None if usec is None else usec / 1e6

    def _memory(self, cgroup: str, v2: Path | None) -> tuple[int | None, int | None]:
        """Peak and present use."""
        memory = self._directory("memory", cgroup)
        if memory is not None:
            peak = _read_int(memory / "memory.max_usage_in_bytes")
            return peak, _read_int(memory / "memory.usage_in_bytes")
        if v2 is None:
            return None, None
        return _read_int(v2 / "memory.peak"), _read_int(v2 / "memory.current")

    def _io(self, cgroup: str, v2: Path | None) -> tuple[int | None, int | None]:
        """Bytes read from disks and written to them."""
        blkio = self._directory("blkio", cgroup)
        if blkio is not None:
            text = _text(blkio / "blkio.throttle.io_service_bytes_recursive")
            return io_bytes_v1(text) if text else (None, None)
        if v2 is None or not (v2 / "io.stat").exists():
            return None, None
        return io_bytes_v2(_text(v2 / "io.stat"))

    def _throttled(self, cgroup: str, v2: Path | None) -> int | None:
        directory = self._directory("cpu", cgroup) or v2
        return flat_keyed(_text(directory / "cpu.stat")).get("nr_throttled") if directory else None

    def is_v2(self, controller: str, cgroup: str) -> bool:
        """Whether it is the v2 tree that has this controller (memory, cpu, pids, io)."""
        if self._has_v1(controller):
            return False
        v2 = self._directory("", cgroup)
        return v2 is not None and controller in _text(v2 / "cgroup.controllers").split()

    def _has_v1(self, controller: str) -> bool:
        name = V1_CONTROLLERS.get(controller, controller)
        return any(name in controllers.split(",") for controllers, _ in self.bases)

    def can_hold(self, kind: LimitKind) -> bool:
        """Whether the kernel, with the trees it has, knows this limit at all."""
        return bool(kind.v1_files if self._has_v1(kind.controller) else kind.v2_files)

    def limit_of(self, cgroup: str, kind: LimitKind) -> KernelLimit | None:
        """A limit as the kernel has it; None where it enforces none of this kind."""
        v1 = self._has_v1(kind.controller)
        name = V1_CONTROLLERS.get(kind.controller, kind.controller) if v1 else ""
        directory = self._directory(name, cgroup)
        files = kind.v1_files if v1 else kind.v2_files
        if directory is None or not files or not (directory / files[0]).exists():
            return None
        paths = tuple(directory / file for file in files)
        text = " ".join(_text(path).strip() for path in paths)
        try:
            return KernelLimit(paths, text, kind.in_kernel(text, v1=v1))
        except ValueError:  # an empty file: no device has such a limit
            return KernelLimit(paths, text, None)

    def limit(self, cgroup: str, controller: str, v1_file: str, v2_file: str) -> str | None:
        """The text of a limit as the kernel has it; None where there is none."""
        v1 = self._directory(controller, cgroup)
        v2 = self._directory("", cgroup)
        path = v1 / v1_file if v1 else v2 / v2_file if v2 else None
        try:
            return path.read_text().strip() if path else None
        except OSError:
            return None


def _stalls(directory: Path, name: str) -> dict[str, Stall]:
    found = (
        (resource, parse_stall(_text(directory / name.format(resource)))) for resource in RESOURCES
    )
    return {resource: stall for resource, stall in found if stall is not None}


def machine_stalls(directory: Path = Path("/proc/pressure")) -> dict[str, Stall]:
    """The whole machine's pressure by resource; empty where the kernel does not tell it."""
    return _stalls(directory, "{}")


def machine_accounting(base_of: dict[str, Path] | None = None) -> Accounting:
    """Accounting for a manager whose paths start at the top of each tree, or at `base_of`."""
    trees = hierarchies()
    if base_of is None:
        return Accounting(tuple((tree.controllers, tree.mount) for tree in trees))
    return Accounting(tuple(base_of.items()))
