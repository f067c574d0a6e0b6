"""What many viewers take."""

from __future__ import annotations

import pytest

from bench import results
from bench.viewers import needs
from tests.bench.documents import MACHINE, a_document


def test_it_is_the_largest_swarm_times_so_many() -> None:
    """2,000 on one machine of two processors that is half busy: 1,600 when filled to 80 %."""
    first, _, million = needs(a_document())
    assert (first.viewers, first.machines) == (10_000, 7)
    assert first.processors_busy == pytest.approx(5)
    assert first.memory_bytes == pytest.approx(28e9)
    assert first.start_seconds == 32
    assert (million.machines, million.bits_per_second) == (625, 1e12)


def test_nothing_comes_of_nothing() -> None:
    """No largest swarm, no figures."""
    assert needs(results.fresh(MACHINE, quick=False)) == []
    document = a_document()
    for one in document["parts"]["capacity"]["rows"]:
        one["holds"] = False
    assert needs(document) == []
