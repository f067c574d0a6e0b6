"""What the hls muxer leaves behind, and what it is told of keys."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.hls_muxer import hls_output, key_info_text, leftover_segments
from hlsswarm.core.presentation import media_playlists
from hlsswarm.core.shipped_profiles import PROFILES

PLAYLIST = "#EXTM3U\n#EXTINF:2.0,\nsegment-12.ts\n#EXTINF:2.0,\nsegment-13.ts\n"


def test_leftovers_are_what_no_playlist_lists_and_no_laggard_needs() -> None:
    names = [f"segment-{number}.ts" for number in (9, 10, 11, 12, 13)]
    others = ["stream.m3u8", "stream.m3u8.tmp", "notes.txt", "segment-x.ts"]
    unfinished = "segment-14.ts.tmp"
    assert leftover_segments([*names, *others, unfinished], PLAYLIST, keep=2) == [
        "segment-9.ts",
        unfinished,
    ]
    assert leftover_segments(names, PLAYLIST, keep=0) == names[:3]
    assert leftover_segments(names, PLAYLIST, keep=9) == []


@given(st.sets(st.integers(0, 30)), st.integers(0, 40))
def test_leftovers_never_touch_the_list_and_keep_the_newest(numbers: set[int], keep: int) -> None:
    names = {f"segment-{number}.ts" for number in numbers}
    leftovers = leftover_segments(names, PLAYLIST, keep=keep)
    assert not {"segment-12.ts", "segment-13.ts"} & set(leftovers)
    spared = [number for number in numbers - {12, 13} if f"segment-{number}.ts" not in leftovers]
    assert len(spared) == min(keep, len(numbers - {12, 13}))
    assert leftovers == [f"segment-{n}.ts" for n in sorted(numbers - {12, 13} - set(spared))]


def test_segments_of_fragmented_mp4_are_leftovers_too_and_their_init_section_is_not() -> None:
    names = ["init.mp4", "segment-3.m4s", "segment-4.m4s.tmp"]
    assert leftover_segments(names, "#EXTM3U\n", keep=0) == ["segment-3.m4s", "segment-4.m4s.tmp"]


def test_the_key_of_a_ladder_is_one_level_up() -> None:
    (alone,) = media_playlists(PROFILES["default"])
    rung = media_playlists(PROFILES["4k-abr"])[1]
    assert key_info_text(alone, Path("/k"), "00" * 16) == f"stream.key\n/k\n{'00' * 16}\n"
    assert key_info_text(rung, Path("/k"), "00" * 16).startswith("../stream.key\n")
    arguments = hls_output(
        PROFILES["4k-abr"], rung, Path("/srv"), start_number=3, key_info=Path("/i")
    )
    assert arguments[arguments.index("-hls_key_info_file") + 1] == "/i"
    assert arguments[-1] == "/srv/1080p/stream.m3u8"
