"""The encoder's command line, and what the ffmpeg of this machine makes of it.

HLSSWARM_TEST_FFMPEGS (paths, separated by colons) adds further ffmpegs to the real runs.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import m3u8
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.encoder import (
    SourceFile,
    TestPattern,
    live_command,
    loop_command,
    loop_seconds,
    replay_command,
)
from hlsswarm.core.profiles import (
    STREAM_PLAYLIST,
    Container,
    Encryption,
    OriginProfile,
)
from hlsswarm.core.shipped_profiles import PROFILES

DEFAULT = PROFILES["default"]
FRAME_SECONDS = 1 / DEFAULT.renditions[0].frame_rate
FFMPEG = Path(shutil.which("ffmpeg") or "/ffmpeg-is-not-in-PATH")
FFMPEGS = [FFMPEG, *map(Path, filter(None, os.environ.get("HLSSWARM_TEST_FFMPEGS", "").split(":")))]
EPOCH = 1_700_000_000

every_ffmpeg = pytest.mark.parametrize("ffmpeg", FFMPEGS, ids=str)


def command(
    profile: OriginProfile = DEFAULT,
    source: TestPattern | SourceFile = TestPattern(),  # noqa: B008  (frozen)
    **options: object,
) -> list[str]:
    return live_command(
        Path("/bin/ffmpeg"),
        profile,
        Path("/srv/stream"),
        source=source,
        start_number=7,
        **options,  # type: ignore[arg-type]
    )


def option(arguments: list[str], name: str) -> str:
    assert arguments.count(name) == 1, name
    return arguments[arguments.index(name) + 1]


def test_command_of_the_default_profile() -> None:
    arguments = command()
    assert arguments[0] == "/bin/ffmpeg"
    assert arguments[-1] == "/srv/stream/stream.m3u8"
    assert option(arguments, "-g:v:0") == option(arguments, "-keyint_min:v:0") == "60"
    assert option(arguments, "-hls_time") == "2"
    assert option(arguments, "-hls_list_size") == "10"
    assert option(arguments, "-hls_delete_threshold") == "11"
    assert option(arguments, "-start_number") == "7"
    assert set(option(arguments, "-hls_flags").split("+")) == {
        "delete_segments",
        "omit_endlist",
        "temp_file",
        "program_date_time",
        "append_list",
    }
    assert option(arguments, "-i") == (
        "testsrc2=size=1280x720:rate=30,format=yuv420p[out0];"
        "sine=frequency=1000:sample_rate=48000[out1]"
    )


def test_profile_fields_reach_the_command() -> None:
    arguments = command(replace(DEFAULT, tune="", preset="veryfast", segment_seconds=1))
    assert "-tune" not in arguments
    assert option(arguments, "-preset") == "veryfast"
    assert option(arguments, "-g:v:0") == "30"
    assert option(arguments, "-profile:v:0") == "high"
    fmp4 = command(replace(DEFAULT, container=Container.FMP4))
    assert option(fmp4, "-hls_segment_type") == "fmp4"
    assert option(fmp4, "-hls_segment_filename") == "/srv/stream/segment-%d.m4s"


def test_a_ladder_is_one_ffmpeg_with_an_output_for_each_rendition() -> None:
    arguments = command(PROFILES["4k-abr"])
    assert arguments.count("-i") == 1
    assert [word for word in arguments if word.endswith(".m3u8")] == [
        f"/srv/stream/{name}/stream.m3u8" for name in ("2160p", "1080p", "720p", "480p", "360p")
    ]
    maps = [arguments[n + 1] for n, word in enumerate(arguments) if word == "-map"]
    assert maps == ["0:0", "0:5", "0:1", "0:6", "0:2", "0:7", "0:3", "0:8", "0:4", "0:9"]
    assert "scale=640:360" in option(arguments, "-i")


def test_an_audio_group_has_a_tone_for_each_rendition() -> None:
    arguments = command(PROFILES["audio-group"])
    maps = [arguments[n + 1] for n, word in enumerate(arguments) if word == "-map"]
    assert maps == ["0:0", "0:1", "0:2", "0:3"]
    assert "sine=frequency=1000:sample_rate=48000[out2]" in option(arguments, "-i")
    assert "sine=frequency=440:sample_rate=48000[out3]" in option(arguments, "-i")
    assert arguments.count("-c:v") == arguments.count("-c:a") == 2


def test_a_source_file_is_played_over_and_over() -> None:
    arguments = command(source=SourceFile(Path("/srv/a film.mp4"), has_sound=True))
    assert arguments[arguments.index("-stream_loop") + 1] == "-1"
    assert option(arguments, "-i") == "/srv/a film.mp4"
    assert "[0:a:0]" in option(arguments, "-filter_complex")
    mute = command(source=SourceFile(Path("/srv/a film.mp4"), has_sound=False))
    assert "anullsrc" in option(mute, "-filter_complex")


def test_a_vod_is_not_made_in_real_time() -> None:
    arguments = command(PROFILES["vod"])
    assert "-re" not in arguments
    assert option(arguments, "-t") == "60"
    assert option(arguments, "-hls_playlist_type") == "vod"


def test_a_loop_is_copied() -> None:
    for profile in PROFILES.values():
        loop, ffmpeg = Path("/var/loop.mp4"), Path("/bin/ffmpeg")
        arguments = replay_command(ffmpeg, profile, Path("/srv"), loop=loop, start_number=1)
        assert arguments.count("copy") == len(profile.renditions) + len(profile.audio)
        assert not {"libx264", "aac", "lavfi"} & set(arguments)
        assert ("-re" in arguments) == profile.is_live


@given(st.integers(1, 30), st.none() | st.floats(0, 1e6))
def test_a_loop_is_whole_in_frames_and_in_segments(segment: int, source: float | None) -> None:
    seconds = loop_seconds(replace(DEFAULT, segment_seconds=segment), source)
    assert seconds * 48_000 % 1024 == 0
    assert seconds % segment == 0
    assert seconds >= min(source or 0, 600)


def test_what_it_refuses() -> None:
    ffmpeg, root = Path("/bin/ffmpeg"), Path("/srv")
    for program, directory in ((Path("ffmpeg"), root), (ffmpeg, Path("srv"))):
        with pytest.raises(ValueError, match="must be an absolute path"):
            live_command(program, DEFAULT, directory, source=TestPattern(), start_number=0)
    with pytest.raises(ValueError, match="must be an absolute path"):
        loop_command(ffmpeg, DEFAULT, Path("loop.mp4"), source=TestPattern(), seconds=8)
    with pytest.raises(ValueError, match="directory with '%'"):
        replay_command(ffmpeg, DEFAULT, Path("/srv/%d"), loop=Path("/l.mp4"), start_number=0)
    with pytest.raises(ValueError, match="needs 1 key files, not 0"):
        command(replace(DEFAULT, encryption=Encryption.AES_128))


def _unescape(text: str) -> str:
    """One level of ffmpeg's escaping (ffmpeg-utils(1), "Quoting and escaping"), without quotes."""
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_font_path_is_escaped_for_the_graph_and_for_the_option(name: str) -> None:
    font = f"/{name}"
    graph = option(command(source=TestPattern(Path(font))), "-i")
    value = graph.split("fontfile=", 1)[1].split(":text=", 1)[0]
    # Nothing that a graph or an option list would take for its own stands without a backslash.
    assert not re.search(r"['\[\],;]", re.sub(r"\\.", "", value, flags=re.DOTALL))
    in_graph = _unescape(value)
    assert not re.search(r"[':]", re.sub(r"\\.", "", in_graph, flags=re.DOTALL))
    assert _unescape(in_graph) == str(Path(font))


# --- with the real thing -------------------------------------------------------------------------


@contextmanager
def running(arguments: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def wait_until(what: str, condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {seconds} s"
        time.sleep(0.05)


def listed(directory: Path) -> list[str]:
    """URIs of the Media Segments in the Media Playlist, oldest first."""
    playlist = directory / STREAM_PLAYLIST
    if not playlist.exists():
        return []
    return [line for line in playlist.read_text().splitlines() if not line.startswith("#")]


def media_sequence(directory: Path) -> int:
    text = (directory / STREAM_PLAYLIST).read_text()
    return int(re.findall(r"#EXT-X-MEDIA-SEQUENCE:(\d+)", text)[0])


def video_packets(segment: Path) -> list[dict[str, str]]:
    ffprobe = shutil.which("ffprobe")
    assert ffprobe is not None
    probe = subprocess.run(
        [
            *(ffprobe, "-v", "error", "-of", "json", "-select_streams", "v"),
            *("-show_packets", "-show_entries", "packet=pts_time,flags", str(segment)),
        ],
        check=True,
        capture_output=True,
        timeout=30,
    )
    packets: list[dict[str, str]] = json.loads(probe.stdout)["packets"]
    return packets


def faster_than_real_time(arguments: list[str], seconds: int) -> list[str]:
    hurried = [argument for argument in arguments if argument != "-re"]
    return [*hurried[:-1], "-t", str(seconds), hurried[-1]]


@every_ffmpeg
def test_bitrate_durations_and_window_of_a_minute(ffmpeg: Path, tmp_path: Path) -> None:
    directory = tmp_path / "blank and 'quote' é [x]"
    directory.mkdir()
    arguments = live_command(ffmpeg, DEFAULT, directory, source=TestPattern(), start_number=EPOCH)
    subprocess.run(
        faster_than_real_time(arguments, 60),
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    text = (directory / STREAM_PLAYLIST).read_text()
    playlist = m3u8.loads(text)
    assert media_sequence(directory) == EPOCH + 20
    assert listed(directory) == [f"segment-{EPOCH + n}.ts" for n in range(20, 30)]
    assert playlist.target_duration == DEFAULT.segment_seconds
    assert all(abs(s.duration - 2) <= FRAME_SECONDS for s in playlist.segments)
    assert all(segment.program_date_time for segment in playlist.segments)
    assert not playlist.is_endlist

    files = sorted(directory.glob("segment-*"))
    kept = DEFAULT.playlist_segments + DEFAULT.unreferenced_segments
    assert kept - 1 <= len(files) <= kept + 1
    mean_bps = sum(file.stat().st_size for file in files) * 8 / len(files) / 2
    assert mean_bps == pytest.approx(DEFAULT.renditions[0].bitrate_bps, rel=0.15)


@every_ffmpeg
def test_live_segments_come_in_real_time_and_start_with_a_key_frame(
    ffmpeg: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    directory = tmp_path / "stream"
    directory.mkdir()
    started = time.monotonic()
    with running(
        live_command(ffmpeg, DEFAULT, directory, source=TestPattern(), start_number=EPOCH), log
    ) as encoder:
        wait_until("third segment", lambda: len(listed(directory)) == 3)
        assert time.monotonic() - started > 5
        for name in listed(directory):
            packets = video_packets(directory / name)
            times = [float(packet["pts_time"]) for packet in packets]
            assert max(times) - min(times) + FRAME_SECONDS == pytest.approx(2, abs=FRAME_SECONDS)
            assert [packet["flags"].startswith("K") for packet in packets] == [
                index == 0 for index in range(len(packets))
            ]
        encoder.send_signal(signal.SIGTERM)
        assert encoder.wait(timeout=3) == 255
    assert "#EXT-X-ENDLIST" not in (directory / STREAM_PLAYLIST).read_text()
    assert not re.search(rb"\[(error|fatal|panic)\]", log.read_bytes())


@every_ffmpeg
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=lambda end: end.name)
def test_restarted_encoder_carries_on(ffmpeg: Path, end: signal.Signals, tmp_path: Path) -> None:
    quick = replace(DEFAULT, segment_seconds=1, playlist_segments=4)
    directory = tmp_path / "stream"
    directory.mkdir()
    arguments = live_command(ffmpeg, quick, directory, source=TestPattern(), start_number=EPOCH)
    with running(arguments, tmp_path / "log") as encoder:
        wait_until("second segment", lambda: len(listed(directory)) == 2)
        encoder.send_signal(end)
        encoder.wait(timeout=3)
    before = listed(directory)
    contents = {name: (directory / name).read_bytes() for name in before}
    assert media_sequence(directory) == EPOCH

    with running(arguments, tmp_path / "log"):
        wait_until("new segment", lambda: len(listed(directory)) > len(before))
        # The old segments keep names, numbers and contents; the new ones follow on.
        assert media_sequence(directory) == EPOCH
        assert listed(directory)[: len(before)] == before
        assert listed(directory)[len(before)] == f"segment-{EPOCH + len(before)}.ts"
        assert {name: (directory / name).read_bytes() for name in before} == contents
        playlist = m3u8.loads((directory / STREAM_PLAYLIST).read_text())
        assert playlist.segments[len(before)].discontinuity
        times = [segment.program_date_time for segment in playlist.segments]
        assert times == sorted(times)
        wait_until("rolling window", lambda: media_sequence(directory) > EPOCH)


@every_ffmpeg
def test_wall_clock_with_a_font_at_an_odd_path(ffmpeg: Path, tmp_path: Path) -> None:
    fonts = sorted(Path("/usr/share/fonts").rglob("*.ttf"))
    if not fonts:
        pytest.fail("no TrueType font on this machine: apt-get install fonts-dejavu-core")
    font = tmp_path / r"fonts, 'my' [own]; a:b\c" / "Mono%d.ttf"
    font.parent.mkdir()
    shutil.copyfile(fonts[0], font)

    def last_frame(clock_font: Path | None) -> bytes:
        directory = tmp_path / f"stream-{clock_font is not None}"
        directory.mkdir()
        arguments = live_command(
            ffmpeg,
            DEFAULT,
            directory,
            start_number=0,
            source=TestPattern(clock_font),
            log_level="verbose",
        )
        run = subprocess.run(
            faster_than_real_time(arguments, 1),
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
        )
        # An ffmpeg with fontconfig says so when it falls back to another font.
        assert not re.search(rb'drawtext.*Using "', run.stderr), run.stderr
        picture = subprocess.run(
            [
                *(str(FFMPEG), "-v", "error", "-i", str(directory / "segment-0.ts")),
                *("-frames:v", "1", "-vf", "crop=iw:ih/5:0:ih*4/5"),
                *("-f", "rawvideo", "-pix_fmt", "gray", "-"),
            ],
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
        )
        return picture.stdout

    def white(picture: bytes) -> int:
        return sum(value > 240 for value in picture)

    # testsrc2 has no white there: the digits are.
    assert white(last_frame(None)) < 100
    assert white(last_frame(font)) > 2000
