"""How well hlsswarm itself works: D-Bus call times, ramp lateness, and what its process uses.

The process has the names that all exporters give theirs: `process_cpu_seconds_total`, ….
"""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

# Else each histogram has a gauge beside it that says when this process began.
disable_created_metrics()  # type: ignore[no-untyped-call]

_CALL_BUCKETS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.03, 0.1, 0.3, 1.0)
_LATENESS_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class OwnMetrics:
    """Histograms that are fed while a run goes, and the process, in a registry of their own.

    `whole` is told the same: of a process that has several swarms.
    """

    def __init__(self, whole: OwnMetrics | None = None) -> None:
        self._whole = whole
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.dbus_calls = 0
        self.dbus_seconds = 0.0
        self._dbus = Histogram(
            "hlsswarm_dbus_call_seconds",
            "Time of calls to systemd over D-Bus.",
            buckets=_CALL_BUCKETS,
            registry=self.registry,
        )
        self._lateness = Histogram(
            "hlsswarm_ramp_lateness_seconds",
            "How much later than planned clients were started.",
            buckets=_LATENESS_BUCKETS,
            registry=self.registry,
        )

    def dbus_call(self, seconds: float) -> None:
        """A call to systemd took so long."""
        self.dbus_calls += 1
        self.dbus_seconds += seconds
        self._dbus.observe(seconds)
        if self._whole is not None:
            self._whole.dbus_call(seconds)

    def start_lateness(self, seconds: float) -> None:
        """A client started so much later than planned."""
        self._lateness.observe(seconds)
        if self._whole is not None:
            self._whole.start_lateness(seconds)
