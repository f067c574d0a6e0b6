"""What Linux tells of processes, cgroups and the machine, from /proc and the cgroup trees.

Knows proc(5) and cgroups(7); nothing of hlsswarm but where its cgroup trees are. All CPU times are
seconds since a process, cgroup or machine began; memory is in bytes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hlsswarm.units import cgroups

_PROC: Final = Path("/proc")
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on: the second may hold blanks."""
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, without its children's; 0 of one that is gone."""
    try:
        fields = _stat(pid)
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def status(pid: int) -> dict[str, str]:
    """/proc/PID/status by name; empty when the process is gone."""
    try:
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return {}
    return {name: text.strip() for name, _, text in (line.partition(":") for line in lines)}


def status_bytes(pid: int, field: str) -> int:
    """A size out of /proc/PID/status, such as VmRSS or VmHWM."""
    return int(status(pid).get(field, "0").split()[0]) * 1024


def open_files(pid: int) -> int:
    """Open file descriptors of a process."""
    with contextlib.suppress(OSError):
        return len(os.listdir(_PROC / str(pid) / "fd"))  # noqa: PTH208
    return 0


def pss_bytes(pid: int) -> int | None:
    """Proportional set size: memory of its own, and its share of what it shares with others."""
    with contextlib.suppress(OSError):
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return None


def mean_pss_bytes(pids: Iterable[int], *, at_most: int = 100) -> float | None:
    """The mean over processes, at most so many of them, evenly chosen."""
    ordered = sorted(pids)
    chosen = ordered[:: max(1, len(ordered) // at_most)]
    known = [size for pid in chosen if (size := pss_bytes(pid)) is not None]
    return sum(known) / len(known) if known else None


def pids() -> list[int]:
    """All processes."""
    return [int(name) for name in os.listdir(_PROC) if name.isdecimal()]  # noqa: PTH208


def command(pid: int) -> str:
    """A process's command line, with blanks; empty when it is gone."""
    with contextlib.suppress(OSError):
        text = (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ")
        return text.decode(errors="replace").strip()
    return ""


def parents() -> dict[int, int]:
    """The parent of each process."""
    found = {}
    for pid in pids():
        with contextlib.suppress(OSError):
            found[pid] = int(_stat(pid)[1])
    return found


def descendants(pid: int) -> list[int]:
    """Children of a process, and theirs."""
    parent_of = parents()
    found: list[int] = []
    wave = {pid}
    while wave:
        wave = {child for child, parent in parent_of.items() if parent in wave}
        found += wave
    return found


@dataclass(frozen=True)
class Slice:
    """The cgroup of a slice in the trees that account for something."""

    directories: dict[str, Path]
    """By controller; `` is the v2 tree."""

    @property
    def is_there(self) -> bool:
        """Whether systemd still has it."""
        return any(directory.is_dir() for directory in self.directories.values())

    def units(self) -> int:
        """Units that have a cgroup in it: one look, however many they are."""
        counts = [0]
        for directory in self.directories.values():
            with contextlib.suppress(OSError), os.scandir(directory) as entries:
                counts.append(sum(entry.is_dir() for entry in entries))
        return max(counts)

    def pids(self) -> set[int]:
        """Its processes; the first tree that can tell."""
        return cgroups.members(list(self.directories.values())[:1])

    def cpu_seconds(self) -> float | None:
        """CPU time of all that has ever run in it; None where it is not accounted."""
        for controller, directory in self.directories.items():
            with contextlib.suppress(OSError, ValueError):
                if controller == "cpuacct":
                    return int((directory / "cpuacct.usage").read_text()) / 1e9
                if controller == "":
                    lines = (directory / "cpu.stat").read_text().split()
                    return int(lines[lines.index("usage_usec") + 1]) / 1e6
        return None

    def memory_bytes(self) -> int | None:
        """Memory charged to it now, page cache included."""
        for controller, directory in self.directories.items():
            name = {"memory": "memory.usage_in_bytes", "": "memory.current"}.get(controller)
            with contextlib.suppress(OSError, ValueError):
                if name:
                    return int((directory / name).read_text())
        return None


def find_slice(name: str) -> Slice | None:
    """The cgroup of a slice, found by one of its processes; None while it has none."""
    mark = f"/{name}/"
    trees = {part: tree for tree in cgroups.hierarchies() for part in tree.controllers.split(",")}
    for pid in reversed(pids()):
        with contextlib.suppress(OSError):
            if mark not in (_PROC / str(pid) / "cgroup").read_text():
                continue
            found = {}
            for controllers, path in cgroups.membership(pid).items():
                head, sign, _ = path.partition(mark)
                for part in controllers.split(","):
                    if sign and part in trees:
                        found[part] = trees[part].directory(f"{head}/{name}")
            if found:
                return Slice(found)
    return None


@dataclass(frozen=True)
class Moment:
    """The whole machine at a moment."""

    busy_seconds: float
    total_seconds: float
    """Of all processors together."""
    memory_available_bytes: int
    tcp_in_use: int
    tcp_time_wait: int

    def busy_share(self, before: Moment) -> float:
        """Share of all processors that worked since `before`."""
        total = self.total_seconds - before.total_seconds
        return (self.busy_seconds - before.busy_seconds) / total if total > 0 else 0.0


def moment() -> Moment:
    """The machine now."""
    first = (_PROC / "stat").read_text().partition("\n")[0].split()[1:9]
    user, nice, system, idle, iowait, irq, softirq, steal = (int(word) / _TICKS for word in first)
    busy = user + nice + system + irq + softirq + steal
    memory = (_PROC / "meminfo").read_text().split()
    sockets = (_PROC / "net/sockstat").read_text().split("TCP:")[1].split()
    tcp = dict(zip(sockets[0::2], sockets[1::2], strict=False))
    return Moment(
        busy,
        busy + idle + iowait,
        int(memory[memory.index("MemAvailable:") + 1]) * 1024,
        int(tcp["inuse"]),
        int(tcp["tw"]),
    )


def memory_total_bytes() -> int:
    """All memory of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
