"""CODECS of H.264: by Table A-1, and as ffmpeg itself names what it has made."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core import h264


def level(width: int, height: int, rate: float, maxrate: int, bufsize: int) -> int:
    return h264.level_idc(
        h264.BASELINE,
        width=width,
        height=height,
        frame_rate=rate,
        maxrate_kbps=maxrate,
        bufsize_kbit=bufsize,
    )


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        ((1280, 720, 30, 2200, 4000), 31),
        ((1280, 720, 60, 2200, 4000), 32),
        ((1920, 1080, 30, 5000, 5000), 40),
        ((1920, 1080, 30, 40000, 5000), 41),
        ((3840, 2160, 30, 15000, 30000), 51),
        ((640, 360, 30, 600, 1000), 30),
        ((176, 144, 15, 60, 100), 10),
    ],
)
def test_levels_as_the_table_has_them(
    stream: tuple[int, int, float, int, int], expected: int
) -> None:
    assert level(*stream) == expected


def test_beyond_all_levels() -> None:
    with pytest.raises(ValueError, match=r"no H\.264 level"):
        level(30000, 30000, 30, 1, 1)


@given(st.integers(2, 4096), st.integers(2, 2160), st.floats(1, 30), st.integers(1, 100_000))
def test_more_of_anything_never_needs_a_lower_level(
    width: int, height: int, rate: float, maxrate: int
) -> None:
    least = level(width, height, rate, maxrate, maxrate)
    assert level(width + 16, height, rate, maxrate, maxrate) >= least
    assert level(width, height, rate * 2, maxrate, maxrate) >= least
    assert level(width, height, rate, maxrate * 2, maxrate) >= least


@given(st.binary())
def test_any_bytes_are_looked_through(data: bytes) -> None:
    found = h264.avc_of(data)
    assert found is None or len(found) == len("avc1.64001f")


@pytest.mark.parametrize("preset", ["ultrafast", "superfast", "veryfast"])
@pytest.mark.parametrize("container", ["mpegts", "mp4"])
def test_what_ffmpeg_made_is_what_we_say(tmp_path: Path, preset: str, container: str) -> None:
    made = tmp_path / "made"
    profile = h264.x264_profile(preset)
    idc = h264.level_idc(
        profile, width=320, height=180, frame_rate=25, maxrate_kbps=300, bufsize_kbit=300
    )
    source = "-v error -f lavfi -i testsrc2=size=320x180:rate=25 -frames:v 5"
    codec = f"-c:v libx264 -preset {preset} -pix_fmt yuv420p -profile:v {profile.name}"
    rates = f"-b:v 300k -maxrate 300k -bufsize 300k -level:v {idc / 10}"
    words = f"ffmpeg {source} {codec} {rates} -f {container}".split()
    subprocess.run([*words, str(made)], check=True)
    assert h264.avc_of(made.read_bytes()) == h264.avc_codecs(profile, idc)
