"""The command line of a preview encoder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core import names
from hlsswarm.core.encoder_settings import CODECS, EncoderSettings
from hlsswarm.core.inputs import parse_input
from hlsswarm.core.preview import (
    check_name,
    member_of_name,
    name_of_member,
    preview_command,
)
from hlsswarm.errors import UsageError

FFMPEG = Path("/usr/bin/ffmpeg")
HERE = Path("/media/cam1")


def command(
    settings: EncoderSettings | None = None,
    *,
    spec: str = "lavfi:testsrc2",
    ends: bool = False,
    directory: Path = HERE,
) -> list[str]:
    source = parse_input(spec, directory=Path("/"))
    made = EncoderSettings() if settings is None else settings
    return preview_command(FFMPEG, source, made, directory, start_epoch=1700, ends=ends)


def after(words: list[str], option: str) -> str:
    """The value of an option that is given once."""
    assert words.count(option) == 1, option
    return words[words.index(option) + 1]


def test_the_defaults_are_fast_and_of_low_latency() -> None:
    words = command()
    assert words[0] == str(FFMPEG)
    assert (after(words, "-c:v"), after(words, "-preset")) == ("libx264", "ultrafast")
    assert (after(words, "-tune"), after(words, "-b:v")) == ("zerolatency", "5000k")
    assert (after(words, "-c:a"), after(words, "-b:a")) == ("aac", "128k")
    assert (after(words, "-hls_time"), after(words, "-hls_list_size")) == ("5", "3")
    assert "scale=1280:720" in after(words, "-vf")
    assert "delete_segments" in after(words, "-hls_flags")
    assert words[-1] == "/media/cam1/stream.m3u8"


def test_segments_are_cut_where_they_should_be() -> None:
    words = command(EncoderSettings(segment_seconds=2.5))
    assert after(words, "-force_key_frames") == "expr:gte(t,n_forced*2.5)"
    assert after(words, "-hls_time") == "2.5"


def test_numbers_begin_at_the_time_of_the_start_and_carry_on() -> None:
    words = command()
    assert after(words, "-start_number") == "1700"
    assert "append_list" in after(words, "-hls_flags")


@pytest.mark.parametrize("ends", [True, False])
def test_an_end_is_told_only_where_the_playlist_stays(ends: bool) -> None:
    assert ("omit_endlist" in after(command(ends=ends), "-hls_flags")) != ends


def test_sound_may_be_missing_and_may_be_left_out() -> None:
    assert "0:a:0?" in command()
    silent = command(EncoderSettings(audio=False))
    assert "-an" in silent
    assert "0:a:0?" not in silent


def test_pictures_may_stay_as_they_come() -> None:
    words = command(EncoderSettings(size=None))
    assert after(words, "-vf") == "format=yuv420p"
    copied = command(EncoderSettings(codec="copy"))
    assert after(copied, "-c:v") == "copy"
    assert not {"-vf", "-b:v", "-force_key_frames", "-preset"} & set(copied)


def test_the_users_words_come_before_those_of_the_codec() -> None:
    words = command(EncoderSettings(preset="medium", tune="film", fps="25", gop=50))
    assert (after(words, "-preset"), after(words, "-tune"), after(words, "-g")) == (
        "medium",
        "film",
        "50",
    )
    assert after(words, "-vf").startswith("fps=25,scale=")


def test_va_api_gets_its_device_before_the_input_and_pictures_in_its_memory() -> None:
    words = command(EncoderSettings(codec="h264_vaapi"))
    assert words.index("-vaapi_device") < words.index("-i")
    assert after(words, "-vf").endswith("setsar=1,format=nv12,hwupload")
    assert not {"-preset", "-tune"} & set(words)


@pytest.mark.parametrize("codec", CODECS)
def test_each_codec_is_asked_for_by_its_name(codec: str) -> None:
    assert after(command(EncoderSettings(codec=codec)), "-c:v") == codec


def test_the_inputs_options_come_before_it() -> None:
    words = command(spec="rtsp://cam/1")
    assert words.index("-rtsp_transport") < words.index("-i") < words.index("-map")


@pytest.mark.parametrize("directory", ["media/cam1", "/media/50%/cam1"])
def test_a_directory_that_ffmpeg_cannot_write_to_is_refused(directory: str) -> None:
    with pytest.raises(ValueError, match="cannot write HLS"):
        command(directory=Path(directory))


@pytest.mark.parametrize("name", ["cam1", "live/cam1", "a/b/c", "0-x_y", "a" * 100])
def test_names_are_those_of_units_and_directories(name: str) -> None:
    member = member_of_name(check_name(name))
    assert name_of_member(member) == name
    unit = names.service_unit("encoders", "encoder", member)
    assert names.parse_unit(unit) == names.UnitName("encoders", "encoder", member)


@given(st.text(max_size=20))
def test_a_name_never_leads_out_of_its_directory(name: str) -> None:
    try:
        check_name(name)
    except UsageError:
        return
    assert (HERE / name).is_relative_to(HERE)
    assert ".." not in name
    assert name_of_member(member_of_name(name)) == name


@pytest.mark.parametrize("name", ["", "/", "a/", "/a", "a//b", "../a", "A", "a b", "a.b", "-a"])
def test_what_can_be_no_name_is_told(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        check_name(name)
