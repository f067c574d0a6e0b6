"""The summary of a run as data: `hlsswarm.summary/1`.

Every figure says what it counts; None stands for what this machine does not account.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hlsswarm.core.histogram import LogHistogram
from hlsswarm.core.measurements import Measurements, RequestMeasure, SessionMeasure

SCHEMA = "hlsswarm.summary/1"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed; 0 of nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True)
class Systemd:
    """Which manager ran the units, and what the run did without."""

    manager: str
    version: str
    lacks: tuple[str, ...]


@dataclass(frozen=True)
class FFmpeg:
    """Which ffmpeg the clients were."""

    version: str


@dataclass(frozen=True)
class Clients:
    """Clients: how many, and how their processes ended by themselves.

    `exits` counts ends by exit status or signal name, or `oom-kill`; those that our own stop
    caused are not in it. `oom_kills` is those that ran out of memory.
    """

    target: int
    started: int
    streamed: int
    finished: int
    peak_active: int
    restarts: int
    exits: Mapping[str, int]
    oom_kills: int = 0


@dataclass(frozen=True)
class Times:
    """Durations in seconds: how many, and how they are spread (within 1 %)."""

    count: int
    mean: float
    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, histogram: LogHistogram) -> Times:
        """What a histogram comes to."""
        statistics = histogram.statistics()
        return cls(int(statistics.pop("count")), **statistics)


@dataclass(frozen=True)
class ErrorClass:
    """Errors of one class: how many, and the first in ffmpeg's words."""

    count: int
    example: str


@dataclass(frozen=True)
class Requests:
    """Requests of one kind; `bytes` of bodies received, those broken off included.

    `duration_seconds` is of those that arrived whole; None where their ends cannot be seen
    (light measuring).
    """

    requests: int
    failed: int
    bytes: int
    duration_seconds: Times | None

    @classmethod
    def of(cls, measure: RequestMeasure, *, timed: bool) -> Requests:
        """What a measure comes to."""
        times = Times.of(measure.durations) if timed else None
        return cls(measure.requests, measure.failed, measure.bytes, times)


@dataclass(frozen=True)
class Sessions:
    """Playback Sessions (CTA-2066), one for each process of a client; times in seconds.

    Stalls and watched time are of a virtual player: inferred from when segments arrived.
    """

    started: int
    failed: int
    startup_seconds: Times
    live_latency_seconds: Times | None
    """How far behind real time playback began; None where the playlist has no dates."""
    stalls: int
    stalled_seconds: float
    watched_seconds: float

    @classmethod
    def of(cls, measure: SessionMeasure) -> Sessions:
        """What a measure comes to."""
        return cls(
            measure.started,
            measure.failed,
            Times.of(measure.startup),
            Times.of(measure.live_latency) if measure.live_latency.count else None,
            measure.stalls,
            measure.stalled_seconds,
            measure.watched_seconds,
        )


def error_classes(measured: Measurements) -> dict[str, ErrorClass]:
    """The classes of errors of a run, the most frequent first."""
    return {
        name: ErrorClass(count, measured.error_examples.get(name, ""))
        for name, count in measured.errors.most_common()
    }


@dataclass(frozen=True)
class Ramp:
    """The ramp: planned length, actual length, and how late starts were."""

    planned_seconds: float
    actual_seconds: float
    lateness_p99_seconds: float


@dataclass(frozen=True)
class PerClient:
    """Resources of one client on average over the clients started."""

    cpu_seconds: float | None
    memory_peak_bytes: int | None


@dataclass(frozen=True)
class Resources:
    """What the clients' cgroup has used (cgroup accounting, page cache included)."""

    cpu_seconds: float | None
    memory_peak_bytes: int | None
    per_client: PerClient
    read_bytes: int | None = None
    """From disks, as `written_bytes` is to them."""
    written_bytes: int | None = None
    throttled_periods: int | None = None
    """Periods of 0.1 s in which a CPU quota stopped clients."""
    pressure: Mapping[str, float] = field(default_factory=dict)
    """Share of the run in which tasks waited: `cpu_share`, `memory_share`, `io_share` (PSI)."""
    pressure_of: str = ""
    """Whose tasks: the `clients`', or the `machine`'s where their cgroup does not tell."""


@dataclass(frozen=True)
class Controller:
    """What the controller itself has used, and how well it heard."""

    cpu_seconds: float
    max_rss_bytes: int
    dbus_calls: int
    dbus_seconds: float
    telemetry_lines: int
    telemetry_dropped_bytes: int
    telemetry_unattributed: int


@dataclass(frozen=True)
class Summary:
    """A whole run."""

    run: str
    url: str
    started_at: str
    duration_seconds: float
    interrupted: bool
    systemd: Systemd
    ffmpeg: FFmpeg
    measure: str
    clients: Clients
    sessions: Sessions
    segments: Requests
    playlists: Requests
    init: Requests
    keys: Requests
    connections: int
    """New connections of all requests; the other requests went over kept-alive ones."""
    http_errors: Mapping[int, int]
    errors: Mapping[str, ErrorClass]
    """By class (core.error_classes)."""
    ramp: Ramp
    resources: Resources
    controller: Controller
    origin: Mapping[str, float]
    """The origin's own load when the run ended, by figure; empty without a source."""
    thresholds: tuple[Mapping[str, Any], ...]
    """Each with `threshold`, `value`, `passed`, `had_data`."""
    verdict: str
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    """What the figures cannot know, in sentences."""

    def as_dict(self) -> dict[str, Any]:
        """The JSON document, `schema` first."""
        fields = dataclasses.asdict(self)
        fields["http_errors"] = {str(code): n for code, n in sorted(self.http_errors.items())}
        fields["clients"]["exits"] = dict(sorted(self.clients.exits.items()))
        return {"schema": SCHEMA, **_rounded(fields)}

    def as_json(self) -> str:
        """The JSON document as text, with a newline at its end."""
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False) + "\n"


def _rounded(value: Any) -> Any:
    """Floats to microseconds: digits behind are noise."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return value
