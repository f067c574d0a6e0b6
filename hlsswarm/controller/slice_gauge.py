"""Reads what the units of a slice use together: one reading a second, however many they are."""

from __future__ import annotations

import contextlib
import time

from hlsswarm.core.cgroup_text import stall_shares
from hlsswarm.core.usage import Usage
from hlsswarm.units.bus import BusLostError
from hlsswarm.units.manager import SystemdManager


class SliceGauge:
    """The use of one slice, and the differences between two readings."""

    def __init__(self, manager: SystemdManager, unit: str) -> None:
        self._manager = manager
        self._unit = unit
        self._cgroup = ""
        self._before = Usage()
        self._at = time.monotonic()

    def usage(self) -> Usage:
        """The use of now; nothing of a slice that is not there."""
        return self._manager.accounting.usage(self._cgroup) if self._is_there() else Usage()

    def _is_there(self) -> bool:
        if not self._cgroup:
            # Once: systemd is asked for what does not change, and the rest is files.
            with contextlib.suppress(BusLostError):
                self._cgroup = self._manager.control_group(self._unit)
        return bool(self._cgroup)

    def row(self) -> dict[str, float]:
        """`used` of a row of the time series: since the call before."""
        usage = self._manager.accounting.load(self._cgroup) if self._is_there() else Usage()
        now = time.monotonic()
        before, seconds = self._before, max(now - self._at, 1e-6)
        self._before, self._at = usage, now
        read: dict[str, float | None] = {
            "memory_bytes": usage.memory_bytes,
            "tasks": usage.tasks,
            "cpu_share": None
            if usage.cpu_seconds is None
            else max(0.0, usage.cpu_seconds - (before.cpu_seconds or 0.0)) / seconds,
        }
        shares = stall_shares(usage.stalls, before.stalls, seconds)
        read |= {f"{name}_pressure": share for name, share in shares.items()}
        return {name: value for name, value in read.items() if value is not None}
