"""What ffmpeg tells of a file, read."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hlsswarm.errors import PreflightError
from hlsswarm.telemetry.source_file import MediaFile, look_into, read_media_file

FFMPEG = Path(shutil.which("ffmpeg") or "/ffmpeg-is-not-in-PATH")
FILM = Path("/film.mp4")
TOLD = """\
Input #0, mov,mp4,m4a,3gp,3g2,mj2, from '/film.mp4':
  Duration: 01:02:03.50, start: 0.000000, bitrate: 2176 kb/s
  Stream #0:0[0x1](und): Video: h264 (Constrained Baseline) (avc1 / 0x31637661), yuv420p, 1280x720
  Stream #0:1[0x2](und): Audio: aac (LC) (mp4a / 0x6134706D), 48000 Hz, stereo, fltp, 128 kb/s
"""


def test_a_film() -> None:
    assert read_media_file(FILM, TOLD) == MediaFile(FILM, 3723.5, has_sound=True)


def test_without_sound_without_length_and_without_picture() -> None:
    silent = "\n".join(TOLD.splitlines()[:3])
    assert read_media_file(FILM, silent) == MediaFile(FILM, 3723.5, has_sound=False)
    endless = TOLD.replace("01:02:03.50", "N/A")
    assert read_media_file(FILM, endless) == MediaFile(FILM, None, has_sound=True)
    song = "  Stream #0:0: Audio: mp3\n  Stream #0:1: Video: mjpeg, 300x300 (attached pic)\n"
    assert read_media_file(FILM, song) is None
    assert read_media_file(FILM, "") is None


def test_real_files(tmp_path: Path) -> None:
    film = tmp_path / "a film.mkv"
    graph = "testsrc=size=32x32:rate=10:duration=2[out0];sine=duration=2[out1]"
    subprocess.run(
        [FFMPEG, "-v", "error", "-f", "lavfi", "-i", graph, film], check=True, timeout=30
    )
    found = look_into(FFMPEG, film)
    assert (found.path, found.has_sound) == (film, True)
    assert found.seconds == pytest.approx(2, abs=0.1)

    for path, sentence in (
        (tmp_path / "none.mp4", "cannot be read: No such file or directory"),
        (tmp_path, "cannot be read: Is a directory"),
        (Path(__file__), "has no picture that ffmpeg can read"),
    ):
        with pytest.raises(PreflightError, match=sentence):
            look_into(FFMPEG, path)
