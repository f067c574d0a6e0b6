"""The plots of the HTML report as data: which curves, and at most POINTS_MAX points of each.

Rows are put together in steps of equal length: what is counted adds up and is told per second,
download times merge as histograms, so that a point's p99 is that of all its segments, and readings
of a moment (clients, the origin) are averaged. A second without rows breaks the curves. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hlsswarm.core.histogram import LogHistogram
from hlsswarm.core.measurements import REQUEST_KINDS
from hlsswarm.core.states import ClientState
from hlsswarm.core.timeseries import Row
from hlsswarm.report.run_directory import RecordedRun

POINTS_MAX = 600
_STEPS_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_GAP_SECONDS = 5
"""Rows further apart than this are a gap, not a late row."""
_Value = float | None
# From the bottom of the stack to its top.
_STATES = (
    ClientState.STREAMING,
    ClientState.STARTING,
    ClientState.BUFFERING,
    ClientState.BACKOFF,
    ClientState.IDLE,
)
_ORIGIN_UNITS = (
    ("_share", "share", "Origin: CPU, 100 % is all of it"),
    ("_bytes_per_second", "bytes/s", "Origin: network"),
    ("_bytes", "bytes", "Origin: memory"),
    ("_per_second", "/s", "Origin: requests per second"),
    ("", "", "Origin: connections"),
)


@dataclass(frozen=True)
class Curve:
    """One curve; `colour` is the name of one of the page's colours."""

    label: str
    colour: str
    values: Sequence[_Value]

    @property
    def has_any(self) -> bool:
        """Whether there is anything but nothing in it."""
        return any(self.values)


@dataclass(frozen=True)
class Plot:
    """One plot. `kind`: line, area, stack (areas on each other) or bars (on each other)."""

    title: str
    kind: str
    unit: str
    curves: Sequence[Curve]
    limits: Sequence[tuple[str, float]] = ()
    """Thresholds to draw across: label and value."""
    about: str = ""


@dataclass
class Step:
    """Some rows next to each other as one: times in seconds since the run's start."""

    begin: float
    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0
    """Time that its rows tell of."""

    def per_second(self, count: Callable[[Row], float]) -> _Value:
        """What its rows count, per second."""
        return sum(map(count, self.rows)) / self.seconds if self.rows else None

    def total(self, count: Callable[[Row], int]) -> _Value:
        """What its rows count."""
        return sum(map(count, self.rows)) if self.rows else None

    def mean(self, reading: Callable[[Row], _Value]) -> _Value:
        """The average of what its rows have read."""
        known = [value for row in self.rows if (value := reading(row)) is not None]
        return sum(known) / len(known) if known else None

    def times(self) -> LogHistogram:
        """All its rows' download times."""
        merged = LogHistogram()
        for row in self.rows:
            merged.merge(row.segment_seconds)
        return merged


def step_seconds(rows: Sequence[Row]) -> int:
    """The length of a step: the shortest of the usual ones with no more than POINTS_MAX."""
    span = rows[-1].seconds - rows[0].seconds if rows else 0.0
    enough = (step for step in _STEPS_SECONDS if span / step < POINTS_MAX)
    return next(enough, int(span / POINTS_MAX) + 1)


def steps(rows: Sequence[Row]) -> list[Step]:
    """The rows in steps; those between the first and the last that have no rows are there too."""
    if not rows:
        return []
    length = step_seconds(rows)
    first, last = int(rows[0].seconds // length), int(rows[-1].seconds // length)
    made = [Step(float(index * length)) for index in range(first, last + 1)]
    for row, seconds in zip(rows, _lengths(rows), strict=True):
        step = made[int(row.seconds // length) - first]
        step.rows.append(row)
        step.seconds += seconds
    return made


def _lengths(rows: Sequence[Row]) -> Iterator[float]:
    """The time that each row tells of: since the row before, but for gaps."""
    before = max(0.0, rows[0].seconds - 1)
    for row in rows:
        since = row.seconds - before
        yield since if 0 < since <= _GAP_SECONDS else 1.0
        before = row.seconds


def plots(run: RecordedRun) -> list[Plot]:
    """Every plot that the run has something for."""
    made = steps(run.series.rows)
    found = [
        _clients(made),
        _times(made, run),
        _throughput(made),
        _requests(made),
        _trouble(made, step_seconds(run.series.rows)),
        *_origin(made),
        _generator(made),
    ]
    return [plot for plot in found if any(curve.has_any for curve in plot.curves)]


def plots_json(run: RecordedRun) -> str:
    """All plots for the page's script; safe within a script element."""
    document = {
        "step": step_seconds(run.series.rows),
        "begin": run.series.rows[0].time - run.series.rows[0].seconds if run.series.rows else 0,
        "seconds": [step.begin for step in steps(run.series.rows)],
        "plots": [_document(plot) for plot in plots(run)],
    }
    return json.dumps(document, separators=(",", ":")).replace("<", "\\u003c")


def _document(plot: Plot) -> dict[str, Any]:
    curves = [
        {
            "label": curve.label,
            "colour": curve.colour,
            "values": [None if v is None else float(f"{v:.4g}") for v in curve.values],
        }
        for curve in plot.curves
    ]
    return {"kind": plot.kind, "unit": plot.unit, "curves": curves, "limits": plot.limits}


def _clients(made: Sequence[Step]) -> Plot:
    def reading(state: ClientState) -> Callable[[Row], float]:
        return lambda row: row.clients[state]

    return Plot(
        "Clients by state",
        "stack",
        "",
        [
            Curve(state, f"state-{state}", [step.mean(reading(state)) for step in made])
            for state in _STATES
        ],
    )


def _times(made: Sequence[Step], run: RecordedRun) -> Plot:
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    merged = [step.times() for step in made]
    limits = [
        (outcome.threshold.condition, outcome.threshold.value)
        for outcome in run.outcomes
        if outcome.threshold.metric == "segment_seconds" and outcome.threshold.aggregate != "count"
    ]
    curves = [
        Curve(name, name, [times.quantile(share) if times.count else None for times in merged])
        for name, share in shares.items()
    ]
    return Plot("Download time of Media Segments", "line", "s", curves, limits)


def _throughput(made: Sequence[Step]) -> Plot:
    values = [step.per_second(lambda row: row.bytes.total() * 8) for step in made]
    return Plot("Throughput", "area", "bit/s", [Curve("received", "throughput", values)])


def _requests(made: Sequence[Step]) -> Plot:
    def of(kind: str) -> Callable[[Row], int]:
        return lambda row: row.requests[kind]

    curves = [
        Curve(f"{kind}s", f"kind-{kind}", [step.per_second(of(kind)) for step in made])
        for kind in REQUEST_KINDS
    ]
    return Plot("Requests per second", "line", "/s", [c for c in curves if c.has_any])


def _trouble(made: Sequence[Step], length: int) -> Plot:
    counts: dict[str, Callable[[Row], int]] = {
        "stalls begun": lambda row: row.stalls,
        "failed requests": lambda row: row.failed.total(),
        "sessions failed": lambda row: row.sessions_failed,
    }
    curves = [
        Curve(label, f"trouble-{index}", [step.total(count) for step in made])
        for index, (label, count) in enumerate(counts.items(), start=1)
    ]
    return Plot(
        "Stalls and failures", "bars", "", curves, about=f"in each {length} s" * (length > 1)
    )


def _origin(made: Sequence[Step]) -> list[Plot]:
    """One plot for each unit of measure among the origin's readings."""
    names = sorted({name for step in made for row in step.rows for name in row.origin})
    units = {name: next(unit for unit in _ORIGIN_UNITS if name.endswith(unit[0])) for name in names}

    def reading(name: str) -> Callable[[Row], _Value]:
        return lambda row: row.origin.get(name)

    found = []
    for unit in _ORIGIN_UNITS:
        alike = [name for name in names if units[name] == unit]
        curves = [
            Curve(name.replace("_", " "), f"origin-{i % 4}", [s.mean(reading(name)) for s in made])
            for i, name in enumerate(alike)
        ]
        found.append(Plot(unit[2], "line", unit[1], curves))
    return found


def _generator(made: Sequence[Step]) -> Plot:
    values = [step.mean(lambda row: row.generator_cpu_share) for step in made]
    return Plot(
        "This tool itself: CPU, 100 % is one processor",
        "line",
        "share",
        [Curve("controller", "generator", values)],
    )
