"""Loops have no seam, and an hour of one has no gap: with the real ffmpeg, faster than real time.

HLSSWARM_TEST_FFMPEGS (paths, separated by colons) adds further ffmpegs.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hlsswarm.core.encoder import (
    SourceFile,
    TestPattern,
    loop_command,
    loop_seconds,
    replay_command,
)
from hlsswarm.core.hls_muxer import INIT_SECTION
from hlsswarm.core.presentation import media_playlists
from hlsswarm.core.profiles import Container, OriginProfile
from hlsswarm.core.shipped_profiles import PROFILES

FFMPEG = Path(shutil.which("ffmpeg") or "/ffmpeg-is-not-in-PATH")
FFPROBE = shutil.which("ffprobe") or "/ffprobe-is-not-in-PATH"
FFMPEGS = [FFMPEG, *map(Path, filter(None, os.environ.get("HLSSWARM_TEST_FFMPEGS", "").split(":")))]
STRESS = replace(PROFILES["stress"], renditions=PROFILES["stress"].renditions[:1])
WRAP_SECONDS = 2**33 / 90_000
"""After so long the timestamps of MPEG-TS begin again."""

every_ffmpeg = pytest.mark.parametrize("ffmpeg", FFMPEGS, ids=str)


def done(command: list[str]) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=120)


def hurried(command: list[str], *options: str) -> list[str]:
    """A replay that does not wait, with these options for each output."""
    words: list[str] = []
    for word in command:
        if word != "-re":
            words += [*options, word] if word == "-f" else [word]
    return words


def a_loop(ffmpeg: Path, profile: OriginProfile, directory: Path) -> Path:
    loop = directory / "loop.mp4"
    seconds = loop_seconds(profile, None)
    done(loop_command(ffmpeg, profile, loop, source=TestPattern(), seconds=seconds))
    return loop


def packets(ffprobe_input: Path) -> dict[str, list[int]]:
    """Presentation times of each stream in its time base, in the order of the file."""
    probe = subprocess.run(
        [
            *(FFPROBE, "-v", "error", "-of", "json", "-show_packets"),
            *("-show_entries", "packet=codec_type,pts", str(ffprobe_input)),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    found: dict[str, list[int]] = {}
    for packet in json.loads(probe.stdout)["packets"]:
        found.setdefault(packet["codec_type"], []).append(packet["pts"])
    return found


def number(name: str) -> int:
    return int(re.findall(r"segment-(\d+)", name)[0])


@every_ffmpeg
@pytest.mark.parametrize("container", Container)
@pytest.mark.parametrize("segment_seconds", [1, 3])
def test_a_loop_has_no_seam(
    ffmpeg: Path, container: Container, segment_seconds: int, tmp_path: Path
) -> None:
    profile = replace(
        STRESS, container=container, segment_seconds=segment_seconds, playlist_segments=90
    )
    loop = a_loop(ffmpeg, profile, tmp_path)
    root = tmp_path / "root"
    root.mkdir()
    seconds = 3 * loop_seconds(profile, None) + segment_seconds
    command = replay_command(ffmpeg, profile, root, loop=loop, start_number=7)
    done(hurried(command, "-t", str(seconds)))

    text = (root / "stream.m3u8").read_text()
    assert set(re.findall(r"#EXTINF:([0-9.]+)", text)) == {f"{segment_seconds:.6f}"}
    segments = sorted(root.glob("segment-*"), key=lambda path: number(path.name))
    assert [number(path.name) for path in segments] == list(
        range(7, 7 + seconds // segment_seconds)
    )
    whole = tmp_path / "whole"
    init = root / INIT_SECTION
    pieces = [init, *segments] if container is Container.FMP4 else segments
    whole.write_bytes(b"".join(path.read_bytes() for path in pieces))
    times = packets(whole)
    # 90 kHz in MPEG-TS; in MP4 the sound's own rate, and for the picture what ffmpeg chose.
    ticks = 90_000 * 1024 // 48_000 if container is Container.TS else 1024
    steps = {b - a for a, b in zip(times["audio"], times["audio"][1:], strict=False)}
    assert steps == {ticks}
    steps = {b - a for a, b in zip(times["video"], times["video"][1:], strict=False)}
    assert len(steps) == 1
    assert len(times["audio"]) * 1024 / 48_000 == pytest.approx(seconds, abs=0.022)
    assert len(times["video"]) == seconds * profile.renditions[0].frame_rate


@every_ffmpeg
@pytest.mark.parametrize("has_sound", [True, False])
def test_a_file_becomes_a_loop_of_whole_segments(
    ffmpeg: Path, has_sound: bool, tmp_path: Path
) -> None:
    """The file is 5 s long at another rate and size, its sound is shorter than its picture."""
    film = tmp_path / "a film's [name].mkv"
    sound = "sine=sample_rate=44100:duration=4.7[out1]"
    graph = "testsrc=size=322x200:rate=24:duration=5[out0]" + (f";{sound}" if has_sound else "")
    done([str(ffmpeg), "-f", "lavfi", "-i", graph, "-c:v", "libx264", "-c:a", "aac", str(film)])
    loop = tmp_path / "loop.mp4"
    seconds = loop_seconds(STRESS, 5.0)
    done(
        loop_command(
            ffmpeg, STRESS, loop, source=SourceFile(film, has_sound=has_sound), seconds=seconds
        )
    )
    times = packets(loop)
    assert seconds == 8
    assert len(times["video"]) == seconds * STRESS.renditions[0].frame_rate
    assert len(times["audio"]) == seconds * 48_000 // 1024
    assert (times["video"][0], times["audio"][0]) == (0, 0)


@pytest.fixture
def in_memory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="hlst-") as directory:
        yield Path(directory)


def test_an_hour_has_no_gap_and_no_repeat(in_memory: Path) -> None:
    """Each state of the playlists that can be caught, over an hour in which the timestamps of
    MPEG-TS begin again; of a ladder with an audio group, to see that all go on alike.
    """
    group = PROFILES["audio-group"]
    small = tuple(
        replace(part, width=160, height=90, frame_rate=10, video_bitrate_kbps=60)
        for part in group.renditions
    )
    profile = replace(group, renditions=small, playlist_segments=6)
    loop = a_loop(FFMPEG, profile, in_memory)
    root = in_memory / "root"
    playlists = media_playlists(profile)
    for playlist in playlists:
        (root / playlist.path).parent.mkdir(parents=True)
    first = 1_700_000_000
    command = replay_command(FFMPEG, profile, root, loop=loop, start_number=first)
    offset = f"{WRAP_SECONDS - 1800:.3f}"
    process = subprocess.Popen(
        hurried(command, "-t", "3600", "-output_ts_offset", offset),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    seen: dict[str, list[int]] = {playlist.path: [] for playlist in playlists}
    try:
        while process.poll() is None:
            for playlist in playlists:
                look_at(root / playlist.path, profile, seen[playlist.path])
    finally:
        process.kill()
        _, complaints = process.communicate()
    assert process.returncode == 0, complaints
    for playlist in playlists:
        look_at(root / playlist.path, profile, seen[playlist.path])
        assert seen[playlist.path][-1] == first + 1799
        assert len(set(seen[playlist.path])) > 20, "too few states were caught"
        left = len(list((root / playlist.path).parent.glob("segment-*")))
        assert left <= profile.playlist_segments + profile.unreferenced_segments + 1


def look_at(playlist: Path, profile: OriginProfile, seen: list[int]) -> None:
    """Hold one state of a playlist against what a client relies on; `seen` has the last numbers."""
    if not playlist.exists():
        return
    text = playlist.read_text()
    names = [line for line in text.splitlines() if not line.startswith("#")]
    (sequence,) = map(int, re.findall(r"#EXT-X-MEDIA-SEQUENCE:(\d+)", text))
    assert [number(name) for name in names] == list(range(sequence, sequence + len(names)))
    for seconds in re.findall(r"#EXTINF:([0-9.]+)", text):
        assert abs(float(seconds) - profile.segment_seconds) < 0.03
    assert not seen or number(names[-1]) >= seen[-1], "the list went back"
    seen.append(number(names[-1]))
    for name in names:
        if not (playlist.parent / name).exists():
            # Gone between the two looks, as it may once it left the list long enough ago.
            newest = number(playlist.read_text().splitlines()[-1])
            assert newest - number(name) >= profile.playlist_segments, f"{name} is listed and gone"
