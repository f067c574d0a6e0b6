"""Settings of a preview encoder: texts to values, and one table that agrees with the defaults."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.cli.encoder_command import _options
from hlsswarm.cli.main import parse
from hlsswarm.core.encoder_options import EncoderOptions
from hlsswarm.core.encoder_settings import (
    CODECS,
    ENCODER_SETTINGS,
    EncoderSettings,
    PictureSize,
    bitrate,
    frame_rate,
    picture_size,
)
from hlsswarm.core.unit_specs import UNLIMITED, Limits

START = ("encoder", "start", "cam1", "--input", "lavfi:testsrc2")


def options(*words: str) -> EncoderOptions:
    return _options(parse([*START, *words]), "auto")


def test_the_defaults_are_those_of_a_preview() -> None:
    made = options()
    assert made.settings == EncoderSettings()
    assert (made.limits, made.wait, made.media) == (UNLIMITED, True, None)
    assert str(made.settings.size) == "1280x720"
    assert (made.settings.bitrate_kbps, made.settings.audio_bitrate_kbps) == (5000, 128)
    assert (made.settings.segment_seconds, made.settings.playlist_segments) == (5, 3)


SHOWN = {
    "codec": "libx265",
    "size": "640x360",
    "bitrate": "800k",
    "preset": "veryfast",
    "tune": "film",
    "fps": "30000/1001",
    "gop": "50",
    "audio-bitrate": "96k",
    "segment-seconds": "2s",
    "playlist-segments": "6",
    "memory-max": "512M",
    "cpu-quota": "150%",
    "memory-high": "256M",
    "cpu-weight": "500",
    "tasks-max": "64",
    "io-weight": "50",
    "io-read-max": "/var:10M",
    "oom-policy": "kill",
}


@pytest.mark.parametrize("name", [setting.name for setting in ENCODER_SETTINGS])
def test_every_setting_changes_what_is_asked_of_the_encoder(name: str) -> None:
    words = (f"--{name}",) if name == "no-audio" else (f"--{name}", SHOWN[name])
    assert options(*words) != options()


def test_limits_are_those_of_the_unit() -> None:
    made = options("--memory-max", "512M", "--cpu-quota", "150%")
    assert made.limits == Limits(512 << 20, 1.5)


def test_every_field_has_a_setting() -> None:
    fields = {field.name for field in dataclasses.fields(EncoderSettings)}
    keys = {setting.key for setting in ENCODER_SETTINGS}
    assert fields - {"bitrate_kbps", "audio_bitrate_kbps", "audio"} <= keys
    assert {"bitrate", "audio_bitrate", "no_audio"} <= keys


@pytest.mark.parametrize(
    ("text", "kbps"), [("5M", 5000), ("2.5m", 2500), ("800k", 800), ("128000", 128)]
)
def test_bit_rates(text: str, kbps: int) -> None:
    assert bitrate(text) == kbps


@pytest.mark.parametrize("text", ["", "0", "5G", "-1M", "M", "1e9", "99999M", "5 M"])
def test_what_is_no_bit_rate(text: str) -> None:
    with pytest.raises(ValueError):
        bitrate(text)


@pytest.mark.parametrize("text", ["", "640", "641x360", "640x361", "0x0", "99999x10", "640X360"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError):
        picture_size(text)


@given(st.integers(5, 8000), st.integers(5, 8000))
def test_a_size_reads_as_it_is_written(width: int, height: int) -> None:
    size = PictureSize(2 * width, 2 * height)
    assert picture_size(str(size)) == size
    assert picture_size("source") is None


@pytest.mark.parametrize("text", ["", "0", "0/1", "25/0", "-25", "1001", "25fps", "1/2/3"])
def test_what_is_no_frame_rate(text: str) -> None:
    with pytest.raises(ValueError):
        frame_rate(text)


def test_hardware_codecs_name_their_device() -> None:
    software = {"libx264", "libx265", "copy"}
    assert {name for name, codec in CODECS.items() if codec.node is None} == software
