"""Multivariant Playlists: read back by a parser of others, they say what was meant."""

from __future__ import annotations

import m3u8
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.multivariant import AudioRendition, Variant, multivariant_playlist

URIS = st.from_regex(r"[a-z0-9]{1,8}/stream\.m3u8", fullmatch=True)
VARIANTS = st.builds(
    Variant,
    uri=URIS,
    bandwidth_bps=st.integers(1, 10**9),
    average_bandwidth_bps=st.none() | st.integers(1, 10**9),
    codecs=st.sampled_from([("avc1.64001f",), ("avc1.42c01e", "mp4a.40.2")]),
    width=st.integers(1, 4000),
    height=st.integers(1, 4000),
    frame_rate=st.sampled_from([25.0, 30.0, 29.97, 60.0]),
    audio_group=st.none() | st.just("sound"),
)
SOUND = AudioRendition(group="sound", name="English", uri="a/x.m3u8", language="en", default=True)


@given(st.lists(VARIANTS, min_size=1, max_size=6))
def test_a_parser_reads_what_was_meant(variants: list[Variant]) -> None:
    text = multivariant_playlist(variants, [SOUND])
    read = m3u8.loads(text)
    assert read.is_variant
    assert [media.group_id for media in read.media] == ["sound"]
    for variant, found in zip(variants, read.playlists, strict=True):
        info = found.stream_info
        assert found.uri == variant.uri
        assert info.bandwidth == variant.bandwidth_bps
        assert info.average_bandwidth == variant.average_bandwidth_bps
        assert info.codecs == ",".join(variant.codecs)
        assert info.resolution == (variant.width, variant.height)
        assert info.frame_rate == pytest.approx(variant.frame_rate, abs=0.001)
        assert info.audio == variant.audio_group


def test_the_text_itself() -> None:
    text = multivariant_playlist(
        [Variant(uri="audio/stream.m3u8", bandwidth_bps=140_000, codecs=("mp4a.40.2",))],
        version=7,
    )
    assert text == (
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        '#EXT-X-STREAM-INF:BANDWIDTH=140000,CODECS="mp4a.40.2"\naudio/stream.m3u8\n'
    )


ONE = Variant(uri="a.m3u8", bandwidth_bps=1, codecs=("avc1.64001f",))


@pytest.mark.parametrize(
    ("variants", "audio", "words"),
    [
        ([], [], "needs a Variant Stream"),
        ([Variant(uri="a", bandwidth_bps=0, codecs=("x",))], [], "needs a bandwidth"),
        ([Variant(uri='a"', bandwidth_bps=1, codecs=("x",))], [], "cannot stand"),
        ([Variant(uri="a\nb", bandwidth_bps=1, codecs=("x",))], [], "cannot stand"),
        ([Variant(uri="a", bandwidth_bps=1, codecs=("x",), audio_group="g")], [], "no audio group"),
        ([ONE], [SOUND, SOUND], "one name"),
        ([ONE], [SOUND, AudioRendition(group="sound", name="b", uri="b", default=True)], "default"),
    ],
)
def test_what_no_playlist_can_hold(
    variants: list[Variant], audio: list[AudioRendition], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        multivariant_playlist(variants, audio)
