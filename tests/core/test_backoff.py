"""Waits after failures: they double, end at the longest, and differ from client to client."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.backoff import JITTER, Backoff

SECONDS = st.floats(0.001, 3600)
BACKOFFS = st.tuples(SECONDS, SECONDS).map(lambda pair: Backoff(min(pair), max(pair)))
CLIENTS, SEEDS = st.integers(1, 100_000), st.integers()


@given(BACKOFFS, CLIENTS, SEEDS)
def test_waits_never_shrink_and_stay_within_the_jitter(
    backoff: Backoff, client: int, seed: int
) -> None:
    waits = [backoff.delay_seconds(failures, client, seed) for failures in range(1, 30)]
    assert all(earlier <= later for earlier, later in pairwise(waits))
    for failures, wait in enumerate(waits, start=1):
        plain = min(backoff.minimum_seconds * 2 ** (failures - 1), backoff.maximum_seconds)
        assert plain * (1 - JITTER) * (1 - 1e-9) <= wait <= plain * (1 + JITTER) * (1 + 1e-9)
    assert waits[-1] == pytest.approx(backoff.maximum_seconds * backoff.factor(client, seed))


@given(BACKOFFS, CLIENTS, SEEDS, st.integers(1, 100))
def test_a_seed_gives_the_same_wait_each_time(
    backoff: Backoff, client: int, seed: int, failures: int
) -> None:
    again = Backoff(backoff.minimum_seconds, backoff.maximum_seconds)
    assert backoff.delay_seconds(failures, client, seed) == again.delay_seconds(
        failures, client, seed
    )


@given(BACKOFFS)
def test_the_steps_are_what_it_takes_to_the_longest(backoff: Backoff) -> None:
    reached = backoff.minimum_seconds * 2.0**backoff.steps
    assert reached >= backoff.maximum_seconds * (1 - 1e-9)
    assert backoff.steps == 0 or reached / 2 < backoff.maximum_seconds * (1 + 1e-9)


@given(BACKOFFS, CLIENTS, SEEDS, st.integers(max_value=0))
def test_without_a_failure_it_is_the_first_wait(
    backoff: Backoff, client: int, seed: int, failures: int
) -> None:
    assert backoff.delay_seconds(failures, client, seed) == backoff.delay_seconds(1, client, seed)


@given(SEEDS)
def test_clients_thrown_out_together_do_not_come_back_together(seed: int) -> None:
    waits = sorted(Backoff().delay_seconds(5, client, seed) for client in range(1, 201))
    assert len(set(waits)) == 200
    # Spread over the whole band, not huddled in a part of it.
    assert waits[20] < 8 * 0.95 < 8 * 1.05 < waits[-20]


def test_the_defaults_are_half_a_second_and_half_a_minute() -> None:
    plain = [Backoff().delay_seconds(n, 1, 1) / Backoff().factor(1, 1) for n in range(1, 9)]
    assert plain == pytest.approx([0.5, 1, 2, 4, 8, 16, 30, 30])
    assert Backoff().steps == 6


@pytest.mark.parametrize(
    "pair", [(0, 1), (-1, 1), (2, 1), (math.nan, 1), (1, math.nan), (math.nan, math.nan)]
)
def test_waits_that_cannot_be(pair: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="wait"):
        Backoff(*pair)
