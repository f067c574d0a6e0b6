"""The summary of a run as data: `hlsswarm.summary/1`.

Every figure says what it counts; None stands for what this machine does not account.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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

    `exits` counts ends by exit status or signal name; those that our own stop caused are not
    in it.
    """

    target: int
    started: int
    streamed: int
    finished: int
    peak_active: int
    restarts: int
    exits: Mapping[str, int]


@dataclass(frozen=True)
class Playlists:
    """Multivariant and Media Playlist requests."""

    requests: int
    failed: int
    bytes: int


@dataclass(frozen=True)
class Segments:
    """Media Segment requests; `bytes` of bodies received, those broken off included."""

    requests: int
    failed: int
    bytes: int


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
    playlists: Playlists
    segments: Segments
    http_errors: Mapping[int, int]
    ramp: Ramp
    resources: Resources
    controller: Controller
    verdict: str
    reasons: tuple[str, ...]

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
