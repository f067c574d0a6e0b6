"""A run second by second: `hlsswarm.timeseries/1`, JSON Lines, and several hosts' as one. Pure.

The first line is the header, each further line a row. All numbers of a row are of the time since
the row before it (nominally one second), so that rows of hosts, or of neighbouring seconds, merge
by adding up; only `clients`, `origin`, `used` and `generator_cpu_share` are readings of that
moment.
"""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hlsswarm.core.histogram import LogHistogram
from hlsswarm.core.measurements import REQUEST_KINDS, Measurements

SCHEMA = "hlsswarm.timeseries/1"
CARRY_SECONDS = 5
"""How long a host that misses its rows is taken to be as it was: a busy second, no dead host."""


class SchemaError(ValueError):
    """The text is of another schema, or none."""


@dataclass
class Row:
    """One second of one run. Counters by kind have a request kind as key; absent means 0."""

    seconds: float
    """Since the run's start."""
    time: int
    """Wall clock: seconds since 1970."""
    clients: Counter[str] = field(default_factory=Counter)
    """Clients by state, now."""
    started: int = 0
    """Clients whose first process was started."""
    restarts: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    segment_seconds: LogHistogram = field(default_factory=LogHistogram)
    """Download times of the Media Segments that ended."""
    stalls: int = 0
    """Stalls that began."""
    sessions_failed: int = 0
    http_errors: Counter[int] = field(default_factory=Counter)
    """Answers by status."""
    origin: dict[str, float] = field(default_factory=dict)
    """Readings of the origin; their units stand in their names: `cpu_share`, `memory_bytes`."""
    used: dict[str, float] = field(default_factory=dict)
    """What the clients use, from their cgroup: `memory_bytes`, `tasks`, and as shares of the time
    since the row before `cpu_share` (1 is a processor) and `cpu_pressure`, `memory_pressure`,
    `io_pressure` (in which some of them waited for it).
    """
    generator_cpu_share: float = 0.0
    """CPU time of the controller over the time passed; 1 is a whole processor."""
    dropped_bytes: int = 0
    """Bytes of telemetry that were thrown away."""

    def as_dict(self) -> dict[str, Any]:
        """As JSON; what is empty or 0 is left out."""
        document: dict[str, Any] = {"seconds": round(self.seconds, 3), "time": self.time}
        for name in _COUNTERS:
            if counts := {str(key): n for key, n in getattr(self, name).items() if n}:
                document[name] = counts
        for name in _NUMBERS:
            if number := getattr(self, name):
                document[name] = number
        if self.segment_seconds.count:
            document["segment_seconds"] = self.segment_seconds.as_dict()
        if self.origin:
            document["origin"] = {name: _short(value) for name, value in self.origin.items()}
        if self.used:
            document["used"] = {name: _short(value) for name, value in self.used.items()}
        if self.generator_cpu_share:
            document["generator_cpu_share"] = _short(self.generator_cpu_share)
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Row:
        """From JSON. Raises ValueError, TypeError, KeyError, AttributeError for what is no row."""
        made = cls(float(document["seconds"]), int(document["time"]))
        for name in _COUNTERS:
            key: type[int] | type[str] = int if name == "http_errors" else str
            counts = document.get(name, {})
            setattr(made, name, Counter({key(k): int(n) for k, n in counts.items()}))
        for name in _NUMBERS:
            setattr(made, name, int(document.get(name, 0)))
        if "segment_seconds" in document:
            made.segment_seconds = LogHistogram.from_dict(document["segment_seconds"])
        made.origin = {str(k): float(v) for k, v in document.get("origin", {}).items()}
        made.used = {str(k): float(v) for k, v in document.get("used", {}).items()}
        made.generator_cpu_share = float(document.get("generator_cpu_share", 0.0))
        return made

    def add(self, other: Row) -> None:
        """Add what happened in another row; readings of the moment stay this row's own."""
        for name in _COUNTERS:
            if name != "clients":
                getattr(self, name).update(getattr(other, name))
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.segment_seconds.merge(other.segment_seconds)


_COUNTERS = ("clients", "requests", "failed", "bytes", "http_errors")
_NUMBERS = ("started", "restarts", "stalls", "sessions_failed", "dropped_bytes")


def _short(value: float) -> float:
    """Six significant digits: the rest is noise, and fills disks."""
    return float(f"{value:.6g}")


@dataclass
class TimeSeries:
    """The rows of a run in the order of time. `started_at` is ISO 8601 with its zone."""

    run: str
    started_at: str
    rows: list[Row] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    """What could not be read, in sentences."""

    def totals(self) -> Measurements:
        """What the rows add up to, for a run that never came to write its measurements.

        Exact but for what rows do not have: times of other requests than segments, startup,
        watched and stalled time; `finished` of the other kinds is what did not fail.
        """
        made = Measurements()
        for row in self.rows:
            for kind in REQUEST_KINDS:
                measure = made.kinds[kind]
                measure.requests += row.requests[kind]
                measure.failed += row.failed[kind]
                measure.bytes += row.bytes[kind]
            made.segments.durations.merge(row.segment_seconds)
            made.sessions.started += row.started + row.restarts
            made.sessions.failed += row.sessions_failed
            made.sessions.stalls += row.stalls
            made.http_errors.update(row.http_errors)
        for measure in made.kinds.values():
            measure.finished = max(measure.durations.count, measure.requests - measure.failed)
        return made


def header_line(run: str, started_at: str) -> str:
    """The first line of a file, with its newline."""
    return _line({"schema": SCHEMA, "run": run, "started_at": started_at})


def row_line(row: Row) -> str:
    """A row's line, with its newline."""
    return _line(row.as_dict())


def _line(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"


def read_lines(text: str) -> TimeSeries:
    """The time series of a file's text. Raises SchemaError.

    A torn last line is what a killed controller leaves, one in the middle what a full disk does:
    such lines are left out, and `notes` say so.
    """
    first, _, rest = text.partition("\n")
    series = _header(first)
    lines = [line for line in rest.split("\n") if line]
    torn: list[int] = []
    for index, line in enumerate(lines):
        try:
            series.rows.append(Row.from_dict(json.loads(line)))
        except (ValueError, TypeError, KeyError, AttributeError):
            torn.append(index)
    notes = []
    if torn and torn[-1] == len(lines) - 1:
        torn.pop()
        notes.append("The last line of the time series is torn: the run was broken off there.")
    if torn:
        some = f"{len(torn)} lines" if len(torn) > 1 else "One line"
        notes.append(f"{some} of the time series could not be read.")
    series.notes = tuple(notes)
    return series


def _header(line: str) -> TimeSeries:
    try:
        header = json.loads(line)
        schema = header.get("schema")
    except (ValueError, AttributeError):
        raise SchemaError("The time series has no header.") from None
    if schema != SCHEMA:
        raise SchemaError(f"The time series is of schema {schema!r}, not {SCHEMA}.")
    return TimeSeries(str(header.get("run", "")), str(header.get("started_at", "")))


def merge(series: Sequence[TimeSeries]) -> TimeSeries:
    """Several hosts' rows as one run's, second by second of the wall clock.

    A merged row has what all hosts' rows of that second add up to; of a host without a row then,
    the clients are taken from its last one, if that is no older than CARRY_SECONDS and not its
    last of all. `generator_cpu_share` is the busiest host's. `origin` is the first host's that
    has readings: all of them look at the same origin.
    """
    if len(series) == 1:
        return series[0]
    hosts = [_by_second(one.rows) for one in series]
    begin = min((_start_of(one) for one in series if one.rows), default=0.0)
    seconds = sorted({second for host in hosts for second in host})
    merged = [_merged_row(second, hosts, begin) for second in seconds]
    first = min(series, key=lambda one: _start_of(one) if one.rows else float("inf"))
    notes = tuple(f"{one.run}: {note}" for one in series for note in one.notes)
    return TimeSeries("+".join(one.run for one in series), first.started_at, merged, notes)


def _by_second(rows: Iterable[Row]) -> dict[int, Row]:
    """A host's rows by wall-clock second, in order; what falls into the same second is added."""
    found: dict[int, Row] = {}
    for row in sorted(rows, key=lambda row: row.time):
        made = Row(row.seconds, row.time)
        if row.time in found:
            made.add(found[row.time])
        made.add(row)
        made.clients, made.origin, made.used = row.clients, row.origin, row.used
        made.generator_cpu_share = row.generator_cpu_share
        found[row.time] = made
    return found


def _start_of(series: TimeSeries) -> float:
    """When a run with rows began, in seconds since 1970: as its header or first row says."""
    try:
        return datetime.datetime.fromisoformat(series.started_at).timestamp()
    except ValueError:
        first = series.rows[0]
        return first.time - first.seconds


def _merged_row(second: int, hosts: Sequence[dict[int, Row]], begin: float) -> Row:
    merged = Row(max(0.0, second - begin), second)
    for host in hosts:
        row = host.get(second)
        if row is not None:
            merged.add(row)
            merged.origin = merged.origin or row.origin
        now = row or _carried(second, host)
        if now is not None:
            merged.clients.update(now.clients)
            _add_used(merged.used, now.used)
            merged.generator_cpu_share = max(merged.generator_cpu_share, now.generator_cpu_share)
    return merged


def _add_used(used: dict[str, float], other: Mapping[str, float]) -> None:
    """Add what another host's clients use; of pressure, the worse."""
    for name, value in other.items():
        before = used.get(name, 0.0)
        used[name] = max(before, value) if name.endswith("_pressure") else before + value


def _carried(second: int, host: dict[int, Row]) -> Row | None:
    """A host's row of shortly before, if it had rows before and after this second."""
    if second > next(reversed(host), second):
        return None
    for back in range(1, CARRY_SECONDS + 1):
        if second - back in host:
            return host[second - back]
    return None
