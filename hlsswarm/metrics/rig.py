"""The series of all swarms of a rig together: those of one swarm, each with its name as a label."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hlsswarm.core.measurements import Measurements
from hlsswarm.metrics.measured import MeasuredCollector, MeasuredFigures
from hlsswarm.metrics.own import OwnMetrics
from hlsswarm.metrics.swarm import SwarmCollector, SwarmFigures

LABEL = "swarm"


@dataclass(frozen=True)
class RigFigures:
    """What the collector asks for at each scrape: by swarm, and of the daemon itself."""

    swarms: Mapping[str, tuple[SwarmFigures, Measurements]]
    stopped_outside: Mapping[str, int]
    """By swarm, clients whose unit somebody stopped."""
    items: Mapping[tuple[str, str, str], int]
    """1 for each item of the rig, by kind, name and state."""
    state_failures: int
    """Times that the state could not be saved."""


def rig_registries(
    figures: Callable[[], RigFigures], own: OwnMetrics
) -> tuple[CollectorRegistry, ...]:
    """The series of a rig, and those of the process that keeps it."""
    registry = CollectorRegistry()
    registry.register(RigCollector(figures))
    return registry, own.registry


class RigCollector(Collector):
    """Yields the series of a rig."""

    def __init__(self, figures: Callable[[], RigFigures]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """All series, from figures taken once."""
        now = self._figures()
        yield from _merged(now.swarms)
        stopped = GaugeMetricFamily(
            "hlsswarm_clients_stopped_outside",
            "Clients whose unit somebody stopped; they stay stopped.",
            labels=[LABEL],
        )
        for name, count in now.stopped_outside.items():
            stopped.add_metric([name], count)
        yield stopped
        items = GaugeMetricFamily(
            "hlsswarm_rig_items", "Items of the rig.", labels=["kind", "name", "state"]
        )
        for labels, count in now.items.items():
            items.add_metric(list(labels), count)
        yield items
        yield CounterMetricFamily(
            "hlsswarm_state_failures",
            "Times that the state could not be saved anywhere.",
            now.state_failures,
        )


def _merged(swarms: Mapping[str, tuple[SwarmFigures, Measurements]]) -> Iterator[Metric]:
    """The families of all swarms, each once, with the swarm's name in every sample."""
    families: dict[str, Metric] = {}
    for name, (figures, measured) in swarms.items():
        for family in _of_one(figures, measured):
            if family.name.startswith("hlsswarm_controller_"):
                continue  # of the process, and no swarm's
            whole = families.setdefault(
                family.name, Metric(family.name, family.documentation, family.type)
            )
            for sample in family.samples:
                whole.add_sample(sample.name, {LABEL: name, **sample.labels}, sample.value)
    yield from families.values()


def _of_one(figures: SwarmFigures, measured: Measurements) -> Iterator[Metric]:
    yield from SwarmCollector(lambda: figures).collect()
    yield from MeasuredCollector(lambda: MeasuredFigures(measured)).collect()
