"""Origin profiles: the declared figures, refused values, and the size of the window."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.profiles import (
    PROFILES,
    OriginProfile,
    PlaylistType,
    Rendition,
    segment_bytes_max,
    window_bytes,
)

DEFAULT = PROFILES["default"]
RENDITION = DEFAULT.renditions[0]


def test_default_is_720p_in_two_second_segments() -> None:
    assert (RENDITION.width, RENDITION.height, RENDITION.frame_rate) == (1280, 720, 30)
    assert (DEFAULT.segment_seconds, DEFAULT.playlist_segments) == (2, 10)
    assert DEFAULT.window_seconds == 20
    assert RENDITION.bitrate_bps == 2_128_000
    assert RENDITION.name == "720p"
    assert replace(RENDITION, frame_rate=25).name == "720p25"


def test_profiles_are_filed_under_their_own_names_and_cannot_be_changed() -> None:
    assert all(name == profile.name for name, profile in PROFILES.items())
    with pytest.raises(TypeError):
        PROFILES["default"] = DEFAULT  # type: ignore[index]


def test_removed_segments_stay_as_long_as_the_protocol_demands() -> None:
    # RFC 8216bis 6.2.2: the segment's duration plus the longest playlist that had it.
    kept_seconds = DEFAULT.unreferenced_segments * DEFAULT.segment_seconds
    assert kept_seconds == DEFAULT.segment_seconds + DEFAULT.window_seconds


@pytest.mark.parametrize("name", [field.name for field in fields(Rendition)])
def test_rendition_refuses_zero(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        replace(RENDITION, **{name: 0})


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
        ({"encoder_threads": -1}, "must not be negative"),
    ],
)
def test_profile_refuses(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        replace(DEFAULT, **changes)  # type: ignore[arg-type]


def test_default_window_is_some_tens_of_megabytes() -> None:
    assert 1_000_000 < segment_bytes_max(DEFAULT, RENDITION) < 1_300_000
    assert 30_000_000 < window_bytes(DEFAULT) < 50_000_000


def test_vod_has_no_window() -> None:
    with pytest.raises(ValueError, match="no rolling window"):
        window_bytes(replace(DEFAULT, playlist_type=PlaylistType.VOD))


@st.composite
def _profiles(draw: st.DrawFn) -> OriginProfile:
    rate = draw(st.integers(100, 20_000))
    rendition = replace(
        RENDITION,
        video_bitrate_kbps=rate,
        maxrate_kbps=rate,
        bufsize_kbit=draw(st.integers(1, rate)),
    )
    return replace(
        DEFAULT,
        segment_seconds=draw(st.integers(1, 10)),
        playlist_segments=draw(st.integers(3, 30)),
        renditions=(rendition,) * draw(st.integers(1, 5)),
    )


@given(_profiles())
def test_window_holds_what_plays_and_what_lags_at_the_declared_bitrate(
    profile: OriginProfile,
) -> None:
    seconds = profile.segment_seconds * (profile.playlist_segments + profile.unreferenced_segments)
    declared = sum(rendition.bitrate_bps for rendition in profile.renditions) * seconds // 8
    assert declared < window_bytes(profile)


@given(_profiles())
def test_window_grows_with_every_rendition(profile: OriginProfile) -> None:
    larger = replace(profile, renditions=(*profile.renditions, RENDITION))
    assert window_bytes(larger) > window_bytes(profile)
