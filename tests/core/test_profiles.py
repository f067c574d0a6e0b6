"""Origin profiles: the declared figures, refused values, and the size of the window."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.h264 import level_idc, x264_profile
from hlsswarm.core.profiles import (
    AudioTrack,
    Container,
    Encryption,
    OriginProfile,
    PlaylistType,
    Rendition,
    media_bytes,
    segment_bytes_max,
)
from hlsswarm.core.shipped_profiles import PROFILES

DEFAULT = PROFILES["default"]
RENDITION = DEFAULT.renditions[0]


def test_default_is_720p_in_two_second_segments() -> None:
    assert (RENDITION.width, RENDITION.height, RENDITION.frame_rate) == (1280, 720, 30)
    assert (DEFAULT.segment_seconds, DEFAULT.playlist_segments) == (2, 10)
    assert DEFAULT.window_seconds == 20
    assert RENDITION.bitrate_bps == 2_128_000
    assert RENDITION.name == "720p"


def test_profiles_are_filed_under_their_own_names_and_cannot_be_changed() -> None:
    assert all(name == profile.name for name, profile in PROFILES.items())
    with pytest.raises(TypeError):
        PROFILES["default"] = DEFAULT  # type: ignore[index]


def test_removed_segments_stay_as_long_as_the_protocol_demands() -> None:
    # RFC 8216bis 6.2.2: the segment's duration plus the longest playlist that had it.
    kept_seconds = DEFAULT.unreferenced_segments * DEFAULT.segment_seconds
    assert kept_seconds == DEFAULT.segment_seconds + DEFAULT.window_seconds


def test_the_figures_that_the_issue_names() -> None:
    shapes = {
        name: (profile.segment_seconds, profile.playlist_segments, len(profile.renditions))
        for name, profile in PROFILES.items()
    }
    assert shapes == {
        "default": (2, 10, 1),
        "low-latency": (1, 6, 1),
        "4k-abr": (2, 10, 5),
        "stress": (1, 15, 4),
        "logged": (2, 10, 1),
        "vod": (2, 10, 1),
        "audio-group": (2, 10, 2),
    }
    ladder = [(part.height, part.video_bitrate_kbps) for part in PROFILES["4k-abr"].renditions]
    assert ladder == [(2160, 15_000), (1080, 5000), (720, 2000), (480, 1000), (360, 500)]
    assert PROFILES["logged"].access_log and PROFILES["logged"].renditions[0].height == 1080
    assert not PROFILES["vod"].is_live
    assert len(PROFILES["audio-group"].audio) == 2


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_every_shipped_rendition_has_a_level(profile: OriginProfile) -> None:
    for part in profile.renditions:
        level = level_idc(
            x264_profile(profile.preset),
            width=part.width,
            height=part.height,
            frame_rate=part.frame_rate,
            maxrate_kbps=part.maxrate_kbps,
            bufsize_kbit=part.bufsize_kbit,
        )
        assert level <= 51


_NUMBERS = [f.name for f in fields(Rendition) if f.name not in {"name", "audio_bitrate_kbps"}]


@pytest.mark.parametrize("name", _NUMBERS)
def test_rendition_refuses_zero(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} must be at least \d+, not 0"):
        replace(RENDITION, **{name: 0})  # type: ignore[arg-type]


def test_rendition_refuses_odd_pictures_and_a_maximum_below_the_mean() -> None:
    with pytest.raises(ValueError, match="even, not 1281x720"):
        replace(RENDITION, width=1281)
    with pytest.raises(ValueError, match="must not be below video_bitrate_kbps"):
        replace(RENDITION, maxrate_kbps=1999)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": "Default Profile"}, "profile name must be like"),
        ({"name": ""}, "profile name must be like"),
        ({"segment_seconds": 0}, "segment_seconds must be at least 1"),
        ({"playlist_segments": 2}, "playlist_segments must be at least 3"),
        ({"renditions": ()}, "at least one rendition"),
        ({"encoder_threads": -1}, "encoder_threads must be at least 0, not -1"),
        ({"preset": "warp"}, "preset must be one of ultrafast, superfast"),
        ({"tune": "psnr"}, "tune must be one of zerolatency, film"),
        ({"vod_seconds": 1}, "vod_seconds must be at least segment_seconds, 2"),
        ({"renditions": DEFAULT.renditions * 2}, "two renditions have one name: 720p, 720p"),
        (
            {"container": Container.FMP4, "encryption": Encryption.AES_128},
            "encryption aes-128 needs container ts",
        ),
        (
            {"audio": (AudioTrack(name="english", language="en", bitrate_kbps=96),)},
            "audio_bitrate_kbps of the others must be 0",
        ),
    ],
)
def test_profile_refuses(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        replace(DEFAULT, **changes)  # type: ignore[arg-type]


def test_default_window_is_some_tens_of_megabytes() -> None:
    assert 1_000_000 < segment_bytes_max(DEFAULT, RENDITION) < 1_300_000
    assert 30_000_000 < media_bytes(DEFAULT) < 50_000_000


def test_a_vod_is_kept_whole() -> None:
    vod = replace(DEFAULT, playlist_type=PlaylistType.VOD, vod_seconds=600)
    assert media_bytes(vod) > 600 * RENDITION.bitrate_bps // 8
    assert media_bytes(vod) > 8 * media_bytes(replace(vod, vod_seconds=60))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": "English"}, "audio name must be like"),
        ({"bitrate_kbps": 0}, "bitrate_kbps must be at least 1"),
        ({"tone_hz": 30_000}, "tone_hz must be from 20 to 20000, not 30000"),
        ({"language": "e"}, "language must be like 'en'"),
    ],
)
def test_audio_refuses(changes: dict[str, object], sentence: str) -> None:
    track = AudioTrack(name="english", language="en", bitrate_kbps=96)
    with pytest.raises(ValueError, match=sentence):
        replace(track, **changes)  # type: ignore[arg-type]


@st.composite
def _profiles(draw: st.DrawFn) -> OriginProfile:
    rate = draw(st.integers(100, 20_000))
    rung = replace(
        RENDITION,
        video_bitrate_kbps=rate,
        maxrate_kbps=rate,
        bufsize_kbit=draw(st.integers(1, rate)),
    )
    return replace(
        DEFAULT,
        segment_seconds=draw(st.integers(1, 10)),
        playlist_segments=draw(st.integers(3, 30)),
        renditions=tuple(replace(rung, name=f"rung{n}") for n in range(draw(st.integers(1, 5)))),
        container=draw(st.sampled_from(Container)),
    )


@given(_profiles())
def test_window_holds_what_plays_and_what_lags_at_the_declared_bitrate(
    profile: OriginProfile,
) -> None:
    seconds = profile.segment_seconds * (profile.playlist_segments + profile.unreferenced_segments)
    declared = sum(rendition.bitrate_bps for rendition in profile.renditions) * seconds // 8
    assert declared < media_bytes(profile)


@given(_profiles())
def test_window_grows_with_every_rendition(profile: OriginProfile) -> None:
    larger = replace(profile, renditions=(*profile.renditions, RENDITION))
    assert media_bytes(larger) > media_bytes(profile)
