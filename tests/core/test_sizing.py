"""What a great many viewers take."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.sizing import Machine, format_bitrate, markdown, parse_bitrate, size
from tests.support import REPOSITORY

DOCUMENTATION = REPOSITORY / "docs" / "scale.md"
BEGIN, END = "<!-- sizes: begin -->\n", "<!-- sizes: end -->\n"
MACHINES = st.builds(
    Machine,
    processors=st.floats(1, 256),
    memory_bytes=st.integers(1 << 30, 1 << 41),
    network=st.floats(1e8, 1e12),
)
BITRATES = st.floats(1e5, 5e7)


@given(st.integers(1, 10_000_000), BITRATES, MACHINES)
def test_the_machines_carry_all_and_one_less_would_not(
    viewers: int, bitrate: float, machine: Machine
) -> None:
    made = size(viewers, bitrate, machine)
    most = made.limits[made.first]
    assert most == min(made.limits.values())
    assert (made.machines - 1) * most < viewers <= made.machines * most
    assert made.clients_each <= most
    assert made.clients_each * bitrate <= machine.network
    assert made.processors_each <= machine.processors
    assert made.memory_each_bytes <= machine.memory_bytes


@given(st.integers(1, 10_000_000), BITRATES, MACHINES)
def test_bandwidth_is_viewers_times_bitrate(viewers: int, bitrate: float, machine: Machine) -> None:
    assert size(viewers, bitrate, machine).bandwidth == viewers * bitrate


def test_what_is_short_gives_out_first() -> None:
    enough = {"processors": 1000.0, "memory_bytes": 1 << 45, "network": 1e15}
    assert size(9, 5e6, Machine(**enough)).first == "systemd"  # type: ignore[arg-type]
    for name, little in (("processors", 1.0), ("memory_bytes", 1 << 30), ("network", 1e9)):
        made = size(9, 5e6, Machine(**{**enough, name: little}))  # type: ignore[arg-type]
        assert made.first == name.removesuffix("_bytes")


def test_ten_gigabit_carry_1400_viewers_of_five_megabit() -> None:
    made = size(100_000, 5e6, Machine(processors=8, memory_bytes=32 << 30, network=10e9))
    assert (made.first, made.limits["network"], made.machines) == ("network", 1400, 72)
    assert format_bitrate(made.bandwidth) == "500 Gbit/s"
    assert made.source_addresses_each == 1


def test_the_whole_ffmpeg_takes_more_memory_and_longer_to_start() -> None:
    slow = size(1000, 1e6, Machine(memory_bytes=8 << 30), minimal=False)
    fast = size(1000, 1e6, Machine(memory_bytes=8 << 30))
    assert slow.limits["memory"] < fast.limits["memory"]
    assert slow.ramp_rate_per_second / slow.machines < fast.ramp_rate_per_second / fast.machines


def test_a_machine_that_carries_nobody_is_told() -> None:
    with pytest.raises(ValueError, match="carries nobody: its network is too small"):
        size(1, 5e6, Machine(network=1e6))


@pytest.mark.parametrize(
    ("text", "bits"),
    [("5M", 5e6), ("800k", 8e5), ("1.5G", 1.5e9), ("64", 64), ("10Gbit/s", 1e10), ("3Mbps", 3e6)],
)
def test_bitrates(text: str, bits: float) -> None:
    assert parse_bitrate(text) == bits


@pytest.mark.parametrize("text", ["", "0", "-5M", "5 M", "5m", "M", "5MB", "inf", "9999999T"])
def test_what_is_no_bitrate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no bitrate"):
        parse_bitrate(text)


def test_the_documentation_has_the_table() -> None:
    """UPDATE_GOLDEN=1 renews it."""
    before, _, rest = DOCUMENTATION.read_text().partition(BEGIN)
    table, end, after = rest.partition(END)
    assert end
    if os.environ.get("UPDATE_GOLDEN"):
        DOCUMENTATION.write_text(before + BEGIN + markdown() + END + after)
        return
    assert table == markdown(), "run this test with UPDATE_GOLDEN=1"
