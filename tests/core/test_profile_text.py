"""Profiles as TOML and by --set: what is laid over what, and everything wrong at once."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.profile_text import document_of, profile_of, with_settings
from hlsswarm.core.profiles import Container, OriginProfile, PlaylistType
from hlsswarm.core.shipped_profiles import PROFILES
from hlsswarm.errors import ConfigurationError

DEFAULT = PROFILES["default"]


def read(text: str) -> OriginProfile:
    return profile_of("own", tomllib.loads(text), where="own.toml")


def refused(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(text)
    return caught.value.message


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_every_profile_is_its_own_document(profile: OriginProfile) -> None:
    assert profile_of(profile.name, document_of(profile), where="it") == profile


def test_a_document_that_stands_alone() -> None:
    profile = read(
        "segment_seconds = 4\ncontainer = 'fmp4'\n"
        "[renditions.small]\nwidth = 640\nheight = 360\nframe_rate = 25\n"
        "video_bitrate_kbps = 600\naudio_bitrate_kbps = 64\n"
    )
    assert (profile.name, profile.segment_seconds, profile.container) == ("own", 4, Container.FMP4)
    (small,) = profile.renditions
    assert (small.name, small.maxrate_kbps, small.bufsize_kbit) == ("small", 660, 600)


def test_a_document_that_changes_another_profile() -> None:
    profile = read(
        "based_on = '4k-abr'\nplaylist_type = 'vod'\n"
        "[renditions]\n2160p = false\n[renditions.1080p]\nvideo_bitrate_kbps = 8000\n"
    )
    assert [part.name for part in profile.renditions] == ["1080p", "720p", "480p", "360p"]
    assert profile.renditions[0].maxrate_kbps == 8800
    assert profile.playlist_type is PlaylistType.VOD
    assert profile.renditions[1] == PROFILES["4k-abr"].renditions[2]


def test_everything_wrong_is_told_at_once_with_what_is_meant() -> None:
    message = refused(
        "segment_second = 1\nplaylist_segments = 'ten'\nencryption = 'aes'\n"
        "[renditions.720p]\nwidht = 3\nheight = 2\n"
    )
    assert message == (
        "own.toml: There is no field 'segment_second'. Is segment_seconds meant?"
        " playlist_segments: 'ten' is not a whole number."
        " encryption: 'aes' is not one of none, aes-128."
        " There is no field renditions.720p.widht. Is width meant?"
        " renditions.720p lacks width, frame_rate, video_bitrate_kbps,"
        " audio_bitrate_kbps."
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "A profile needs at least one rendition."),
        ("based_on = 'defualt'", "there is no profile 'defualt'. Is default meant?"),
        ("based_on = 3", "there is no profile 3."),
        ("renditions = 3", "renditions is a table of tables"),
        ("renditions.a = 3", "renditions.a is a table, or false (off) to take it away."),
        ("renditions.a = false", "renditions.a: there is none to take away."),
        ("based_on = 'default'\naccess_log = 1", "access_log: 1 is not true or false."),
        ("based_on = 'default'\nrenditions.720p.width = 33", "renditions.720p: Picture size must"),
        ("based_on = 'default'\nrenditions.720p.width = true", "width: True is not a whole number"),
        ("based_on = 'default'\nrenditions.720p.height = 90000", "No H.264 level has"),
    ],
)
def test_what_a_document_cannot_say(text: str, sentence: str) -> None:
    assert sentence in refused(text)


def test_fields_are_set_one_by_one() -> None:
    changed = with_settings(
        DEFAULT,
        ["segment_seconds=1", "720p.video_bitrate_kbps=3000", "container=fmp4", "access_log=on"],
    )
    assert (changed.segment_seconds, changed.container, changed.access_log) == (1, "fmp4", True)
    assert changed.renditions[0].video_bitrate_kbps == 3000
    assert changed.renditions[0].maxrate_kbps == 3300
    both = with_settings(DEFAULT, ["720p.maxrate_kbps=4000", "720p.video_bitrate_kbps=3000"])
    assert both.renditions[0].maxrate_kbps == 4000
    assert with_settings(DEFAULT, ()) is DEFAULT
    small = with_settings(PROFILES["4k-abr"], ["2160p=off", "renditions.1080p=off"])
    assert [part.name for part in small.renditions] == ["720p", "480p", "360p"]


def test_what_cannot_be_set_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        with_settings(DEFAULT, ["segment=1", "x", "480p.width=2", "720p.widht=4", "tune"])
    assert caught.value.message == (
        "--set: 'x' is not FIELD=VALUE."
        " 480p.width: there is no rendition '480p'. There is: 720p."
        " 'tune' is not FIELD=VALUE."
        " There is no field 'segment'. Is segment_seconds meant?"
        " There is no field renditions.720p.widht. Is width meant?"
    )
    with pytest.raises(ConfigurationError, match=r"segment_seconds: '1\.5' is not a whole number"):
        with_settings(DEFAULT, ["segment_seconds=1.5"])


@given(st.lists(st.text(max_size=30), max_size=4))
def test_whatever_is_set_gives_a_profile_or_a_sentence(settings: list[str]) -> None:
    try:
        with_settings(DEFAULT, settings)
    except ConfigurationError as error:
        assert error.message.startswith("--set: ")
