"""What a swarm has measured, as Prometheus series: times as histograms, sessions, errors, origin.

Buckets are made for HLS: from a fast cache's milliseconds to several Target Durations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from hlsswarm.core.error_classes import CLASSES
from hlsswarm.core.histogram import LogHistogram
from hlsswarm.core.measurements import Measurements

BUCKETS_SECONDS = (
    *(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25),
    *(0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0),
)
LATENCY_BUCKETS_SECONDS = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0, 60.0)
"""Live latency is some Target Durations: the borders stand close where those are."""
_ORIGIN = {
    "connections": ("connections", "Open connections of the origin's nginx."),
    "requests_per_second": ("requests_per_second", "Requests that the origin's nginx answers."),
    "cpu_share": ("cpu_ratio", "Share of the origin's processors that is busy."),
    "memory_bytes": ("memory_used_bytes", "Memory in use on the origin."),
    "sent_bytes_per_second": ("transmit_bytes_per_second", "Traffic that the origin sends."),
}


@dataclass(frozen=True)
class MeasuredFigures:
    """What the collector asks for at each scrape."""

    measured: Measurements
    origin: Mapping[str, float] = field(default_factory=dict)
    clients: Mapping[str, Mapping[str, float]] | None = None
    """Only if asked for: by client number, `up`, `segments` and `restarts`."""


class MeasuredCollector(Collector):
    """Yields the series of one run's measurements."""

    def __init__(self, figures: Callable[[], MeasuredFigures]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """All series."""
        now = self._figures()
        yield from _times(now.measured)
        yield from _sessions(now.measured)
        for name, value in now.origin.items():
            series, text = _ORIGIN[name]
            yield GaugeMetricFamily(f"hlsswarm_origin_{series}", text, value)
        if now.clients is not None:
            yield from _clients(now.clients)


def _histogram(
    metric: HistogramMetricFamily,
    labels: list[str],
    values: LogHistogram,
    borders: Sequence[float] = BUCKETS_SECONDS,
) -> None:
    counts = values.cumulative(borders)
    buckets = [(str(border), float(n)) for border, n in zip(borders, counts, strict=True)]
    metric.add_metric(labels, [*buckets, ("+Inf", float(values.count))], values.total)


def _times(measured: Measurements) -> Iterator[Metric]:
    requests = HistogramMetricFamily(
        "hlsswarm_request_seconds",
        "Download times of requests by kind (exact measuring).",
        labels=["kind"],
    )
    for kind, measure in measured.kinds.items():
        _histogram(requests, [str(kind)], measure.durations)
    yield requests
    sessions = measured.sessions
    for name, text, values, borders in (
        (
            "session_startup",
            "Initial startup times of sessions.",
            sessions.startup,
            BUCKETS_SECONDS,
        ),
        (
            "live_latency",
            "Delay behind real time at start.",
            sessions.live_latency,
            LATENCY_BUCKETS_SECONDS,
        ),
    ):
        metric = HistogramMetricFamily(f"hlsswarm_{name}_seconds", text, labels=[])
        _histogram(metric, [], values, borders)
        yield metric


def _sessions(measured: Measurements) -> Iterator[Metric]:
    sessions = measured.sessions
    for name, text, value in (
        ("sessions", "Playback Sessions begun.", sessions.started),
        ("sessions_failed", "Playback Sessions that ended before they should.", sessions.failed),
        ("playback_stalls", "Stalls that have ended (virtual player).", sessions.stalls),
        ("playback_stalled_seconds", "Time of those stalls.", sessions.stalled_seconds),
        ("connections", "New connections of clients.", measured.connections),
    ):
        yield CounterMetricFamily(f"hlsswarm_{name}", text, value)
    errors = CounterMetricFamily("hlsswarm_errors", "Errors by class.", labels=["class"])
    # A counter that begins with its first event is no increase to Prometheus.
    for name, count in {**dict.fromkeys(CLASSES, 0), **measured.errors}.items():
        errors.add_metric([name], count)
    yield errors


def _clients(clients: Mapping[str, Mapping[str, float]]) -> Iterator[Metric]:
    up = GaugeMetricFamily("hlsswarm_client_up", "Whether it streams.", labels=["client"])
    segments = CounterMetricFamily("hlsswarm_client_segments", "Its segments.", labels=["client"])
    restarts = CounterMetricFamily("hlsswarm_client_restarts", "Its restarts.", labels=["client"])
    for client, values in clients.items():
        up.add_metric([client], values["up"])
        segments.add_metric([client], values["segments"])
        restarts.add_metric([client], values["restarts"])
    yield from (up, segments, restarts)
