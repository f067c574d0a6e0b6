"""Turns a run's running totals into one row a second, for the time series. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from hlsswarm.controller.record import RunRecord
from hlsswarm.core.origin_load import OriginLoad
from hlsswarm.core.timeseries import Row
from hlsswarm.telemetry.client import TelemetryTotals


@dataclass
class _Before:
    """Totals at the row before."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    counters: dict[str, Counter[str]] = field(default_factory=dict)
    http_errors: Counter[int] = field(default_factory=Counter)
    numbers: Counter[str] = field(default_factory=Counter)


class RowMaker:
    """Makes rows; each holds what has happened since the one before."""

    def __init__(self, totals: TelemetryTotals, record: RunRecord) -> None:
        self._totals = totals
        self._record = record
        # Of a run that another controller began, what it has counted is in no row of ours.
        self._before = self._now(0.0, 0.0)

    def row(
        self,
        *,
        seconds: float,
        unix_time: float,
        states: Counter[str],
        cpu_seconds: float,
        origin: OriginLoad | None,
        used: Mapping[str, float],
    ) -> Row:
        """The row of now: `seconds` since the run's start, `cpu_seconds` of the controller,
        `used` by the clients (controller.slice_gauge).
        """
        totals, before = self._totals, self._before
        now = self._now(seconds, cpu_seconds)
        span = max(seconds - before.seconds, 1e-6)
        since = {name: count - before.counters[name] for name, count in now.counters.items()}
        grown = now.numbers - before.numbers
        row = Row(
            seconds=seconds,
            time=int(unix_time),
            clients=states,
            started=grown["started"],
            restarts=grown["restarts"],
            requests=since["requests"],
            failed=since["failed"],
            bytes=since["bytes"],
            segment_seconds=totals.take_window(),
            stalls=grown["stalls"],
            sessions_failed=grown["sessions_failed"],
            http_errors=totals.http_errors - before.http_errors,
            origin={} if origin is None else origin.figures(),
            used=dict(used),
            generator_cpu_share=(cpu_seconds - before.cpu_seconds) / span,
            dropped_bytes=grown["dropped_bytes"],
        )
        self._before = now
        return row

    def _now(self, seconds: float, cpu_seconds: float) -> _Before:
        """The totals, for the next row."""
        totals, record = self._totals, self._record
        sessions = totals.measured.sessions
        return _Before(
            seconds,
            cpu_seconds,
            {
                "requests": Counter({str(k): m.requests for k, m in totals.kinds.items()}),
                "failed": Counter({str(k): m.failed for k, m in totals.kinds.items()}),
                "bytes": Counter({str(k): m.bytes for k, m in totals.kinds.items()}),
            },
            Counter(totals.http_errors),
            Counter(
                started=record.started,
                restarts=record.restarts,
                stalls=sessions.stalls,
                sessions_failed=sessions.failed,
                dropped_bytes=totals.dropped_bytes,
            ),
        )
