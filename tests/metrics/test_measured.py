"""What a swarm has measured, as series."""

from __future__ import annotations

from prometheus_client.core import Metric

from hlsswarm.core.error_classes import CLASSES
from hlsswarm.core.measurements import Measurements
from hlsswarm.metrics.measured import MeasuredCollector, MeasuredFigures


def families(measured: Measurements) -> dict[str, Metric]:
    """By name, as they are collected."""
    collector = MeasuredCollector(lambda: MeasuredFigures(measured))
    return {family.name: family for family in collector.collect()}


def by_class(measured: Measurements) -> dict[str, float]:
    found = families(measured)["hlsswarm_errors"]
    return {sample.labels["class"]: sample.value for sample in found.samples}


def test_classes_that_are_known_in_advance_start_at_zero() -> None:
    measured = Measurements()
    assert by_class(measured) == dict.fromkeys(CLASSES, 0)
    measured.errors.update({"refused": 2, "http_503": 1})
    assert by_class(measured) == {**dict.fromkeys(CLASSES, 0), "refused": 2, "http_503": 1}


def test_live_latency_is_told_apart_within_a_few_target_durations() -> None:
    measured = Measurements()
    measured.sessions.live_latency.add(4.5, times=3)
    measured.sessions.live_latency.add(7.0)
    samples = families(measured)["hlsswarm_live_latency_seconds"].samples
    buckets = {s.labels["le"]: s.value for s in samples if s.name.endswith("_bucket")}
    assert (buckets["4.0"], buckets["5.0"], buckets["6.0"], buckets["8.0"]) == (0, 3, 3, 4)
    assert buckets["+Inf"] == 4


def test_a_fast_cache_has_buckets_of_its_own() -> None:
    measured = Measurements()
    measured.kinds["playlist"].durations.add(0.0006, times=5)
    samples = families(measured)["hlsswarm_request_seconds"].samples
    fastest = [s.value for s in samples if s.labels == {"kind": "playlist", "le": "0.001"}]
    assert fastest == [5]
