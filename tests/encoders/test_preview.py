"""Preview encoders as a user runs them: real commands, systemd and ffmpeg."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import Place, free_port, place, processes_with, wait_for

PICTURE = "testsrc2=size=160x90:rate=10"
LAVFI = f"lavfi:{PICTURE}"
WITH_SOUND = f"lavfi:{PICTURE}[out0];sine[out1]"
SMALL = ("--size", "160x90", "--bitrate", "100k", "--segment-seconds", "1s")
START = ("encoder", "start")
FFMPEG = shutil.which("ffmpeg") or "ffmpeg"


@pytest.fixture(scope="module")
def shared() -> Iterator[Place]:
    """A place in which an encoder runs all the time, so that its systemd need not start anew."""
    with place() as here:
        here.done(*START, "other", "--input", WITH_SOUND, *SMALL)
        try:
            yield here
            assert listed(here)["other"]["restarts"] == 0
        finally:
            here.done("encoder", "stop", "--all")
        here.nothing_left()
        assert list((here.root / "m").iterdir()) == []


def listed(here: Place) -> dict[str, dict[str, Any]]:
    document = json.loads(here.done("encoder", "list", "--json").out)
    assert document["schema"] == "hlsswarm.encoders/1"
    return {encoder["name"]: encoder for encoder in document["encoders"]}


def playlist(here: Place, name: str) -> Path:
    return Path(here.done("encoder", "path", name).out.strip())


def segments(playlist: Path) -> list[str]:
    """The segments that a playlist lists; none where there is none."""
    text = playlist.read_text() if playlist.exists() else ""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def number(segment: str) -> int:
    return int(segment.removeprefix("segment-").removesuffix(".ts"))


def streams(media: Path) -> dict[str, dict[str, Any]]:
    """ffprobe's description of a file's streams, by their kind."""
    words = ["ffprobe", "-v", "error", "-show_streams", "-of", "json", str(media)]
    said = subprocess.run(words, capture_output=True, check=True, timeout=30).stdout
    return {stream["codec_type"]: stream for stream in json.loads(said)["streams"]}


def main_process(here: Place, name: str) -> int:
    """The ffmpeg of an encoder."""
    parts = f"{here.root}/m/{name}/stream.m3u8"
    found = [line for line in processes_with(parts) if FFMPEG in line]
    (pid,) = [int(line.split()[1].rstrip(":")) for line in found if parts in line]
    return pid


def test_an_encoder_writes_what_was_asked_for(shared: Place) -> None:
    there = playlist(shared, "other")
    assert there == shared.root / "m/other/stream.m3u8"
    wait_for("segments", lambda: len(segments(there)) == 3)
    found = streams(there.parent / segments(there)[-1])
    assert (found["video"]["codec_name"], found["video"]["width"]) == ("h264", 160)
    assert found["audio"]["codec_name"] == "aac"
    lengths = [line for line in there.read_text().splitlines() if line.startswith("#EXTINF")]
    assert lengths == ["#EXTINF:1.000000,"] * 3
    wait_for("its speed", lambda: listed(shared)["other"]["speed"] is not None)
    shown = listed(shared)["other"]
    assert (shown["state"], shown["sub_state"]) == ("active", "running")
    assert (shown["input"], shown["segments"]) == (WITH_SOUND, 3)
    assert 0.3 < shown["speed"] < 3


def test_starting_one_that_runs_does_nothing_and_says_so(shared: Place) -> None:
    said = shared.done(*START, "other", "--input", "lavfi:color", *SMALL).out
    assert said == f"The encoder other runs already: {shared.root}/m/other/stream.m3u8\n"
    assert listed(shared)["other"]["input"] == WITH_SOUND


def test_of_two_starts_at_once_one_wins(shared: Place) -> None:
    words = (*START, "live/twice", "--input", LAVFI, *SMALL)
    both = [shared.start(*words) for _ in range(2)]
    ends = [each.finished() for each in both]
    assert [end.status for end in ends] == [0, 0]
    assert sorted("runs already" in end.out for end in ends) == [False, True]
    assert listed(shared)["live/twice"]["restarts"] == 0
    shared.done("encoder", "stop", "live/twice")
    assert not (shared.root / "m/live").exists()
    assert set(listed(shared)) == {"other"}


def test_a_killed_encoder_carries_on_without_a_number_used_twice(shared: Place) -> None:
    shared.done(*START, "killed", "--input", LAVFI, *SMALL)
    there = playlist(shared, "killed")
    before = segments(there)
    os.kill(main_process(shared, "killed"), signal.SIGKILL)
    wait_for("a restart", lambda: listed(shared)["killed"]["restarts"] == 1)
    wait_for("new segments", lambda: number(segments(there)[-1]) > number(before[-1]) + 1)
    numbers = [number(segment) for segment in segments(there)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert number(before[0]) <= numbers[0] <= number(before[-1]) + 1
    shared.done("encoder", "stop", "killed")


def test_a_directory_of_the_users_keeps_a_finished_playlist(shared: Place, tmp_path: Path) -> None:
    words = (*START, "kept", "--input", LAVFI, *SMALL, "--no-audio", "--media", str(tmp_path))
    shared.done(*words)
    there = playlist(shared, "kept")
    assert there == tmp_path / "kept/stream.m3u8"
    assert "#EXT-X-ENDLIST" not in there.read_text()
    shared.done("encoder", "stop", "kept")
    assert there.read_text().endswith("#EXT-X-ENDLIST\n")
    last = number(segments(there)[-1])
    assert set(streams(there.parent / segments(there)[-1])) == {"video"}
    # The next one of this name goes on behind what is there.
    shared.done(*words)
    wait_for("new segments", lambda: number(segments(there)[-1]) > last)
    assert "#EXT-X-ENDLIST" not in there.read_text()
    shared.done("encoder", "stop", "kept")


def test_an_input_that_comes_late_is_waited_for(shared: Place) -> None:
    port = free_port()
    url = f"rtmp://127.0.0.1:{port}/live/x"
    shared.done(*START, "late", "--input", url, *SMALL, "--no-wait")

    def tried(times: int) -> dict[str, Any] | None:
        shown = listed(shared)["late"]
        return shown if shown["restarts"] >= times else None

    shown = wait_for("restarts", lambda: tried(2))
    assert shown["segments"] == 0
    assert "refused" in shown["last_log_line"]
    assert "refused" in shared.done("logs", "late").out
    assert "last message: " in shared.done("encoder", "list").out
    assert_waits_grow(shared, "late")
    with camera(url):
        wait_for("segments", lambda: listed(shared)["late"]["segments"] > 0, timeout_seconds=40)
    shared.done("encoder", "stop", "late")


def assert_waits_grow(here: Place, name: str) -> None:
    """By what the unit's ExecStartPre notes; where systemd has restart steps, it notes nothing."""
    noted = here.runtime_directory / "encoders" / f"encoder-{name}.starts"
    if not noted.exists():
        return
    at: dict[int, float] = {}

    def three() -> bool:
        with contextlib.suppress(ValueError):  # it is just being written
            now = json.loads(noted.read_text())
            at[now["in_a_row"]] = now["last"]
        return {1, 2, 3} <= at.keys() or {2, 3, 4} <= at.keys()

    wait_for("three failed starts", three)
    gaps = [at[count] - at[count - 1] for count in sorted(at) if count - 1 in at]
    wanted = [0.5 * 2.0 ** (count - 1) for count in sorted(at) if count - 1 in at]
    assert all(gap >= want for gap, want in zip(gaps, wanted, strict=True))


@contextlib.contextmanager
def camera(url: str) -> Iterator[None]:
    """An RTMP server that plays a test picture to the one client that comes."""
    source = ["-re", "-f", "lavfi", "-i", PICTURE, "-c:v", "libx264", "-preset", "ultrafast"]
    words = [FFMPEG, "-loglevel", "error", *source, "-g", "10", "-f", "flv", "-listen", "1", url]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_a_file_is_played_again_and_again(shared: Place) -> None:
    clip = shared.root / "clip.mp4"
    words = ["-f", "lavfi", "-i", f"{PICTURE}:duration=1", "-c:v", "libx264", str(clip)]
    subprocess.run([FFMPEG, "-loglevel", "error", *words], check=True, timeout=30)
    shared.done(*START, "clip", "--input", "clip.mp4", *SMALL, "--playlist-segments", "6")
    there = playlist(shared, "clip")
    wait_for("more than the file is long", lambda: len(segments(there)) >= 4)
    assert listed(shared)["clip"]["restarts"] == 0
    shared.done("encoder", "stop", "clip")


@pytest.mark.parametrize("media", ["m", "mine"])
def test_an_encoder_that_ends_at_once_is_told_and_leaves_nothing(shared: Place, media: str) -> None:
    chosen = () if media == "m" else ("--media", media)
    told = shared.run(*START, "bad", "--input", "lavfi:nonsense", *SMALL, *chosen)
    assert told.status == 107
    assert told.sentence == "The encoder bad ended:"
    assert "nonsense" in told.err
    assert set(listed(shared)) == {"other"}
    assert not (shared.root / media / "bad").exists()
    left = [path.name for path in (shared.runtime_directory / "encoders").iterdir()]
    assert not [name for name in left if "bad" in name]


def test_stop_of_the_whole_run_leaves_nothing() -> None:
    with place() as here:
        here.done(*START, "live/a", "--input", LAVFI, *SMALL)
        here.done("stop", "encoders")
        here.nothing_left()
        assert list((here.root / "m").iterdir()) == []
        assert here.done("encoder", "stop", "--all").out == "No encoder runs.\n"
        assert here.done("encoder", "list").out == "No encoder runs.\n"
