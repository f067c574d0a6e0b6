"""The schedule of starts: seeded, in order, and as fast as it was asked for."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.ramp import Start, ramp_schedule

CLIENTS = st.integers(0, 300)
RATES = st.floats(0.01, 1000)
JITTERS = st.floats(0, 10)
SEEDS = st.integers()


@given(CLIENTS, RATES, JITTERS, SEEDS)
def test_jitter_moves_each_start_and_does_not_lower_the_rate(
    clients: int, rate: float, jitter: float, seed: int
) -> None:
    starts = ramp_schedule(clients, rate_per_second=rate, jitter_seconds=jitter, seed=seed)
    for start in starts:
        plain = (start.client - 1) / rate
        assert (
            plain * (1 - 1e-9)
            <= start.due_seconds
            <= plain * (1 + 1e-9) + jitter * (1 + 1e-9) + 1e-9
        )
    if starts:
        assert starts[-1].due_seconds <= (clients - 1) / rate + jitter * (1 + 1e-9) + 1e-9


@given(CLIENTS, RATES, JITTERS, SEEDS)
def test_starts_do_not_clump(clients: int, rate: float, jitter: float, seed: int) -> None:
    """Each start is within its own 1/rate seconds: two together at most, never three."""
    starts = ramp_schedule(clients, rate_per_second=rate, jitter_seconds=jitter, seed=seed)
    assert [start.client for start in starts] == list(range(1, clients + 1))
    for first, third in zip(starts, starts[2:], strict=False):
        assert third.due_seconds - first.due_seconds >= (1 - 1e-6) / rate


@given(CLIENTS, RATES, JITTERS, SEEDS)
def test_everybody_starts_once_and_in_the_order_of_time(
    clients: int, rate: float, jitter: float, seed: int
) -> None:
    starts = ramp_schedule(clients, rate_per_second=rate, jitter_seconds=jitter, seed=seed)
    assert sorted(start.client for start in starts) == list(range(1, clients + 1))
    assert all(a.due_seconds <= b.due_seconds for a, b in pairwise(starts))


@given(CLIENTS, RATES, JITTERS, SEEDS)
def test_a_seed_gives_the_same_schedule(
    clients: int, rate: float, jitter: float, seed: int
) -> None:
    def schedule() -> tuple[Start, ...]:
        return ramp_schedule(clients, rate_per_second=rate, jitter_seconds=jitter, seed=seed)

    assert schedule() == schedule()


@given(st.integers(2, 300), JITTERS, SEEDS)
def test_rate_zero_starts_all_at_once_but_for_the_jitter(
    clients: int, jitter: float, seed: int
) -> None:
    starts = ramp_schedule(clients, rate_per_second=0, jitter_seconds=jitter, seed=seed)
    assert starts[-1].due_seconds <= jitter


@given(st.integers(20, 100))
def test_another_seed_gives_another_schedule(seed: int) -> None:
    def schedule(seed: int) -> tuple[Start, ...]:
        return ramp_schedule(50, rate_per_second=5, jitter_seconds=1, seed=seed)

    assert schedule(seed) != schedule(seed + 1)


def test_more_clients_do_not_change_when_the_first_ones_start() -> None:
    def due(clients: int) -> dict[int, float]:
        starts = ramp_schedule(clients, rate_per_second=5, jitter_seconds=0.2, seed=1)
        return {start.client: start.due_seconds for start in starts}

    assert due(100).items() >= due(10).items()


@pytest.mark.parametrize("odd", [(-1, 1, 0), (1, -1, 0), (1, 1, -0.1)])
def test_negative_numbers_are_refused(odd: tuple[int, float, float]) -> None:
    clients, rate, jitter = odd
    with pytest.raises(ValueError, match="negative"):
        ramp_schedule(clients, rate_per_second=rate, jitter_seconds=jitter, seed=1)
