"""What a cgroup has used, as data, in words and as JSON. Pure: who reads it is units.cgroups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hlsswarm.core.cgroup_text import Stall
from hlsswarm.core.quantities import format_size


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
    memory_limit_bytes: int | None = None
    """Above which the kernel kills; None where no limit is set."""
    stalls: Mapping[str, Stall] = field(default_factory=dict)


USAGE_COLUMNS = ("CPU s", "memory", "peak", "tasks", "read", "written", "waits cpu/mem/io")
"""Headings of usage_cells()."""


def usage_cells(usage: Usage) -> tuple[str, ...]:
    """As cells of a table; `-` for what is not accounted."""
    waits = "/".join(f"{stall.some_share:.0%}" for stall in usage.stalls.values())
    sizes = (usage.memory_bytes, usage.memory_peak_bytes)
    disks = (usage.read_bytes, usage.written_bytes)
    return (
        "-" if usage.cpu_seconds is None else f"{usage.cpu_seconds:.1f}",
        *("-" if size is None else format_size(size) for size in sizes),
        "-" if usage.tasks is None else str(usage.tasks),
        *("-" if size is None else format_size(size) for size in disks),
        waits or "-",
    )


def usage_words(usage: Usage) -> str:
    """In one line, as far as it is accounted."""
    parts = []
    if usage.memory_bytes is not None:
        peak = usage.memory_peak_bytes
        most = "" if peak is None else f" (at most {format_size(peak)})"
        parts.append(f"{format_size(usage.memory_bytes)} of memory{most}")
    if usage.cpu_seconds is not None:
        throttled = f", throttled {usage.throttled} times" if usage.throttled else ""
        parts.append(f"{usage.cpu_seconds:.1f} s of CPU{throttled}")
    if usage.tasks is not None:
        parts.append(f"{usage.tasks} task{'' if usage.tasks == 1 else 's'}")
    if usage.read_bytes or usage.written_bytes:
        read, written = format_size(usage.read_bytes or 0), format_size(usage.written_bytes or 0)
        parts.append(f"{read} read and {written} written on disks")
    if usage.stalls:
        parts.append(f"pressure {stall_words(usage.stalls)}")
    return ", ".join(parts) or "nothing that this machine accounts"


def stall_words(stalls: Mapping[str, Stall]) -> str:
    """Shares of the last ten seconds in which something waited: `cpu 12%, memory 0%, io 0%`."""
    return ", ".join(f"{name} {stall.some_share:.0%}" for name, stall in stalls.items())


def usage_document(usage: Usage) -> dict[str, object]:
    """As JSON."""
    return {
        "cpu_seconds": usage.cpu_seconds,
        "throttled_periods": usage.throttled,
        "memory_bytes": usage.memory_bytes,
        "memory_peak_bytes": usage.memory_peak_bytes,
        "tasks": usage.tasks,
        "read_bytes": usage.read_bytes,
        "written_bytes": usage.written_bytes,
        "pressure": {
            name: {
                "some_share": round(stall.some_share, 4),
                "some_seconds": round(stall.some_seconds, 6),
                "full_share": round(stall.full_share, 4),
                "full_seconds": round(stall.full_seconds, 6),
            }
            for name, stall in usage.stalls.items()
        },
    }
