"""When the generator itself is the bottleneck."""

from __future__ import annotations

import pytest

from hlsswarm.core.saturation import SECONDS_IN_A_ROW, Pressure, Saturation

CALM = Pressure(cpu_busy_share=0.5, memory_waiting_share=0.0)
BUSY = Pressure(cpu_busy_share=0.99)


def test_a_short_storm_is_no_saturation() -> None:
    saturation = Saturation()
    for pressure in [BUSY] * (SECONDS_IN_A_ROW - 1) + [CALM] + [BUSY] * (SECONDS_IN_A_ROW - 1):
        saturation.add(pressure, 10)
    assert saturation == Saturation(_row=SECONDS_IN_A_ROW - 1, _row_clients=10)
    assert saturation.clients is None


def test_it_says_at_how_many_clients_it_began() -> None:
    saturation = Saturation()
    for clients in range(0, 100, 10):
        saturation.add(CALM if clients < 50 else BUSY, clients)
    assert saturation.clients == 50
    assert saturation.seconds == 5
    assert saturation.problem == "all processors are busy"


@pytest.mark.parametrize(
    ("pressure", "word"),
    [
        (Pressure(memory_waiting_share=0.5, cpu_busy_share=1.0), "memory is short"),
        (Pressure(swapped_pages=3), "swapped"),
        (Pressure(dropped_bytes=1), "lost"),
        (Pressure(own_cpu_share=0.95), "controller"),
        (Pressure(cpu_busy_share=0.99), "processors"),
    ],
)
def test_problems_in_words(pressure: Pressure, word: str) -> None:
    assert word in (pressure.problem() or "")


def test_what_the_machine_does_not_tell_is_no_problem() -> None:
    assert Pressure().problem() is None
