"""How long a swarm is watched."""

from __future__ import annotations

from bench.swarm import Load

FIXED = Load(100, 10.0, 40.0, "debian")
OPEN = Load(100, 10.0, 40.0, "debian", interrupt=True)


def test_a_run_of_fixed_length_ends_in_time() -> None:
    """However late it was full: there has to be a steady part."""
    assert FIXED.ramp_seconds == 10
    assert FIXED.full_at_latest_seconds == 33
    assert FIXED.end_seconds(30.0) == 40


def test_one_that_we_end_gives_a_late_ramp_its_time() -> None:
    """And has as long a steady part as one that was in time."""
    assert OPEN.full_at_latest_seconds == 40
    assert OPEN.end_seconds(13.0) == 40
    assert OPEN.end_seconds(30.0) == 57
