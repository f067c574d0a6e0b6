"""Waits before the starts of a service that fails again and again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.starts import (
    GOOD_RUN_SECONDS,
    SERVICE_BACKOFF,
    Starts,
    after_another_start,
)


def waits(runs_seconds: list[float]) -> list[float]:
    """What each start waits, when the process before it ran so long (systemd's wait included)."""
    starts, now, waited = None, 1000.0, []
    for ran in [0.0, *runs_seconds]:
        starts, wait = after_another_start(starts, now_seconds=now + ran)
        waited.append(wait)
        now += ran + wait
        starts = Starts(starts.in_a_row, now)
    return waited


def test_the_first_start_waits_for_nothing() -> None:
    assert waits([]) == [0]


def test_waits_double_up_to_the_longest() -> None:
    total = [wait + SERVICE_BACKOFF.minimum_seconds for wait in waits([1.0] * 9)[1:]]
    assert total == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_good_run_makes_the_next_wait_short_again() -> None:
    assert waits([1, 1, 1, GOOD_RUN_SECONDS, 1, 1]) == [0, 0, 0.5, 1.5, 0, 0, 0.5]


def test_a_clock_that_began_anew_is_a_first_start() -> None:
    assert after_another_start(Starts(9, 5000.0), now_seconds=20.0) == (Starts(0, 20.0), 0.0)


@given(st.lists(st.floats(0, 100), max_size=30))
def test_no_wait_is_longer_than_the_longest(runs: list[float]) -> None:
    longest = SERVICE_BACKOFF.maximum_seconds - SERVICE_BACKOFF.minimum_seconds
    assert all(0 <= wait <= longest for wait in waits(runs))
