"""Keeps a run's time series, a row a second, and holds its thresholds against it as it goes."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Protocol

from hlsswarm.controller.conclusion import Conclusion, own_cpu_seconds
from hlsswarm.controller.pressure import PressureGauge
from hlsswarm.controller.record import count_states
from hlsswarm.controller.rows import RowMaker
from hlsswarm.controller.slice_gauge import SliceGauge
from hlsswarm.controller.swarm import Swarm
from hlsswarm.core import names
from hlsswarm.core.origin_load import OriginLoad
from hlsswarm.core.timeseries import Row

_ROW_SECONDS = 1.0


class RowTaker(Protocol):
    """Who is given each row."""

    def row(self, row: Row) -> None:
        """One more row."""


class Recorder:
    """Writes rows until it is cancelled, or a threshold ends the run."""

    def __init__(
        self,
        swarm: Swarm,
        conclusion: Conclusion,
        writer: RowTaker | None,
        origin: OriginLoad | None,
    ) -> None:
        self._swarm = swarm
        self._conclusion = conclusion
        self._writer = writer
        self._origin = origin
        self._rows = RowMaker(swarm.totals, swarm.record)
        self._watches = any(one.abort_on_fail for one in swarm.plan.thresholds)
        self._began = asyncio.get_running_loop().time()
        self._gauge = PressureGauge()
        self._clients = SliceGauge(swarm.manager, names.run_slice(swarm.run))
        self.aborted_by: str | None = None

    async def follow(self) -> None:
        """A row each second; returns when a threshold with abort_on_fail has failed."""
        loop = asyncio.get_running_loop()
        due = self._began
        while True:
            due += _ROW_SECONDS
            await asyncio.sleep(max(0.0, due - loop.time()))
            self.row()
            elapsed = loop.time() - self._began
            for outcome in self._conclusion.outcomes() if self._watches else ():
                if outcome.aborts(elapsed):
                    self.aborted_by = outcome.threshold.condition
                    return

    def row(self) -> None:
        """Keep what has happened since the last row."""
        now = asyncio.get_running_loop().time()
        swarm = self._swarm
        states = count_states(swarm.clients, now)
        row = self._rows.row(
            seconds=now - self._began,
            unix_time=time.time(),
            states=Counter({str(state): count for state, count in states.items()}),
            cpu_seconds=own_cpu_seconds(),
            origin=self._origin,
            used=self._clients.row(),
        )
        pressure = self._gauge.read(
            own_cpu_share=row.generator_cpu_share, dropped_bytes=row.dropped_bytes
        )
        swarm.record.saturation.add(pressure, swarm.record.active)
        if self._writer is not None:
            self._writer.row(row)
