"""What an ffmpeg was built with: its lists, as several versions print them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hlsswarm.core.commands import parse_protocols
from hlsswarm.errors import PreflightError
from hlsswarm.telemetry.ffmpeg_abilities import FFmpegAbilities, parse_table

DEVICES_5 = """Devices:
 D. = Demuxing supported
 .E = Muxing supported
 --
 DE alsa            ALSA audio output
  E caca            caca (color ASCII art) output device
 D  lavfi           Libavfilter virtual input device
 D  libcdio          
 DE video4linux2,v4l2 Video4Linux2 output device
"""  # noqa: W291  (ffmpeg's own)
DEVICES_7 = """Devices:
 D. = Demuxing supported
 .E = Muxing supported
 ---
 DE alsa            ALSA audio output
  E caca            caca (color ASCII art) output device
 D  lavfi           Libavfilter virtual input device
 D  libcdio
 DE video4linux2,v4l2 Video4Linux2 output device
"""
ENCODERS = """Encoders:
 V..... = Video
 .F.... = Frame-level multithreading
 ------
 V....D libx264              libx264 H.264 / AVC (codec h264)
 A....D aac                  AAC (Advanced Audio Coding)
"""
PROTOCOLS = """Supported file protocols:
Input:
  file
  srt
Output:
  icecast
"""


@pytest.mark.parametrize("text", [DEVICES_5, DEVICES_7], ids=["5.1", "7.1"])
def test_devices_to_read_from(text: str) -> None:
    assert parse_table(text, flag="D") == {"alsa", "lavfi", "libcdio", "video4linux2", "v4l2"}


def test_encoders() -> None:
    assert parse_table(ENCODERS) == {"libx264", "aac"}


def test_protocols_to_read_from() -> None:
    assert parse_protocols(PROTOCOLS) == {"file", "srt"}


@pytest.mark.parametrize("text", ["", "Unrecognized option 'devices'.", " --\n", " --\n x\n"])
def test_what_is_no_list_is_an_empty_one(text: str) -> None:
    assert parse_table(text) == frozenset()
    assert parse_protocols(text) == frozenset()


def test_the_ffmpeg_of_this_machine() -> None:
    found = FFmpegAbilities(Path(shutil.which("ffmpeg") or ""))
    assert "lavfi" in found.input_devices
    assert {"libx264", "aac", "h264_vaapi"} <= found.encoders
    assert {"file", "http", "tcp"} <= found.input_protocols
    assert {"hls", "mpegts"} <= found.muxers
    assert "hls" not in found.input_devices
    assert found.encoders is found.encoders  # asked once


def test_a_program_that_cannot_be_run_is_told(tmp_path: Path) -> None:
    odd = tmp_path / "ffmpeg"
    odd.write_text("")
    with pytest.raises(PreflightError, match="cannot be run"):
        _ = FFmpegAbilities(odd).encoders
