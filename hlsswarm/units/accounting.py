"""What the kernel's files tell of a unit's cgroup: use, pressure, and the limits that it enforces.

Knows which file of cgroups(7) (v1, hybrid and v2) has what; what their text means is
core.cgroup_text and core.limits. Reads only, and does not talk to systemd.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
from hlsswarm.core.limits import MEMORY_MAX, V1_CONTROLLERS, LimitKind
from hlsswarm.core.usage import Usage
from hlsswarm.units.cgroups import hierarchies


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
        read, written = self._io(cgroup, v2)
        limit = self.limit_of(cgroup, MEMORY_MAX)
        return replace(
            self.load(cgroup),
            memory_peak_bytes=self._memory(cgroup, v2, "memory.max_usage_in_bytes", "memory.peak"),
            read_bytes=read,
            written_bytes=written,
            throttled=self._throttled(cgroup, v2),
            memory_limit_bytes=limit.value if limit else None,
        )

    def load(self, cgroup: str) -> Usage:
        """Of its usage what is looked at each second, and no more: CPU, memory, tasks, pressure."""
        v2 = self._directory("", cgroup)
        pids = self._directory("pids", cgroup) or v2
        return Usage(
            cpu_seconds=self._cpu_seconds(cgroup, v2),
            memory_bytes=self._memory(cgroup, v2, "memory.usage_in_bytes", "memory.current"),
            tasks=_read_int(pids / "pids.current") if pids else None,
            stalls=_stalls(v2, "{}.pressure") if v2 else {},
        )

    def _cpu_seconds(self, cgroup: str, v2: Path | None) -> float | None:
        cpu = self._directory("cpuacct", cgroup)
        if cpu is not None:
            nanoseconds = _read_int(cpu / "cpuacct.usage")
            return None if nanoseconds is None else nanoseconds / 1e9
        usec = flat_keyed(_text(v2 / "cpu.stat")).get("usage_usec") if v2 else None
        return None if usec is None else usec / 1e6

    def _memory(self, cgroup: str, v2: Path | None, v1_file: str, v2_file: str) -> int | None:
        memory = self._directory("memory", cgroup)
        if memory is not None:
            return _read_int(memory / v1_file)
        return _read_int(v2 / v2_file) if v2 else None

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
