"""Chaos in its short form; `python -m tests.chaos` is the long one (docs/chaos.md)."""

from __future__ import annotations

from tests.chaos.chaos import SIZES, unleash
from tests.chaos.worlds import embedded_world

SECONDS = 35.0
SEED = 7


def test_a_rig_survives_a_minute_of_chaos() -> None:
    with embedded_world(dict(SIZES)) as world:
        report = unleash(world, seconds=SECONDS, seed=SEED, say=print)
    assert report.wrong == []
    assert len(report.outcomes) >= 3
    assert report.scrapes > 0
