"""Reads how busy this machine is: proc_stat(5), proc_vmstat(5), PSI (/proc/pressure)."""

from __future__ import annotations

import re
import time
from pathlib import Path

from hlsswarm.core.saturation import Pressure

_PROC = Path("/proc")
_SWAP = re.compile(r"^pswp(?:in|out) (\d+)$", re.MULTILINE)
_MEMORY_TOTAL = re.compile(r"^some .*\btotal=(\d+)", re.MULTILINE)
_MICROSECONDS = 1_000_000


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


class PressureGauge:
    """Differences of the kernel's counters between two readings."""

    def __init__(self, proc: Path = _PROC) -> None:
        self._proc = proc
        self._at = time.monotonic()
        self._cpu = self._cpu_times()
        self._swapped = self._swapped_pages()
        self._memory = self._memory_waited()

    def _cpu_times(self) -> tuple[int, int] | None:
        """Busy and all ticks of all processors."""
        fields = _text(self._proc / "stat").partition("\n")[0].split()
        if len(fields) < 8 or fields[0] != "cpu":
            return None
        user, nice, system, idle, iowait, irq, softirq = (int(field) for field in fields[1:8])
        steal = int(fields[8]) if len(fields) > 8 else 0
        busy = user + nice + system + irq + softirq + steal
        return busy, busy + idle + iowait

    def _swapped_pages(self) -> int:
        return sum(int(number) for number in _SWAP.findall(_text(self._proc / "vmstat")))

    def _memory_waited(self) -> int | None:
        match = _MEMORY_TOTAL.search(_text(self._proc / "pressure/memory"))
        return int(match[1]) if match else None

    def read(self, *, own_cpu_share: float, dropped_bytes: int) -> Pressure:
        """The pressure since the last reading."""
        now = time.monotonic()
        seconds = max(now - self._at, 1e-6)
        cpu, swapped, memory = self._cpu_times(), self._swapped_pages(), self._memory_waited()
        busy = None
        if cpu and self._cpu and cpu[1] > self._cpu[1]:
            busy = (cpu[0] - self._cpu[0]) / (cpu[1] - self._cpu[1])
        waited = None
        if memory is not None and self._memory is not None:
            waited = (memory - self._memory) / _MICROSECONDS / seconds
        pages = swapped - self._swapped
        self._at, self._cpu, self._swapped, self._memory = now, cpu, swapped, memory
        return Pressure(busy, waited, pages, own_cpu_share, dropped_bytes)
