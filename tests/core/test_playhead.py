"""The virtual player: when the picture would run, and when it would stand still."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.playhead import STALL_TOLERANCE_SECONDS, Playhead


def playing(*, at: float = 10.0, media_seconds: float = 6.0) -> Playhead:
    """A session that was asked for at 9 and starts with so much media."""
    player = Playhead(requested_at=9.0)
    player.segment(at - 0.5, media_seconds)
    player.start(at)
    return player


def test_before_the_start_there_is_nothing_to_see() -> None:
    player = Playhead(requested_at=9.0)
    assert player.startup_seconds is None
    assert player.stalled_for(100) == player.watched_seconds(100) == 0
    player.end(100)
    assert (player.stalls, player.stalled_seconds) == (0, 0)


def test_a_stream_that_is_open_before_its_first_segment_starts_with_that() -> None:
    player = Playhead(10.0)
    player.start(10.5)
    assert player.startup_seconds is None
    assert player.stalled_for(12.0) == 0
    player.segment(12.0, 2.0)
    assert player.startup_seconds == 2.0
    assert (player.stalls, player.buffered_until) == (0, 14.0)


def test_startup_is_from_the_request_to_the_start() -> None:
    player = playing()
    assert player.startup_seconds == 1.0
    player.start(50)
    assert player.startup_seconds == 1.0


def test_what_arrived_before_the_start_is_played() -> None:
    player = playing(media_seconds=6)
    assert player.buffered_until == 16
    assert player.stalled_for(15.9) == 0
    assert player.watched_seconds(15) == 5


def test_segments_in_time_are_no_stall() -> None:
    player = playing(media_seconds=6)
    for second in range(12, 60, 2):
        player.segment(second, 2)
    player.end(60)
    assert (player.stalls, player.stalled_seconds) == (0, 0)
    assert player.watched_seconds(1000) == 50


def test_an_empty_buffer_is_a_stall_until_the_next_segment() -> None:
    player = playing(media_seconds=6)
    assert player.stalled_for(18) == 2
    assert player.watched_seconds(18) == 6
    player.segment(19, 2)
    assert (player.stalls, player.stalled_seconds) == (1, 3)
    assert player.buffered_until == 21
    assert player.stalled_for(20) == 0
    assert player.watched_seconds(20) == 7


def test_nobody_sees_a_buffer_that_is_empty_for_a_moment() -> None:
    player = playing(media_seconds=6)
    player.segment(16 + 0.9 * STALL_TOLERANCE_SECONDS, 2)
    assert player.stalls == 0


def test_a_stall_at_the_end_counts_once() -> None:
    player = playing(media_seconds=6)
    player.end(20)
    player.end(30)
    assert (player.stalls, player.stalled_seconds) == (1, 4)
    assert player.watched_seconds(100) == 6
    assert player.ended_at == 20


def test_an_outage_does_not_spoil_what_comes_after() -> None:
    """Fifteen seconds without a segment, and then again one every two seconds."""
    player = playing(media_seconds=6)
    player.segment(31, 4)
    for second in range(33, 61, 2):
        player.segment(second, 2)
        assert player.stalled_for(second + 1) == 0
    assert (player.stalls, player.stalled_seconds) == (1, 15)


@given(
    st.lists(st.tuples(st.floats(0, 10), st.floats(0.1, 10)), max_size=30),
    st.integers(0, 5),
    st.floats(0, 20),
)
def test_time_is_either_watched_or_stalled(
    segments: list[tuple[float, float]], start_after: int, rest: float
) -> None:
    """Whatever comes when: all time is one or the other, and media is played once."""
    player, now, media = Playhead(requested_at=0.0), 0.0, 0.0
    for index, (gap, seconds) in enumerate(segments):
        if index == start_after:
            player.start(now)
        now += gap
        media += seconds
        player.segment(now, seconds)
        assert player.stalled_seconds >= 0
    now += rest
    running = player.watched_seconds(now)
    player.end(now)
    assert player.watched_seconds(now) == pytest.approx(running)
    if player.started_at is None:
        assert running == 0
    else:
        whole = now - player.started_at
        assert running + player.stalled_seconds == pytest.approx(whole)
        assert running <= media + (len(segments) + 1) * STALL_TOLERANCE_SECONDS + 1e-6
        assert player.stalls <= len(segments) + 1
