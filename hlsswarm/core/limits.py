"""What can be limited: systemd's properties, the kernel's files, and their values as text.

One table, from which the flags, the properties of units, `set-limit` and what it shows are made.
Pure: reads no file and asks nobody. Sources: systemd.resource-control(5), systemd.service(5)
(OOMPolicy), Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/ of the kernel.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hlsswarm.core.kinds import INTEGER, Kind, reads
from hlsswarm.core.quantities import parse_size
from hlsswarm.core.setting import SIZE, bounded, one_of, percent, size, tasks, within

INFINITY = (1 << 64) - 1
"""systemd's value of a limit that is not set (`infinity`)."""
_NO_LIMIT = 1 << 60
"""v1 says 9223372036854771712 bytes, or thereabouts, where there is no memory limit."""
_V1_SHARES = 1024
"""cpu.shares of a group of CPUWeight 100."""
_MICROSECONDS = 1_000_000
_NAMED_MAX = "max"
_NEUTRAL = 100
"""The weight of everybody."""
NONE = "none"
"""The word that lifts a limit."""


def size_text(size_bytes: int) -> str:
    """A size as it is typed, in powers of 1024: `256M`."""
    for unit, power in (("T", 40), ("G", 30), ("M", 20), ("K", 10)):
        if size_bytes and size_bytes % (1 << power) == 0:
            return f"{size_bytes >> power}{unit}"
    return str(size_bytes)


def share_text(share: float) -> str:
    """A share of a processor as it is typed: `150%`."""
    return f"{share * 100:g}%"


@dataclass(frozen=True)
class Bandwidth:
    """A rate in bytes per second of the block device that `path` is on, or is."""

    path: str
    bytes_per_second: int

    def __str__(self) -> str:
        """As it is typed."""
        return f"{self.path}:{size_text(self.bytes_per_second)}"


@reads(Kind("path and rate", pattern=r"/[^\u0000]*:[^:]+", example="/var/lib/x:10M"))
def bandwidth(text: str) -> Bandwidth:
    """`/var/lib/x:10M`. Raises ValueError."""
    path, _, rate = text.rpartition(":")
    if not path.startswith("/"):
        raise ValueError(f"{text!r} is no PATH:RATE")
    return Bandwidth(path, bounded(parse_size, 1 << 62)(rate))


weight = within(1, 10_000)
"""A weight, of which 100 is everybody's."""


@reads(Kind("integer", (INTEGER,), minimum=1, maximum=1 << 31))
def task_count(text: str) -> int:
    """A number of processes and threads, at least 1. Raises ValueError."""
    number = tasks(text)
    if number < 1:
        raise ValueError(f"{text!r} leaves no process")
    return number


def _first(text: str) -> str:
    return text.split(maxsplit=1)[0]


def _memory_of(text: str) -> int | None:
    """memory.limit_in_bytes, memory.max, memory.high."""
    first = _first(text)
    number = None if first == _NAMED_MAX else int(first)
    return None if number is None or number >= _NO_LIMIT else number


def _quota_of(text: str) -> float | None:
    """cpu.max (`20000 100000`), or cpu.cfs_quota_us and cpu.cfs_period_us in one text."""
    quota, period = text.split()[:2]
    return None if quota in {_NAMED_MAX, "-1"} else int(quota) / int(period)


def _count_of(text: str) -> int | None:
    """pids.max, cpu.weight."""
    return None if _first(text) == _NAMED_MAX else int(_first(text))


def _shares_of(text: str) -> int | None:
    """cpu.shares as the weight that systemd makes it of (cgroup_cpu_weight_to_shares)."""
    return max(1, round(int(_first(text)) * _NEUTRAL / _V1_SHARES))


def _io_weight_of(text: str) -> int | None:
    """io.weight: `default 100`, and lines of single devices."""
    match = re.search(r"^(?:default )?(\d+)$", text, re.MULTILINE)
    return None if match is None else int(match[1])


def _read_rate_of(text: str) -> int | None:
    """The first device's rate: `254:0 rbps=1048576 wbps=max …` (v2), `254:0 1048576` (v1)."""
    match = re.search(r"^\d+:\d+ (?:.*\brbps=)?(\d+)", text, re.MULTILINE)
    return None if match is None else int(match[1])


@dataclass(frozen=True)
class LimitKind:
    """One kind of limit.

    `name` is the flag without dashes, `help` its meaning (`{}`: whose it is), `systemd_name` the
    word of its man pages, `bus_name` and `signature` what D-Bus has. `v1_files` and `v2_files` are
    where the kernel keeps it, in the cgroup's directory of `controller`; empty: that version of
    cgroups has no such limit.
    """

    name: str
    help: str
    parse: Callable[[str], Any]
    wanted: str
    metavar: str
    systemd_name: str
    bus_name: str
    signature: str
    controller: str
    v1_files: tuple[str, ...]
    v2_files: tuple[str, ...]
    text: Callable[[Any], str]
    of_kernel: Callable[[str], Any]
    of_kernel_v1: Callable[[str], Any]
    per_mille: float = 0.0
    """How far the kernel's value may be from systemd's, both being the same limit: it rounds."""
    neutral: int | None = None
    """What the kernel has where nothing is set, if that is a value like any other."""
    is_live: bool = True
    """Whether it can be changed while the unit runs."""

    @property
    def key(self) -> str:
        """The name as an identifier."""
        return self.name.replace("-", "_")

    @property
    def field(self) -> str:
        """Its field of Limits, with the unit of measure."""
        return self.key + {"SIZE": "_bytes"}.get(self.metavar, "")

    def encoded(self, value: Any) -> Any:
        """The value for D-Bus; None lifts the limit."""
        if self.signature == "a(st)":
            return [] if value is None else [(value.path, value.bytes_per_second)]
        if value is None:
            return INFINITY
        return round(value * _MICROSECONDS) if isinstance(value, float) else value

    def decoded(self, raw: Any) -> Any:
        """What systemd has, from D-Bus; None where nothing is set."""
        if self.signature == "a(st)":
            return Bandwidth(_plain(raw[0][0]), int(raw[0][1])) if raw else None
        if self.signature == "s":
            return _plain(raw)
        if int(raw) == INFINITY:
            return None
        return int(raw) / _MICROSECONDS if self.systemd_name == "CPUQuota" else int(raw)

    def in_kernel(self, text: str, *, v1: bool) -> Any:
        """The value of the kernel's file (v1: files, in one text); None: none is set.

        Raises ValueError for text that is none of its.
        """
        try:
            return (self.of_kernel_v1 if v1 else self.of_kernel)(text)
        except (ValueError, IndexError, ZeroDivisionError):
            raise ValueError(f"{text!r} is no {self.systemd_name}") from None

    def is_same(self, wanted: Any, found: Any) -> bool:
        """Whether the kernel's value is the limit that systemd was asked for."""
        if isinstance(wanted, Bandwidth):
            wanted = wanted.bytes_per_second
        if wanted is None:
            wanted = self.neutral
        if wanted is None or found is None:
            return wanted is None and found is None
        return bool(abs(wanted - found) <= max(self.per_mille / 1000 * wanted, 0))

    def shown(self, value: Any) -> str:
        """A value as it is typed; `none` of None."""
        return NONE if value is None else self.text(value)


def _plain(raw: Any) -> str:
    return raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)


def _rate_text(value: Any) -> str:
    return str(value) if isinstance(value, Bandwidth) else f"{size_text(value)}/s"


_MEMORY_PAGES = 5.0
_POLICIES = ("stop", "continue", "kill")
_WEIGHT = "a weight from 1 to 10000; 100 is what everybody has"
LIMIT_KINDS: tuple[LimitKind, ...] = (
    LimitKind(
        "memory-max", "memory{}; who needs more is killed", size, SIZE, "SIZE",
        "MemoryMax", "MemoryMax", "t",
        "memory", ("memory.limit_in_bytes",), ("memory.max",),
        size_text, _memory_of, _memory_of, _MEMORY_PAGES,
    ),
    LimitKind(
        "memory-high", "memory{} above which it is slowed down (cgroup v2)", size, SIZE, "SIZE",
        "MemoryHigh", "MemoryHigh", "t",
        "memory", (), ("memory.high",),
        size_text, _memory_of, _memory_of, _MEMORY_PAGES,
    ),
    LimitKind(
        "cpu-quota", "CPU time{}; 100%% is one processor", percent, "a share such as 150%",
        "PERCENT", "CPUQuota", "CPUQuotaPerSecUSec", "t",
        "cpu", ("cpu.cfs_quota_us", "cpu.cfs_period_us"), ("cpu.max",),
        share_text, _quota_of, _quota_of, 10.0,
    ),
    LimitKind(
        "cpu-weight", "weight{} where processors are scarce, from 1 to 10000", weight, _WEIGHT, "N",
        "CPUWeight", "CPUWeight", "t",
        "cpu", ("cpu.shares",), ("cpu.weight",),
        str, _count_of, _shares_of, 10.0, _NEUTRAL,
    ),
    LimitKind(
        "tasks-max", "processes and threads{}", task_count, "a whole number from 1 on", "N",
        "TasksMax", "TasksMax", "t",
        "pids", ("pids.max",), ("pids.max",),
        str, _count_of, _count_of,
    ),
    LimitKind(
        "io-weight", "weight{} where a disk is busy, from 1 to 10000", weight, _WEIGHT, "N",
        "IOWeight", "IOWeight", "t",
        "io", ("blkio.bfq.weight",), ("io.weight",),
        # v1 has another scale, which systemd has changed from version to version.
        str, _io_weight_of, _count_of, float("inf"), _NEUTRAL,
    ),
    LimitKind(
        "io-read-max", "rate at which the disk that PATH is on is read{}", bandwidth,
        "a path and a rate such as /var:10M", "PATH:RATE",
        "IOReadBandwidthMax", "IOReadBandwidthMax", "a(st)",
        "io", ("blkio.throttle.read_bps_device",), ("io.max",),
        _rate_text, _read_rate_of, _read_rate_of,
    ),
    LimitKind(
        "oom-policy", "what becomes of the rest{} when a process runs out of memory (cgroup v2)",
        one_of(*_POLICIES), "stop, continue or kill", "WHAT",
        "OOMPolicy", "OOMPolicy", "s",
        "memory", (), (),
        str, str, str, is_live=False,
    ),
)  # fmt: skip
"""Every limit, in the order in which it is shown."""
MEMORY_MAX = next(kind for kind in LIMIT_KINDS if kind.name == "memory-max")
READ_RATE = next(kind for kind in LIMIT_KINDS if kind.name == "io-read-max")
LIVE_KINDS = tuple(kind for kind in LIMIT_KINDS if kind.is_live)
V1_CONTROLLERS = {"io": "blkio"}
"""Controllers that have another name in cgroup v1."""


def or_none(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """`parse`, or NONE for the word that lifts the limit."""
    return lambda text: NONE if text == NONE else parse(text)
