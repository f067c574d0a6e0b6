"""So many at once, then so many a second; the rest is counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.token_bucket import TokenBucket


def test_a_burst_then_a_rate() -> None:
    bucket = TokenBucket(burst=3, per_second=2)
    assert [bucket.take(10.0) for _ in range(5)] == [True, True, True, False, False]
    assert bucket.told() == 2
    assert bucket.told() == 0
    assert [bucket.take(10.5) for _ in range(2)] == [True, False]
    assert not bucket.is_full(100.0)  # somebody has to tell of the one that was left out
    assert bucket.told() == 1
    assert bucket.is_full(100.0)


@given(st.lists(st.floats(0, 2), max_size=200))
def test_never_more_than_burst_and_rate(waits: list[float]) -> None:
    bucket, now, passed = TokenBucket(burst=5, per_second=3), 0.0, 0
    for wait in waits:
        now += wait
        passed += bucket.take(now)
    assert passed <= 5 + 3 * now + 1e-6
    assert passed + bucket.told() == len(waits)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(burst=1, per_second=1)
    assert bucket.take(100.0)
    assert not bucket.take(0.0)


@pytest.mark.parametrize(("burst", "rate"), [(0.5, 1), (1, 0)])
def test_a_bucket_that_lets_nothing_through_is_none(burst: float, rate: float) -> None:
    with pytest.raises(ValueError, match="nothing"):
        TokenBucket(burst=burst, per_second=rate)
