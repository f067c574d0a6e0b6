"""Publishers, RTSP server, consumers and test videos as real commands on a real systemd."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support import Command, Place, free_port, place, processes_with, wait_for

FPS = 25
CLIP_SECONDS = 2


@pytest.fixture(scope="module")
def here() -> Iterator[Place]:
    with place() as made:
        made.done(
            "video", "generate", "--pattern", "shapes", "--size", "160x90", "--fps", str(FPS),
            "--duration", f"{CLIP_SECONDS}s", "--no-audio", "-o", "clip.mp4",
        )  # fmt: skip
        yield made
        made.nothing_left()


def published(here: Place, *words: str) -> Command:
    """Publishers of the clip that go on until they are stopped, with a server of their own."""
    return here.start(
        "publish", "--serve", "--source", "clip.mp4", "--encode", "copy", "--report-interval",
        "0.5s", "--max-cpu-percent", "100", "--max-memory-percent", "100", *words,
    )  # fmt: skip


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def pid_of(*parts: str) -> int:
    """The ffmpeg whose command has these parts."""
    (found,) = [line for line in processes_with(parts[0]) if all(part in line for part in parts)]
    return int(found.split()[1].rstrip(":"))


def test_streams_are_published_read_back_broken_off_and_come_again(here: Place) -> None:
    port = free_port()
    url = f"rtsp://127.0.0.1:{port}"
    command = published(here, "--port", str(port), "--streams", "3", "--json", "report.json")
    command.wait_for_line("up:3/3")
    here.done(
        "consume", *(f"{url}/stream{n}" for n in (1, 2, 3)), "--duration", "6s",
        "--json", "read.json",
    )  # fmt: skip
    consumed = read(here.root / "read.json")
    assert consumed["schema"] == "hlsswarm.consume/1"
    assert [stream["url"] for stream in consumed["streams"]] == [
        f"{url}/stream{n}" for n in (1, 2, 3)
    ]
    for stream in consumed["streams"]:
        # More than one round of the clip, and no seam in it.
        assert stream["frames"] > 1.5 * CLIP_SECONDS * FPS
        assert stream["fps"] == pytest.approx(FPS, rel=0.001)
        assert (stream["gaps"], stream["timestamps_backwards"], stream["error"]) == (0, 0, "")
        assert 0 < stream["first_frame_seconds"] < 6
        assert stream["bytes"] > 1000

    os.kill(pid_of(f"{url}/stream2", "-stream_loop"), signal.SIGKILL)
    command.wait_for_line("stream2 was killed by SIGKILL")
    command.wait_for_line("up:3/3  down:0  restarts:1")
    command.signal(signal.SIGINT)
    finished = command.finished()
    assert finished.status == 105, finished.err
    report = read(here.root / "report.json")
    assert report["schema"] == "hlsswarm.publish/1"
    assert (report["interrupted"], report["well"], report["refused"]) == (True, True, None)
    assert report["totals"]["up"] == report["totals"]["streams"] == 3
    assert [stream["restarts"] for stream in report["streams"]] == [0, 1, 0]
    assert [stream["errors"] for stream in report["streams"]] == [{}, {"SIGKILL": 1}, {}]
    for stream in report["streams"]:
        assert 2 < stream["uptime_seconds"] <= report["duration_seconds"]
        assert stream["cpu_seconds"] > 0
        assert stream["memory_peak_bytes"] > 1 << 20
    assert report["server"]["cpu_seconds"] > 0
    here.nothing_left()


def test_a_limit_lets_no_further_stream_start(here: Place) -> None:
    command = published(
        here, "--port", str(free_port()), "--streams", "3", "--max-streams", "2",
        "--duration", "2s", "--json", "limits.json",
    )  # fmt: skip
    finished = command.finished()
    assert finished.status == 99
    sentence = "No further stream starts, 1 are left out: --max-streams 2 is reached."
    assert sentence in finished.out
    assert "stream3  not started" in finished.out
    report = read(here.root / "limits.json")
    assert report["refused"] == "--max-streams 2 is reached"
    assert (report["totals"]["started"], report["totals"]["up"]) == (2, 2)
    here.nothing_left()


def test_streams_of_a_file_play_once_and_are_finished(here: Place) -> None:
    port = free_port()
    (here.root / "streams.toml").write_text(
        'duration = "40s"\nencode = "live"\nsize = "160x90"\nmax-cpu-percent = 100\n'
        '[[stream]]\nname = "door"\nfile = "clip.mp4"\nloop = false\nfps = 10\n'
        '[[stream]]\nname = "cam"\nsource = "clip.mp4"\nloop = false\nencode = "copy"\n'
    )
    finished = here.done(
        "publish", "--config", "streams.toml", "--serve", "--port", str(port), "--json", "x.json"
    )
    assert re.search(r"door +finished", finished.out)
    report = read(here.root / "x.json")
    assert [stream["finished"] for stream in report["streams"]] == [True, True]
    # Encoded again, at the rate that was asked for; and as it is.
    assert report["streams"][0]["frames"] == pytest.approx(10 * CLIP_SECONDS, abs=2)
    assert report["streams"][1]["frames"] == FPS * CLIP_SECONDS
    assert report["duration_seconds"] < 30
    here.nothing_left()


def test_what_is_broken_off_while_it_encodes_leaves_nothing(here: Place) -> None:
    cache = here.root / "early"
    command = here.start(
        "publish", "--serve", "--port", str(free_port()), "--size", "3840x2160", "--fps", "120",
        env={"HLSSWARM_CACHE_DIR": str(cache)},
    )  # fmt: skip
    command.wait_for_line("Encoding bars-3840x2160-120 once")
    command.signal(signal.SIGINT)
    assert command.finished().status == 105
    assert list((cache / "videos").iterdir()) == []
    (cache / "videos").rmdir()
    cache.rmdir()
    here.nothing_left()


def test_a_server_that_comes_again_gets_its_streams_again(here: Place) -> None:
    port = free_port()
    command = published(here, "--port", str(port), "--streams", "2")
    command.wait_for_line("up:2/2")
    os.kill(pid_of("rtsp_relay", str(port)), signal.SIGKILL)
    command.wait_for_line("up:2/2  down:0  restarts:2")
    command.signal(signal.SIGTERM)
    assert command.finished().status == 105
    here.nothing_left()


def test_without_their_controller_publishers_go_on_until_they_are_stopped(here: Place) -> None:
    port = free_port()
    command = published(here, "--port", str(port), "--streams", "1")
    line = command.wait_for_line("Run ")
    command.wait_for_line("up:1/1")
    command.process.kill()
    command.finished()
    run = line.split()[1].rstrip(":")
    assert here.units(run, "publisher") == ["running"]
    assert here.units(run, "rtsp") == ["running"]
    here.done("consume", f"rtsp://127.0.0.1:{port}/stream1", "--duration", "4s")
    here.done("stop", run)
    here.nothing_left()


def test_srt_is_the_same_with_another_muxer(here: Place) -> None:
    port = free_port()
    reader = here.start(
        "consume", f"srt://127.0.0.1:{port}?mode=listener", "--duration", "7s", "--json", "srt.json"
    )
    reader.wait_for_line("Run ")
    here.done(
        "publish", f"srt://127.0.0.1:{port}", "--streams", "1", "--source", "clip.mp4",
        "--encode", "copy", "--duration", "4s", "--max-cpu-percent", "100",
    )  # fmt: skip
    reader.finished()
    (stream,) = read(here.root / "srt.json")["streams"]
    assert stream["frames"] > FPS
    assert stream["gaps"] == 0


def test_a_stream_that_breaks_off_or_is_not_there_is_told(here: Place) -> None:
    port = free_port()
    here.done("rtsp", "start", "--port", str(port))
    assert "active (running)" in here.done("rtsp", "status").out
    again = here.run("rtsp", "start", "--port", str(port))
    assert (again.status, again.sentence) == (
        106,
        f"An RTSP server on port {port} runs already: rtsp://127.0.0.1:{port}/",
    )
    finished = here.run("consume", f"rtsp://127.0.0.1:{port}/nobody", "--duration", "9s")
    assert finished.status == 99
    assert "404" in finished.out
    assert here.done("rtsp", "stop", "--port", str(port)).out == f"Stopped rtsp{port}.\n"
    here.nothing_left(port)


def test_a_file_is_read_to_its_end_and_decoded(here: Place) -> None:
    here.done("consume", "clip.mp4", "--decode", "--duration", "20s", "--json", "file.json")
    (stream,) = read(here.root / "file.json")["streams"]
    assert (stream["finished"], stream["frames"]) == (True, CLIP_SECONDS * FPS)
    here.nothing_left()


# --- test videos -----------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["bars", "gradient"])
def test_a_video_is_made_once_and_loops_without_a_seam(here: Place, pattern: str) -> None:
    words = (
        "video", "generate", "--pattern", pattern, "--size", "160x90", "--fps", str(FPS),
        "--bitrate", "100k",
    )  # fmt: skip
    env = {"HLSSWARM_CACHE_DIR": str(here.root / "cache")}
    first, second = here.run(*words, env=env), here.run(*words, env=env)
    assert (first.status, second.status) == (0, 0)
    path = first.out.splitlines()[-1]
    assert second.out.splitlines() == ["It was made before.", path]
    assert [file.name for file in Path(path).parent.iterdir()] == [Path(path).name]
    told = subprocess.run(
        ["ffmpeg", "-v", "error", "-stream_loop", "2", "-i", path, "-map", "0", "-c", "copy",
         "-f", "framecrc", "-"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for stream, frames in (("0", 8 * FPS), ("1", 375)):
        rows = [line.split(",") for line in told.splitlines() if line.startswith(f"{stream},")]
        times = [int(row[1]) for row in rows]
        assert len(times) == 3 * frames
        steps = Counter(b - a for a, b in pairwise(times))
        assert len(steps) == 1
    Path(path).unlink()
    Path(path).parent.rmdir()
    (here.root / "cache").rmdir()


def test_a_video_that_is_broken_off_is_not_there(here: Place) -> None:
    env = {"HLSSWARM_CACHE_DIR": str(here.root / "broken")}
    command = here.start("video", "generate", "--duration", "1h", env=env)
    directory = here.root / "broken" / "videos"
    wait_for("a beginning", lambda: directory.is_dir() and any(directory.iterdir()))
    command.signal(signal.SIGINT)
    assert command.finished().status == 105
    assert list(directory.iterdir()) == []
    directory.rmdir()
    directory.parent.rmdir()
    here.nothing_left()


# --- what cannot be meant --------------------------------------------------------------------

USAGE, CONFIGURATION, PREFLIGHT = 2, 104, 106
NOWHERE = "rtsp://127.0.0.1:9/"


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (("publish",), USAGE, "The server's URL is missing."),
        (("publish", "http://h/"), USAGE, "'http://h/' is no URL that streams can be pushed to."),
        (("publish", NOWHERE, "--serve"), USAGE, f"--serve starts a server, and {NOWHERE} is one."),
        (("publish", NOWHERE), PREFLIGHT, "No server at 127.0.0.1:9: Connection refused."),
        (("publish", NOWHERE, "--streams", "0"), USAGE, "--streams '0' cannot be read."),
        (("publish", NOWHERE, "--fps", "x"), USAGE, "--fps 'x' cannot be read."),
        (("publish", NOWHERE, "--bitrate", "-1"), USAGE, "--bitrate '-1' cannot be read."),
        (("publish", NOWHERE, "--size", "3x3"), USAGE, "--size '3x3' cannot be read."),
        (
            ("publish", NOWHERE, "--report-interval", "0"),
            USAGE,
            "--report-interval '0' cannot be read.",
        ),
        (
            ("publish", NOWHERE, "--codec", "libx999"),
            PREFLIGHT,
            "/usr/bin/ffmpeg has no encoder libx999.",
        ),
        (
            ("publish", NOWHERE, "--source", "missing.mp4"),
            PREFLIGHT,
            "stream1: there is no file missing.mp4.",
        ),
        (
            ("publish", NOWHERE, "--encode", "copy"),
            USAGE,
            "--encode copy pushes a file as it is, and bars is none.",
        ),
        (
            ("publish", "--config", "missing.toml"),
            CONFIGURATION,
            "missing.toml cannot be read: No such file or directory.",
        ),
        (("publish", "--config", "bad.toml"), CONFIGURATION, None),
        (
            ("publish", NOWHERE, "--json", "no/x.json"),
            PREFLIGHT,
            "The directory no does not exist.",
        ),
        (("publish", NOWHERE, "--manager", "me"), USAGE, "--manager 'me' is no kind of manager."),
        (("rtsp", "start", "--port", "0"), USAGE, "--port '0' cannot be read."),
        (
            ("rtsp", "start", "--listen", "localhost"),
            USAGE,
            "--listen 'localhost' cannot be read.",
        ),
        (("rtsp", "start", "--server", "/no/mediamtx"), PREFLIGHT, None),
        (("consume",), USAGE, "URL is missing."),
        (("consume", "ftp://h/x"), USAGE, "'ftp://h/x' is no stream that can be read here."),
        (("consume", "rtsp://"), USAGE, "'rtsp://' names no host."),
        (("consume", "missing.mp4"), PREFLIGHT, None),
        (("video", "generate", "--pattern", "cats"), USAGE, "--pattern 'cats' cannot be read."),
        (("video", "generate", "--duration", "0"), USAGE, "--duration '0' cannot be read."),
        (("video", "generate", "-o", "no/x.mp4"), PREFLIGHT, "The directory no does not exist."),
        (("video", "paint"), USAGE, "paint is none of 'generate'."),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, tuple) else None,
)
def test_what_cannot_be_meant_is_a_sentence(
    here: Place, words: tuple[str, ...], status: int, sentence: str | None
) -> None:
    (here.root / "bad.toml").write_text("[[stream]]\nfsp = 3\n")
    finished = here.run(*words)
    assert finished.status == status, finished.err
    assert finished.out == ""
    assert "Traceback" not in finished.err
    assert len(finished.err.splitlines()) <= 2
    if sentence is not None:
        assert finished.sentence == sentence
    assert not here.runtime_directory.exists()


def test_everything_that_is_wrong_in_a_table_is_told(here: Place) -> None:
    (here.root / "bad.toml").write_text('[[stream]]\nfsp = 3\nbitrate = "fast"\n')
    said = here.run("publish", "--config", "bad.toml").err
    for word in ("fsp", "fps", "bitrate", "fast"):
        assert word in said


def test_the_relay_says_why_it_cannot_listen(here: Place) -> None:
    words = [sys.executable, "-m", "hlsswarm.publishers.rtsp_relay", "192.0.2.1", "1"]
    finished = subprocess.run(
        words, capture_output=True, text=True, check=False, env=dict(here.environment)
    )
    assert finished.returncode == 1
    assert finished.stderr.startswith("192.0.2.1:1: ")
    assert "Traceback" not in finished.stderr
