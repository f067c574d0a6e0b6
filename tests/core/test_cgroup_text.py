"""The kernel's accounting files as text: samples of its own documentation, and of real machines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.cgroup_text import (
    Stall,
    flat_keyed,
    io_bytes_v1,
    io_bytes_v2,
    parse_stall,
    stall_shares,
)

MEMORY_PRESSURE = """\
some avg10=0.12 avg60=0.05 avg300=0.00 total=157622151
full avg10=0.02 avg60=0.00 avg300=0.00 total=1500000
"""
OLD_CPU_PRESSURE = "some avg10=12.50 avg60=1.00 avg300=0.10 total=2000000\n"
# Documentation/admin-guide/cgroup-v2.rst
MEMORY_EVENTS = "low 0\nhigh 0\nmax 14\noom 3\noom_kill 2\noom_group_kill 0\n"
IO_STAT = """\
8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0
8:0 rbytes=90430464 wbytes=299008000 rios=8950 wios=1252 dbytes=50331648 dios=3021
"""
# Linux 6.18, v1
BLKIO = """\
254:0 Read 4096
254:0 Write 8192
254:0 Sync 12288
254:0 Async 0
254:0 Discard 0
254:0 Total 12288
8:0 Read 1
8:0 Write 2
Total 12291
"""


def test_pressure_of_a_group() -> None:
    assert parse_stall(MEMORY_PRESSURE) == Stall(0.0012, 157.622151, 0.0002, 1.5)


def test_pressure_of_a_cpu_before_linux_5_13_has_one_line() -> None:
    assert parse_stall(OLD_CPU_PRESSURE) == Stall(0.125, 2.0, 0.0, 0.0)


@pytest.mark.parametrize("text", ["", "Operation not supported\n", "full avg10=0 total=1\n"])
def test_what_is_no_pressure(text: str) -> None:
    assert parse_stall(text) is None


@given(st.text())
def test_any_text_is_read_or_is_none(text: str) -> None:
    parse_stall(text)
    flat_keyed(text)
    assert min(io_bytes_v1(text)) >= 0
    assert min(io_bytes_v2(text)) >= 0


def test_flat_keyed_files() -> None:
    assert flat_keyed(MEMORY_EVENTS)["oom_kill"] == 2
    assert flat_keyed("usage_usec 12\nnr_throttled 3\nx -1\ny\n") == {
        "usage_usec": 12,
        "nr_throttled": 3,
    }


def test_bytes_of_all_devices() -> None:
    assert io_bytes_v2(IO_STAT) == (1459200 + 90430464, 314773504 + 299008000)
    assert io_bytes_v1(BLKIO) == (4097, 8194)


def test_shares_are_of_the_time_between_two_readings() -> None:
    before, now = {"cpu": Stall(0, 2.0, 0, 0)}, {"cpu": Stall(0, 2.5, 0, 0)}
    assert stall_shares(now, before, 2.0) == {"cpu": 0.25}
    assert stall_shares(now, {}, 5.0) == {"cpu": 0.5}
    assert stall_shares(now, before, 0.0) == {}
