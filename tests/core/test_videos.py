"""Command lines of videos: lengths that fit, names that change with what is in them."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.videos import (
    PATTERNS,
    Encoding,
    TestVideo,
    cache_name,
    generate_command,
    parse_bitrate,
    parse_picture_size,
    seamless_duration,
    transcode_command,
)

FFMPEG, OUT, FONT = Path("/usr/bin/ffmpeg"), Path("/c/out.mp4"), Path("/f/Mono.ttf")


@pytest.mark.parametrize(
    ("text", "bits"), [("2M", 2_000_000), ("500k", 500_000), ("1.5M", 1_500_000), ("64000", 64_000)]
)
def test_bit_rates(text: str, bits: int) -> None:
    assert parse_bitrate(text) == bits


@pytest.mark.parametrize("text", ["", "2 M", "-2M", "nan", "2MB", "999", "2G", "1e6", "٢M"])
def test_bit_rates_that_are_none(text: str) -> None:
    with pytest.raises(ValueError):
        parse_bitrate(text)


@pytest.mark.parametrize("text", ["", "1280", "1280x721", "0x0", "30x30", "9000x9000", "-2x64"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(ValueError):
        parse_picture_size(text)


@given(st.floats(0.001, 1e6))
def test_a_seamless_duration_is_the_nearest_multiple_of_375_aac_frames(seconds: float) -> None:
    found = seamless_duration(seconds)
    assert found > 0
    assert (found * 48_000) % (375 * 1024) == 0
    assert abs(found - seconds) <= 4.0 or found == 8.0


@given(st.sampled_from(PATTERNS), st.integers(1, 240), st.floats(0.05, 100))
def test_picture_and_sound_are_of_one_length(pattern: str, fps: int, seconds: float) -> None:
    video = TestVideo(pattern=pattern, duration_seconds=seconds)  # type: ignore[arg-type]
    words = generate_command(FFMPEG, video, Encoding(fps=fps), OUT, font=FONT)
    frames = int(words[words.index("-frames:v") + 1])
    match = re.search(r"gte\(n\\,(\d+)\)", words[words.index("-bsf:a") + 1])
    assert match is not None
    picture, sound = frames / fps, int(match[1]) * 1024 / 48_000
    assert abs(picture - sound) <= 0.5 * 1024 / 48_000 + 1e-9
    assert abs(picture - seconds) <= max(0.5 / fps, 1 / fps if frames == 1 else 0) + 1e-9


def test_without_sound_or_font_there_is_none() -> None:
    words = generate_command(FFMPEG, TestVideo(audio=False), Encoding(), OUT, font=None)
    graph = words[words.index("-i") + 1]
    assert "-c:a" not in words
    assert "sine" not in graph
    assert "drawtext" not in graph
    assert "frame %{n}" in generate_command(FFMPEG, TestVideo(), Encoding(), OUT, font=FONT)[
        words.index("-i") + 1
    ].replace("\\", "")


def test_a_file_whose_name_looks_like_an_option_is_a_file() -> None:
    words = transcode_command(FFMPEG, Path("/-i x;y.mp4"), Encoding(), OUT, audio=False)
    assert words[words.index("-i") + 1] == "file:/-i x;y.mp4"
    assert "-c:a" not in words


def test_presets_are_for_encoders_that_have_them() -> None:
    assert "-preset" in Encoding().arguments()
    assert "-preset" not in Encoding(codec="h264_vaapi").arguments()


def test_a_name_changes_with_everything_that_matters() -> None:
    video, encoding = TestVideo(), Encoding()
    names = {
        cache_name("x", video, encoding, "5.1"),
        cache_name("x", video, encoding, "7.1"),
        cache_name("x", video, dataclasses.replace(encoding, bitrate_bps=1), "5.1"),
        cache_name("x", dataclasses.replace(video, pattern="shapes"), encoding, "5.1"),
    }
    assert len(names) == 4
    assert cache_name("x", video, encoding, "5.1") in names


@given(st.text(max_size=200))
def test_a_name_is_the_name_of_a_file(label: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,100}\.mp4", cache_name(label))
