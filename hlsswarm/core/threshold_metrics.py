"""What thresholds can be about: one table of metrics, each with how it is had of measurements.

Help, docs and `core.thresholds` read the same rows. Pure.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hlsswarm.core.histogram import LogHistogram
from hlsswarm.core.measurements import Measurements


class Kind(enum.StrEnum):
    """What can be asked of a metric."""

    TREND = "trend"
    """Many values: p(N), avg, min, max, med, count."""
    COUNTER = "counter"
    """A number of things: count."""
    RATE = "rate"
    """A number of things, and their share of all that could have been: count, rate."""
    VALUE = "value"
    """One figure of the whole run, which measurements do not have: value."""


_AGGREGATES: Mapping[Kind, tuple[str, ...]] = {
    Kind.TREND: ("p(N)", "avg", "min", "max", "med", "count"),
    Kind.COUNTER: ("count",),
    Kind.RATE: ("count", "rate"),
    Kind.VALUE: ("value",),
}
_Count = Callable[[Measurements, str | None], float]
"""A number out of measurements; of HTTP errors only those of a code, where one is given."""


@dataclass(frozen=True)
class Metric:
    """Something a threshold can be about. `unit`: s, B, or "" for numbers and shares."""

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    rate_of: str = ""
    """What `rate` is the share of, in words."""
    values: Callable[[Measurements], LogHistogram] | None = None
    """Of a trend: its values."""
    count: _Count | None = None
    """Of counters and rates: the number of things."""
    part: _Count | None = None
    """Of a rate that is not a share of its number: what stands above the line."""
    whole: Callable[[Measurements], float] | None = None
    """Of a rate: what stands below the line."""

    @property
    def aggregates(self) -> tuple[str, ...]:
        """What can be asked of it."""
        return _AGGREGATES[self.kind]

    def rate(self, measured: Measurements, code: str | None) -> float | None:
        """The share; None of nothing."""
        part, whole = self.part or self.count, self.whole(measured) if self.whole else 0.0
        return part(measured, code) / whole if part and whole else None


def _download(kind: str, what: str) -> Metric:
    return Metric(
        f"{kind}_seconds",
        Kind.TREND,
        f"download time of a {what}",
        unit="s",
        values=lambda measured: measured.kinds[kind].durations,
    )


def _failed(kind: str, what: str) -> Metric:
    return Metric(
        f"{kind}s_failed",
        Kind.RATE,
        f"{what} that did not arrive, or not whole",
        rate_of="their requests",
        count=lambda measured, _: measured.kinds[kind].failed,
        whole=lambda measured: measured.kinds[kind].requests,
    )


def _http_errors(measured: Measurements, code: str | None) -> int:
    return sum(
        times
        for status, times in measured.http_errors.items()
        if code is None or code in {str(status), f"{status // 100}xx"}
    )


_TABLE = (
    _download("segment", "Media Segment"),
    _download("playlist", "playlist"),
    _download("init", "Media Initialization Section"),
    _download("key", "key"),
    Metric(
        "startup_seconds",
        Kind.TREND,
        "initial startup time of a Playback Session",
        unit="s",
        values=lambda measured: measured.sessions.startup,
    ),
    Metric(
        "segments",
        Kind.COUNTER,
        "Media Segments that arrived whole",
        count=lambda measured, _: measured.segments.finished,
    ),
    _failed("segment", "Media Segments"),
    _failed("playlist", "playlists"),
    Metric(
        "http_errors",
        Kind.RATE,
        "answers with a status of 400 or more; of one code: http_errors{code:404}, {code:5xx}",
        rate_of="all requests",
        count=_http_errors,
        whole=lambda measured: sum(kind.requests for kind in measured.kinds.values()),
    ),
    Metric(
        "bytes",
        Kind.COUNTER,
        "bytes of all bodies received",
        unit="B",
        count=lambda measured, _: sum(kind.bytes for kind in measured.kinds.values()),
    ),
    Metric(
        "sessions",
        Kind.COUNTER,
        "Playback Sessions that were begun",
        count=lambda measured, _: measured.sessions.started,
    ),
    Metric(
        "playback_failures",
        Kind.RATE,
        "Playback Sessions that ended before they should",
        rate_of="sessions",
        count=lambda measured, _: measured.sessions.failed,
        whole=lambda measured: measured.sessions.started,
    ),
    Metric(
        "playback_stalls",
        Kind.RATE,
        "stalls of playback; count is of stalls, rate is of time: stalled over",
        rate_of="stalled and watched time together",
        count=lambda measured, _: measured.sessions.stalls,
        part=lambda measured, _: measured.sessions.stalled_seconds,
        whole=lambda measured: (
            measured.sessions.stalled_seconds + measured.sessions.watched_seconds
        ),
    ),
    Metric("streaming_share", Kind.VALUE, "share of all clients' time in which segments arrived"),
)
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _TABLE}
"""Every metric by its name, in the order in which help and docs show them."""
