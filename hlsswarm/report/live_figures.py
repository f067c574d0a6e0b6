"""What the live screen shows, as data: without the library that draws it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hlsswarm.core.states import ClientState


@dataclass(frozen=True)
class LiveFigures:
    """What a screen shows; rates are per second over the last second, times in seconds."""

    run: str
    url: str
    elapsed_seconds: float
    duration_seconds: float
    target: int
    started: int
    states: Mapping[ClientState, int]
    restarts: int
    rates: Mapping[str, float]
    """Requests per second by kind, failed ones as `failed`."""
    totals: Mapping[str, int]
    """Requests by kind since the start."""
    bytes_total: int
    throughput: Mapping[str, float]
    """Bytes per second over windows: `1s`, `30s`, `60s`, `5m`."""
    segment_times: Mapping[str, float]
    """p25, p50, p75, p95, p99, max of segment download times; empty in light mode."""
    playlist_times: Mapping[str, float]
    stalls: int
    stalled_seconds: float
    sessions_failed: int
    http_errors: Mapping[int, int]
    errors: Sequence[str]
    lateness_p99_seconds: float
    controller_cpu_share: float
    dropped_bytes: int
    origin: Mapping[str, str] = field(default_factory=dict)
    """Figures of the origin by name, ready as text; empty without a source."""
