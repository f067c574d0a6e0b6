"""Log histograms: right to 1 %, and the sum of parts is the whole."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.histogram import RATIO, LogHistogram

TIMES = st.floats(1e-5, 1e5)


def of(values: list[float]) -> LogHistogram:
    made = LogHistogram()
    for value in values:
        made.add(value)
    return made


def exact(values: list[float], share: float) -> float:
    """The smallest value that `share` of all do not exceed."""
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1]


def same(one: LogHistogram, other: LogHistogram) -> bool:
    """Equal but for the order in which floats were added."""
    a, b = one.as_dict(), other.as_dict()
    return a | {"sum": 0} == b | {"sum": 0} and a["sum"] == pytest.approx(b["sum"])


@given(st.lists(TIMES, min_size=1, max_size=60), st.floats(0, 1))
def test_a_quantile_is_right_within_one_per_cent(values: list[float], share: float) -> None:
    found = of(values).quantile(share)
    assert found == pytest.approx(exact(values, share), rel=math.sqrt(RATIO) - 1 + 1e-9)
    assert min(values) <= found <= max(values)


@given(st.lists(TIMES, min_size=1, max_size=60))
def test_count_mean_and_extremes_are_exact(values: list[float]) -> None:
    made = of(values)
    assert made.count == len(values)
    assert made.mean == pytest.approx(math.fsum(values) / len(values))
    assert (made.minimum, made.maximum) == (min(values), max(values))
    assert made.quantile(1) == pytest.approx(max(values), rel=0.01)


@given(st.lists(st.lists(TIMES, max_size=20), min_size=1, max_size=5))
def test_merged_parts_are_the_whole(parts: list[list[float]]) -> None:
    merged = LogHistogram()
    for part in parts:
        merged.merge(of(part))
    assert same(merged, of([value for part in parts for value in part]))


@given(st.lists(TIMES, max_size=20), st.lists(TIMES, max_size=20))
def test_it_does_not_matter_who_merges_whom(one: list[float], other: list[float]) -> None:
    left, right = of(one), of(other)
    left.merge(of(other))
    right.merge(of(one))
    assert same(left, right)


def test_a_merged_p99_is_no_mean_of_p99s() -> None:
    fast, slow = of([0.01] * 9900), of([1.0] * 100)
    fast.merge(slow)
    assert fast.quantile(0.99) == pytest.approx(0.01, rel=0.01)
    assert fast.quantile(0.9901) == pytest.approx(1.0, rel=0.01)


@given(st.lists(TIMES, max_size=20))
def test_it_reads_back_from_json(values: list[float]) -> None:
    made = of(values)
    again = LogHistogram.from_dict(json.loads(json.dumps(made.as_dict())))
    assert again.as_dict() == made.as_dict()
    again.merge(made)
    assert again.count == 2 * made.count


def test_another_ratio_is_refused() -> None:
    with pytest.raises(ValueError, match="ratio"):
        LogHistogram.from_dict({**LogHistogram().as_dict(), "ratio": 1.05})


def test_nothing_has_no_quantile() -> None:
    empty = LogHistogram()
    assert set(empty.statistics().values()) == {0}
    assert empty.as_dict()["min"] is None
    assert empty.cumulative([0.1]) == [0]


def test_a_value_many_times() -> None:
    made = LogHistogram()
    made.add(0.2, 1000)
    assert same(made, of([0.2] * 1000))


@pytest.mark.parametrize("value", [0.0, -1.0, 1e-9])
def test_what_is_too_small_to_be_told_is_a_microsecond(value: float) -> None:
    assert of([value]).quantile(0.5) == 1e-6


@given(st.lists(TIMES, max_size=40), st.lists(TIMES, min_size=1, max_size=6, unique=True))
def test_prometheus_buckets_are_right_but_for_values_next_to_a_border(
    values: list[float], borders: list[float]
) -> None:
    borders.sort()
    found = of(values).cumulative(borders)
    assert found == sorted(found)
    for count, border in zip(found, borders, strict=True):
        assert sum(value <= border / RATIO for value in values) <= count
        assert count <= sum(value <= border * RATIO for value in values)
