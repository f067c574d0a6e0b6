"""What the kernel's accounting files say: their text to numbers. Pure.

Sources: Documentation/accounting/psi.rst, admin-guide/cgroup-v2.rst (cpu.stat, io.stat,
memory.events), cgroup-v1/blkio-controller.rst, proc_vmstat(5).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_MICROSECONDS = 1_000_000
_STALL = re.compile(r"avg10=(\d+(?:\.\d+)?) .*\btotal=(\d+)")
RESOURCES = ("cpu", "memory", "io")
"""What pressure is told of, in the kernel's words."""


@dataclass(frozen=True)
class Stall:
    """How long tasks have waited for a resource: some of them, and all of them at once.

    `share` is of the last ten seconds (0 to 1), `seconds` since the group, or the machine, began.
    """

    some_share: float
    some_seconds: float
    full_share: float
    full_seconds: float


def parse_stall(text: str) -> Stall | None:
    """The text of a `.pressure` file, or of one in /proc/pressure; None when it is none.

    Kernels before 5.13 have no `full` line for the CPU: then it is 0.
    """
    lines = {}
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if match := _STALL.search(rest):
            lines[word] = (float(match[1]) / 100, int(match[2]) / _MICROSECONDS)
    if "some" not in lines:
        return None
    return Stall(*lines["some"], *lines.get("full", (0.0, 0.0)))


def flat_keyed(text: str) -> dict[str, int]:
    """`usage_usec 123` by lines, as cpu.stat, memory.events and vmstat have it."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if value.strip().isascii() and value.strip().isdecimal():
            found[name] = int(value)
    return found


def io_bytes_v2(text: str) -> tuple[int, int]:
    """Bytes read and written, over all devices, of io.stat."""
    read, written = (
        sum(int(number) for number in re.findall(rf"\b{word}=(\d+)", text))
        for word in ("rbytes", "wbytes")
    )
    return read, written


def io_bytes_v1(text: str) -> tuple[int, int]:
    """Bytes read and written, over all devices, of blkio.throttle.io_service_bytes_recursive."""
    read, written = (
        sum(int(number) for number in re.findall(rf"^\d+:\d+ {word} (\d+)$", text, re.MULTILINE))
        for word in ("Read", "Write")
    )
    return read, written


def stall_shares(
    now: Mapping[str, Stall], before: Mapping[str, Stall], seconds: float
) -> dict[str, float]:
    """By resource, the share of the last `seconds` in which some tasks waited for it."""
    return {
        name: min(1.0, max(0.0, (stall.some_seconds - _some(before, name)) / seconds))
        for name, stall in now.items()
        if seconds > 0
    }


def _some(before: Mapping[str, Stall], name: str) -> float:
    return before[name].some_seconds if name in before else 0.0
