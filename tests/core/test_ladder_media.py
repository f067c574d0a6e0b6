"""Media Playlists as a ladder looks at them, and the figures of its Multivariant Playlist."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.ladder import PRESETS
from hlsswarm.core.ladder_media import (
    average_bps,
    codecs,
    declared_bps,
    linger_seconds,
    measured_bps,
    parse_media_playlist,
    rounded_up,
    stale_seconds,
)

LIVE = """#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:40
#EXTINF:2.000000,
segment-40.ts
#EXT-X-DISCONTINUITY
#EXTINF:1.000000,
segment-41.ts
#EXTINF:2.000000,
segment-42.ts
"""


def test_a_live_playlist() -> None:
    playlist = parse_media_playlist(LIVE)
    assert playlist is not None
    assert [item.number for item in playlist.segments] == [40, 41, 42]
    assert playlist.segments[0].uri == "segment-40.ts"
    assert (playlist.target_seconds, playlist.ended, playlist.map_uri) == (2.0, False, None)
    assert playlist.last_discontinuity == 41
    assert playlist.segment_seconds == 2.0
    assert stale_seconds(playlist) == 6.0
    assert linger_seconds(playlist) == 7.0
    assert linger_seconds(None) == 0.0


def test_an_ended_playlist_and_an_initialization_section() -> None:
    text = LIVE.replace("#EXTINF", '#EXT-X-MAP:URI="init.mp4"\n#EXTINF', 1) + "#EXT-X-ENDLIST\n"
    playlist = parse_media_playlist(text)
    assert playlist is not None
    assert playlist.ended
    assert playlist.map_uri == "init.mp4"


@pytest.mark.parametrize(
    "text",
    ["", "hello", "#EXTM3U\n", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nx.m3u8\n",
     "#EXTM3U\n#EXT-X-TARGETDURATION:x\n#EXTINF:abc,\nx.ts\n", LIVE.removeprefix("#EXTM3U\n")],
)  # fmt: skip
def test_what_is_no_media_playlist(text: str) -> None:
    assert parse_media_playlist(text) is None


@given(st.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    parse_media_playlist(text)
    parse_media_playlist("#EXTM3U\n#EXT-X-TARGETDURATION:1\n" + text)


def test_a_playlist_without_segments_has_no_discontinuity() -> None:
    playlist = parse_media_playlist("#EXTM3U\n#EXT-X-TARGETDURATION:3\n")
    assert playlist is not None
    assert playlist.last_discontinuity is None
    assert playlist.segment_seconds == 3.0


def test_the_declared_bitrate_holds_the_container() -> None:
    # 2750 (2500) + 128 kbit/s and a tenth more
    assert declared_bps(PRESETS["720p"], audio_kbps=128) == 3_165_800
    assert average_bps(PRESETS["720p"], audio_kbps=128) == 2_890_800


def test_the_measured_bitrate_is_that_of_the_largest_segment() -> None:
    assert measured_bps([]) == 0
    assert measured_bps([(1000, 1.0), (3000, 2.0)]) == 12_000
    assert measured_bps([(1000, 1.0), (500, 0.1)]) == 8_000, "what was cut short does not count"
    assert measured_bps([(1000, 0.0)]) == 0


@given(st.integers(1, 10**9))
def test_rounding_goes_up_and_not_far(bps: int) -> None:
    assert bps <= rounded_up(bps) <= bps * 1.1 + 1


def test_codecs_of_what_plays() -> None:
    assert codecs("avc1.42c00d", "aac") == ["avc1.42c00d", "mp4a.40.2"]
    assert codecs(None, "ac3") == ["ac-3"]
    assert codecs("avc1.42c00d", "") == ["avc1.42c00d"]
    assert codecs(None, "") == []
