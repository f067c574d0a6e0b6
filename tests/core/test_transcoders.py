"""Command lines of the built-in factories."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hlsswarm.core.ladder import PRESETS, Rung
from hlsswarm.core.transcoders import (
    BUILT_IN,
    HARDWARE,
    LISTED_SEGMENTS,
    UNLISTED_SEGMENTS,
    Declined,
    Job,
    SourceMedia,
)

SOURCE = SourceMedia(
    name="live/x",
    input=("-live_start_index", "-1", "-i", "file:/m/live/x/stream.m3u8"),
    width=1280,
    height=720,
    frame_rate=25.0,
    video_codec="h264",
    audio_codec="aac",
    segment_seconds=2.0,
    one_key_frame=True,
)
JOB = Job(Path("/usr/bin/ffmpeg"), PRESETS["480p"], "video", SOURCE, Path("/m/live/x/480p"), 77)
PICTURES = [name for name in BUILT_IN if name != "audio"]


def made(factory: str, job: Job = JOB) -> list[str]:
    command = BUILT_IN[factory](job)
    assert command is not None
    assert not isinstance(command, Declined)
    return list(command)


def value(command: list[str], option: str) -> str:
    return command[command.index(option) + 1]


@pytest.mark.parametrize("factory", PICTURES)
def test_pictures_take_the_sound_along_and_keep_time(factory: str) -> None:
    command = made(factory)
    assert command[0] == "/usr/bin/ffmpeg"
    assert command[-1] == "/m/live/x/480p/stream.m3u8"
    assert command.index("-copyts") < command.index("-i")
    assert [command[i + 1] for i, word in enumerate(command) if word == "-map"] == [
        "0:v:0",
        "0:a:0?",
    ]
    assert value(command, "-muxdelay") == value(command, "-muxpreload") == "0"
    assert value(command, "-start_number") == "77"
    assert "append_list" in value(command, "-hls_flags")
    assert value(command, "-hls_list_size") == str(LISTED_SEGMENTS)
    assert value(command, "-hls_delete_threshold") == str(UNLISTED_SEGMENTS)


@pytest.mark.parametrize("factory", PICTURES)
def test_pictures_decline_sound_and_renditions_without_a_picture(factory: str) -> None:
    sound = BUILT_IN[factory](dataclasses.replace(JOB, track="audio"))
    assert sound == Declined("takes pictures only")
    nothing = BUILT_IN[factory](dataclasses.replace(JOB, rung=PRESETS["audio"]))
    assert nothing == Declined("the rendition has no picture")


def test_a_segment_begins_where_the_sources_does() -> None:
    assert value(made("x264"), "-force_key_frames") == "source"
    # Each key frame is the beginning of a segment of the source.
    assert value(made("x264"), "-hls_time") == "0.1"
    several = dataclasses.replace(SOURCE, one_key_frame=False, segment_seconds=2.002)
    assert value(made("x264", dataclasses.replace(JOB, source=several)), "-hls_time") == "2.002"


def test_x264_keeps_to_the_rung() -> None:
    command = made("x264")
    assert value(command, "-b:v") == "1200k"
    assert value(command, "-maxrate") == "1320k"
    assert value(command, "-bufsize") == "660k"
    assert "scale=854:480" in value(command, "-vf")
    assert value(command, "-c:a") == "copy"
    assert value(command, "-fps_mode") == "vfr"


@pytest.mark.parametrize("factory", ["x264", *HARDWARE])
def test_nothing_is_made_larger_than_it_comes(factory: str) -> None:
    larger = BUILT_IN[factory](dataclasses.replace(JOB, rung=PRESETS["1080p"]))
    assert larger == Declined("larger than the source's 1280x720")
    same = dataclasses.replace(JOB, rung=PRESETS["720p"])
    assert not isinstance(BUILT_IN[factory](same), Declined)
    unknown = dataclasses.replace(SOURCE, width=0, height=0)
    job = dataclasses.replace(JOB, rung=PRESETS["1080p"], source=unknown)
    assert not isinstance(BUILT_IN[factory](job), Declined)


def test_passthrough_copies_whatever_the_size() -> None:
    command = made("passthrough", dataclasses.replace(JOB, rung=PRESETS["1080p"]))
    assert value(command, "-c") == "copy"
    assert not {"-vf", "-b:v", "-fps_mode", "-force_key_frames"} & set(command)


def test_audio_takes_sound_only() -> None:
    job = dataclasses.replace(JOB, track="audio", rung=PRESETS["audio"])
    command = made("audio", job)
    assert value(command, "-map") == "0:a:0"
    assert command.count("-map") == 1
    assert value(command, "-b:a") == "96k"
    assert value(command, "-hls_time") == "2", "sound has no key frames to go by"
    assert BUILT_IN["audio"](JOB) == Declined("takes sound only")


@pytest.mark.parametrize("factory", HARDWARE)
def test_hardware_opens_its_device_first(factory: str) -> None:
    command = made(factory)
    hardware = HARDWARE[factory]
    assert value(command, "-c:v") == hardware.encoder
    for word in hardware.before_input:
        assert command.index(word) < command.index("-i")
    assert ("hwupload" in value(command, "-vf")) == (factory == "vaapi")


def test_a_directory_that_ffmpeg_cannot_express_is_refused() -> None:
    with pytest.raises(ValueError, match="'%'"):
        BUILT_IN["x264"](dataclasses.replace(JOB, directory=Path("/m/50%/x")))


def test_a_small_rung_still_has_a_buffer() -> None:
    assert Rung("x", 16, 16, 1).bufsize_kbit == 1
