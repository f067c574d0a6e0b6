"""Takes in ffmpeg's stderr: a listening socket that systemd connects each client's process to.

Which process that is, and that it never waits for us, is process_socket's; here is whose lines
they are. What is kept of them is bounded.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

from hlsswarm.core.commands import Measure
from hlsswarm.telemetry.client import ClientTelemetry, TelemetryTotals
from hlsswarm.telemetry.parser import FFmpegLogParser
from hlsswarm.telemetry.process_socket import Keeper, ProcessSocket

_LIGHT_GATHER_SECONDS = 0.05
"""Light measuring times no request; a player's stall is told from 0.1 s on (core.playhead)."""
_STAMPED_GATHER_SECONDS = 0.1
"""Lines that tell their own time: only the end of a process is learnt so much later."""


class Observer(Protocol):
    """Who is told that processes of clients come and go."""

    def telemetry_of(self, unit: str) -> ClientTelemetry | None:
        """Where the lines of this unit's process belong; None when it is not ours."""

    def process_started(self, unit: str, pid: int) -> None:
        """A process of the unit has connected."""

    def process_goes_on(self, unit: str, pid: int) -> None:
        """A process whose start another controller has seen is heard again."""

    def process_ended(self, unit: str, pid: int) -> None:
        """The connection of that process is gone: it has ended, or is about to."""


class TelemetryServer(ProcessSocket):
    """Listens on a socket path for the processes of one run."""

    def __init__(
        self,
        path: Path,
        totals: TelemetryTotals,
        observer: Observer,
        *,
        measure: Measure,
        keeper: Keeper | None = None,
    ) -> None:
        super().__init__(path, self._heard, keeper=keeper)
        self.totals = totals
        self.observer = observer
        self.measure: Measure = measure
        self.read_at_leisure(stamped=False)

    def read_at_leisure(self, *, stamped: bool) -> None:
        """Gather what is said, if its time does not matter or is told by itself (`stamped`)."""
        at_once = 0.0 if self.measure == "exact" else _LIGHT_GATHER_SECONDS
        self.gather_seconds = _STAMPED_GATHER_SECONDS if stamped else at_once

    def _heard(self, unit: str | None, pid: int) -> _ClientHearer:
        """Whoever speaks is heard; what is said by no client of ours counts for nobody."""
        sink = self.observer.telemetry_of(unit) if unit else None
        if sink is None:
            unit = None
            self.totals.unattributed_connections += 1
            sink = ClientTelemetry(self.totals)
        return _ClientHearer(self, sink, unit=unit, pid=pid)


class _ClientHearer:
    """One process's stderr."""

    def __init__(
        self,
        server: TelemetryServer,
        sink: ClientTelemetry,
        *,
        unit: str | None,
        pid: int,
    ) -> None:
        now = asyncio.get_running_loop().time()
        self._server = server
        self._observer = server.observer
        self._totals = server.totals
        self._sink = sink
        self._parser = FFmpegLogParser(sink, measure=server.measure, began=now)
        self._unit = unit
        self._pid = pid
        self._counted = (0, 0, 0)
        goes_on = sink.continues
        if goes_on:
            sink.process_goes_on(now)
        else:
            sink.process_started(now)
        if unit is not None:
            tell = self._observer.process_goes_on if goes_on else self._observer.process_started
            tell(unit, pid)

    def feed(self, data: bytes, now: float) -> None:
        """The next piece of its log."""
        self._parser.feed(data, now)
        self._server.read_at_leisure(stamped=self._parser.stamped)
        self._count()

    def _count(self) -> None:
        parser, totals = self._parser, self._totals
        lines, recognised, dropped = self._counted
        totals.lines += parser.lines - lines
        totals.recognised_lines += parser.recognised - recognised
        totals.dropped_bytes += parser.dropped_bytes - dropped
        self._counted = (parser.lines, parser.recognised, parser.dropped_bytes)

    def close(self, now: float) -> None:
        """The process closed its stderr, or we no longer listen."""
        self._parser.close(now)
        self._count()
        self._sink.process_ended(now)
        if self._unit is not None:
            self._observer.process_ended(self._unit, self._pid)
