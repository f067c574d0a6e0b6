"""How busy this machine is, by psutil: between two readings, or over a moment."""

from __future__ import annotations

import asyncio

import psutil

from hlsswarm.core.publish_report import MachineUse

MOMENT_SECONDS = 0.2


class MachineGauge:
    """Processor time since the last reading, and memory now."""

    def __init__(self) -> None:
        self._before = self._times()
        self.processors = psutil.cpu_count() or 1

    @staticmethod
    def _times() -> tuple[float, float]:
        """Idle and all seconds of all processors. A guest's time is in that of its host already."""
        times = psutil.cpu_times()
        counted = {k: v for k, v in times._asdict().items() if not k.startswith("guest")}
        return times.idle + getattr(times, "iowait", 0.0), sum(counted.values())

    def read(self) -> MachineUse:
        """Since the last reading."""
        before, self._before = self._before, self._times()
        idle, whole = (now - then for now, then in zip(self._before, before, strict=True))
        busy = 100.0 * (1 - idle / whole) if whole > 0 else 0.0
        return MachineUse(min(100.0, max(0.0, busy)), psutil.virtual_memory().percent)

    async def over_a_moment(self) -> MachineUse:
        """Over the next moment."""
        self.read()
        await asyncio.sleep(MOMENT_SECONDS)
        return self.read()
