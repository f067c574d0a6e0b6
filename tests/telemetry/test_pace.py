"""How fast an encoder is, by what it has written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.telemetry.pace import WrittenSegment, speed, written_segments


def segments(*done_at: float, seconds: float = 2.0) -> list[WrittenSegment]:
    return [WrittenSegment(seconds, at) for at in done_at]


@pytest.mark.parametrize(
    ("found", "now", "expected"),
    [
        ([], 10, None),
        (segments(10), 11, None),
        (segments(10, 12, 14), 15, 1.0),
        (segments(10, 14, 18), 19, 0.5),
        (segments(10, 11, 12), 12, 2.0),
        (segments(10, 10), 10, None),  # what was there at once says nothing
        (segments(10, 12, 14), 26, 0.25),  # it hangs
        ([*segments(1, 3), WrittenSegment(2, 60, True), WrittenSegment(2, 64)], 65, 0.5),
        ([*segments(1, 3), WrittenSegment(2, 60, True)], 61, None),
    ],
)
def test_speed(found: list[WrittenSegment], now: float, expected: float | None) -> None:
    assert speed(found, now=now) == (None if expected is None else pytest.approx(expected))


@given(st.lists(st.floats(0.1, 9), min_size=2, max_size=9), st.floats(0.1, 4))
def test_speed_is_the_factor_by_which_segments_come(lengths: list[float], factor: float) -> None:
    now, found = 0.0, []
    for seconds in lengths:
        now += seconds / factor
        found.append(WrittenSegment(seconds, now))
    assert speed(found, now=now) == pytest.approx(factor)


def test_a_playlist_is_read_with_the_times_of_its_files(tmp_path: Path) -> None:
    playlist = tmp_path / "stream.m3u8"
    playlist.write_text(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:2.000000,\nsegment-1.ts\n#EXT-X-DISCONTINUITY\n"
        "#EXTINF:1.5,\n#EXT-X-PROGRAM-DATE-TIME:2026-11-21T02:21:46.141+0000\nsegment-2.ts\n"
        "#EXTINF:odd,\nsegment-3.ts\n#EXTINF:2,\ngone.ts\n"
    )
    for number in (1, 2, 3):
        path = tmp_path / f"segment-{number}.ts"
        path.touch()
        os.utime(path, (0, 100 + number))
    assert written_segments(playlist) == [
        WrittenSegment(2.0, 101.0),
        WrittenSegment(1.5, 102.0, after_discontinuity=True),
        WrittenSegment(0.0, 103.0),
    ]


def test_no_playlist_has_no_segments(tmp_path: Path) -> None:
    assert written_segments(tmp_path / "stream.m3u8") == []
