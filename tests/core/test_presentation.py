"""How presentations are laid out, and what their Multivariant Playlists say."""

from __future__ import annotations

from dataclasses import replace

import m3u8
import pytest

from hlsswarm.core.presentation import (
    average_bandwidth_bps,
    bandwidth_bps,
    has_ladder,
    media_playlists,
    multivariant_text,
)
from hlsswarm.core.profiles import Container, OriginProfile
from hlsswarm.core.shipped_profiles import PROFILES

LADDER = PROFILES["4k-abr"]
GROUP = PROFILES["audio-group"]
every_profile = pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda one: one.name)


def test_one_rendition_lies_at_the_root() -> None:
    (playlist,) = media_playlists(PROFILES["default"])
    assert (playlist.path, playlist.audio_kbps) == ("stream.m3u8", 128)
    assert not has_ladder(PROFILES["default"])
    with pytest.raises(ValueError, match="no Multivariant one"):
        multivariant_text(PROFILES["default"])


def test_a_ladder_has_a_directory_for_each_rendition() -> None:
    assert has_ladder(LADDER)
    assert [playlist.path for playlist in media_playlists(LADDER)][:2] == [
        "2160p/stream.m3u8",
        "1080p/stream.m3u8",
    ]


def test_the_multivariant_playlist_of_a_ladder() -> None:
    found = m3u8.loads(multivariant_text(LADDER))
    sizes = [item.stream_info.resolution for item in found.playlists]
    assert sizes == [(3840, 2160), (1920, 1080), (1280, 720), (854, 480), (640, 360)]
    assert {item.stream_info.frame_rate for item in found.playlists} == {30.0}
    codecs = [item.stream_info.codecs for item in found.playlists]
    assert codecs[:3] == [f"avc1.42c0{level},mp4a.40.2" for level in ("33", "28", "1f")]
    for item, part in zip(found.playlists, LADDER.renditions, strict=True):
        assert item.stream_info.bandwidth == bandwidth_bps(LADDER, part)
        assert item.stream_info.average_bandwidth == average_bandwidth_bps(LADDER, part)


def test_the_bandwidth_of_pictures_holds_that_of_the_group() -> None:
    found = m3u8.loads(multivariant_text(GROUP))
    assert [(media.name, media.uri, media.default) for media in found.media] == [
        ("english", "english/stream.m3u8", "YES"),
        ("deutsch", "deutsch/stream.m3u8", "NO"),
    ]
    first = found.playlists[0]
    assert [media.group_id for media in first.media] == ["audio", "audio"]
    both = (GROUP.renditions[0], GROUP.audio[0])
    assert first.stream_info.bandwidth == sum(bandwidth_bps(GROUP, part) for part in both)
    assert first.stream_info.codecs.endswith(",mp4a.40.2")


@every_profile
@pytest.mark.parametrize("container", Container)
def test_peaks_are_above_means_and_not_absurdly(
    profile: OriginProfile, container: Container
) -> None:
    changed = replace(profile, container=container)
    for part in changed.parts:
        mean, peak = average_bandwidth_bps(changed, part), bandwidth_bps(changed, part)
        assert mean < peak <= 1.4 * mean
