"""origin start in other ways: a directory that others write, a user's file, an end half-way."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from hlsswarm.origin import control
from tests.support import free_port, place

ABORTED = 105


def test_a_loop_that_is_interrupted_leaves_nothing() -> None:
    port = free_port()
    with place() as here:
        cache = here.root / "cache"
        command = here.start(
            *("origin", "start", "--profile", "4k-abr", "--encode", "once", "--port", str(port)),
            env={"HLSSWARM_CACHE_DIR": str(cache)},
        )
        command.wait_for_line("Encoding a loop of 8 s once")
        command.signal(signal.SIGINT)
        assert command.finished().status == ABORTED
        assert [path for path in cache.rglob("*") if path.is_file()] == []
        here.nothing_left(port)


def test_a_film_and_a_profile_of_ones_own(tmp_path: Path) -> None:
    port = str(free_port())
    film = tmp_path / "a film.mkv"
    subprocess.run(
        [
            *(shutil.which("ffmpeg") or "ffmpeg", "-v", "error", "-f", "lavfi"),
            *("-i", "testsrc=size=64x36:rate=10:duration=3", str(film)),
        ],
        check=True,
        timeout=30,
    )
    with place() as here:
        (here.root / "own.toml").write_text(
            "based_on = 'stress'\nplaylist_segments = 3\n"
            "[renditions.180p]\nwidth = 64\nheight = 36\nvideo_bitrate_kbps = 40\n"
        )
        done = here.done(
            *("origin", "start", "--profile", "own.toml", "--source", str(film), "--port", port)
        )
        assert f"It plays: http://127.0.0.1:{port}/stream.m3u8\n" in done.out
        told = here.done("origin", "status").out
        assert f"origin{port}: test origin own at http://127.0.0.1:{port}/stream.m3u8" in told
        here.done("origin", "stop", "--port", port)
        here.nothing_left(int(port))


def test_a_directory_is_served_as_it_is() -> None:
    port = str(free_port())
    with place() as here:
        here.root.chmod(0o755)  # nginx gives up being root
        media = here.root / "m"
        done = here.done("origin", "start", "--serve", "media", "--port", port)
        assert f"It serves media at http://127.0.0.1:{port}/\n" in done.out
        (media / "camera").mkdir()
        (media / "camera" / "stream.m3u8").write_text("#EXTM3U\n")
        (media / "camera" / "notes.txt").write_text("not for clients\n")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/camera/stream.m3u8") as answer:
            assert answer.read() == b"#EXTM3U\n"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/camera/notes.txt")
        here.done("origin", "stop", "--port", port)
        here.nothing_left(int(port))


def test_an_encoder_that_does_not_keep_up_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By when its segments were written: here two of two seconds each, five seconds apart."""
    monkeypatch.setenv("HLSSWARM_RUNTIME_DIR", str(tmp_path))
    media = tmp_path / "origin8080" / "media" / "720p"
    media.mkdir(parents=True)
    assert control.slowness("origin8080") is None
    (media / "stream.m3u8").write_text(
        "#EXTM3U\n" + "".join(f"#EXTINF:2.0,\nsegment-{n}.ts\n" for n in range(3))
    )
    for apart, text in ((5.0, "at 0.40 times real time"), (2.0, None)):
        for n in range(3):
            (media / f"segment-{n}.ts").touch()
            written = time.time() - (2 - n) * apart
            os.utime(media / f"segment-{n}.ts", (written, written))
        told = control.slowness("origin8080")
        assert (told is None) == (text is None)
        assert text is None or (told is not None and text in told)
