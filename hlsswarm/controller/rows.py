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
        self._before = _Before()

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
        sessions = totals.measured.sessions
        counters = {
            "requests": Counter({str(k): m.requests for k, m in totals.kinds.items()}),
            "failed": Counter({str(k): m.failed for k, m in totals.kinds.items()}),
            "bytes": Counter({str(k): m.bytes for k, m in totals.kinds.items()}),
        }
        numbers = Counter(
            started=self._record.started,
            restarts=self._record.restarts,
            stalls=sessions.stalls,
            sessions_failed=sessions.failed,
            dropped_bytes=totals.dropped_bytes,
        )
        span = max(seconds - before.seconds, 1e-6)
        since = {name: now - before.counters.get(name, Counter()) for name, now in counters.items()}
        grown = numbers - before.numbers
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
        self._before = _Before(seconds, cpu_seconds, counters, Counter(totals.http_errors), numbers)
        return row
