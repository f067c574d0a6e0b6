"""A ladder's figures for Prometheus, collected at each scrape from what the runner has seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

_LABELS = ("factory", "rendition")


@dataclass(frozen=True)
class TranscoderFigures:
    """Figures of one key: sums over the sources are what is shown."""

    factory: str
    rendition: str
    segments: int
    bytes: int
    failures: Mapping[str, int]
    """By phase."""


class _LadderCollector(Collector):
    def __init__(self, figures: Callable[[], Iterable[TranscoderFigures]]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Sums by factory and rendition."""
        segments: dict[tuple[str, ...], float] = {}
        size: dict[tuple[str, ...], float] = {}
        failures: dict[tuple[str, ...], float] = {}
        for one in self._figures():
            labels = (one.factory, one.rendition)
            segments[labels] = segments.get(labels, 0) + one.segments
            size[labels] = size.get(labels, 0) + one.bytes
            for phase, count in one.failures.items():
                failures[(*labels, phase)] = failures.get((*labels, phase), 0) + count
        yield _family("segments", "Media Segments that transcoders have made.", _LABELS, segments)
        yield _family("bytes", "Bytes of these Media Segments.", _LABELS, size)
        phases = (*_LABELS, "phase")
        yield _family("failures", "Ends of transcoders that were no order.", phases, failures)


def _family(
    name: str, help_text: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float]
) -> CounterMetricFamily:
    family = CounterMetricFamily(f"hlsswarm_transcoder_{name}", help_text, labels=labels)
    for words, value in sorted(values.items()):
        family.add_metric(words, value)
    return family


def ladder_registry(figures: Callable[[], Iterable[TranscoderFigures]]) -> CollectorRegistry:
    """A registry that asks `figures` at each scrape."""
    registry = CollectorRegistry()
    registry.register(_LadderCollector(figures))
    return registry
