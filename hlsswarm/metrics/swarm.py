"""A run as Prometheus series, collected at scrape time from what is true then.

No series has a client, a URL or a unit as a label, so their number does not grow with the swarm.
Series whose labels are known in advance start at 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hlsswarm.core.usage import Usage


@dataclass(frozen=True)
class SwarmFigures:
    """What the collector asks for at each scrape."""

    target: int
    active: int
    started: int
    restarted: int
    states: Mapping[str, int]
    exits: Mapping[str, int]
    oom_kills: int
    requests: Mapping[str, int]
    failed_requests: Mapping[str, int]
    received_bytes: Mapping[str, int]
    http_errors: Mapping[int, int]
    telemetry_lines: int
    telemetry_dropped_bytes: int
    telemetry_unattributed: int
    cpu_seconds: float
    used: Usage = field(default_factory=Usage)
    """By the clients together."""


class SwarmCollector(Collector):
    """Yields the series of one run."""

    def __init__(self, figures: Callable[[], SwarmFigures]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """All series, from figures taken once."""
        now = self._figures()
        yield GaugeMetricFamily(
            "hlsswarm_clients_active", "Client processes that run now.", now.active
        )
        yield GaugeMetricFamily(
            "hlsswarm_clients_target", "Clients that the plan asks for.", now.target
        )
        yield CounterMetricFamily(
            "hlsswarm_clients_started", "Clients that were started.", now.started
        )
        yield CounterMetricFamily(
            "hlsswarm_clients_restarted",
            "Processes that took the place of one that had ended.",
            now.restarted,
        )
        yield CounterMetricFamily(
            "hlsswarm_clients_oom_killed",
            "Client processes that were killed because they ran out of memory.",
            now.oom_kills,
        )
        yield _labelled(GaugeMetricFamily, "clients", "Clients by state.", "state", now.states)
        yield _labelled(
            CounterMetricFamily,
            "process_exits",
            "Client processes that ended by themselves, by exit status or signal, or oom-kill.",
            "code",
            now.exits,
        )
        yield _labelled(CounterMetricFamily, "requests", "Requests by kind.", "kind", now.requests)
        yield _labelled(
            CounterMetricFamily,
            "requests_failed",
            "Requests that came to nothing, by kind.",
            "kind",
            now.failed_requests,
        )
        yield _labelled(
            CounterMetricFamily,
            "received_bytes",
            "Bytes of bodies received, by kind.",
            "kind",
            now.received_bytes,
        )
        yield _labelled(
            CounterMetricFamily,
            "http_errors",
            "HTTP error statuses that clients saw.",
            "code",
            {str(code): count for code, count in now.http_errors.items()},
        )
        yield CounterMetricFamily(
            "hlsswarm_telemetry_lines", "Log lines taken in from clients.", now.telemetry_lines
        )
        yield CounterMetricFamily(
            "hlsswarm_telemetry_dropped_bytes",
            "Bytes of over-long log lines that were thrown away.",
            now.telemetry_dropped_bytes,
        )
        yield CounterMetricFamily(
            "hlsswarm_telemetry_unattributed_connections",
            "Processes whose client could not be told.",
            now.telemetry_unattributed,
        )
        yield CounterMetricFamily(
            "hlsswarm_controller_cpu_seconds",
            "Processor time of the controller itself.",
            now.cpu_seconds,
        )
        yield from _used(now.used)


def _used(used: Usage) -> Iterator[Metric]:
    """What the clients' cgroup has used; no series of what this machine does not account."""
    gauges = (
        ("memory_bytes", "Memory in use by clients, page cache included.", used.memory_bytes),
        ("memory_limit_bytes", "Limit of that memory.", used.memory_limit_bytes),
        ("tasks", "Processes and threads of clients.", used.tasks),
    )
    for name, text, value in gauges:
        if value is not None:
            yield GaugeMetricFamily(f"hlsswarm_clients_{name}", text, value)
    counters = (
        ("cpu_seconds", "Processor time of clients.", used.cpu_seconds),
        ("disk_read_bytes", "Bytes that clients read from disks.", used.read_bytes),
        ("disk_written_bytes", "Bytes that clients wrote to disks.", used.written_bytes),
        ("throttled_periods", "Periods in which a CPU quota stopped clients.", used.throttled),
    )
    for name, text, total in counters:
        if total is not None:
            yield CounterMetricFamily(f"hlsswarm_clients_{name}", text, total)
    if used.stalls:
        waited = CounterMetricFamily(
            "hlsswarm_clients_waiting_seconds",
            "Time in which some tasks of clients waited for a resource (PSI).",
            labels=["resource"],
        )
        for resource, stall in used.stalls.items():
            waited.add_metric([resource], stall.some_seconds)
        yield waited


def _labelled(
    family: type[GaugeMetricFamily] | type[CounterMetricFamily],
    name: str,
    text: str,
    label: str,
    values: Mapping[str, int],
) -> Metric:
    metric = family(f"hlsswarm_{name}", text, labels=[label])
    for key, value in values.items():
        metric.add_metric([key], value)
    return metric
