"""Where a bench runs: directory, environment, ports, programs; and commands of hlsswarm in it.

Everything that a bench starts is below one runtime directory of its own, and ended with it
(bench/truth.py's place()): nothing else that runs on the machine is touched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import truth
from bench.origin import free_port
from hlsswarm.places import CACHE_ENVIRONMENT, MINIMAL_FFMPEG_ENVIRONMENT, minimal_ffmpeg
from hlsswarm.programs import is_ours_alone
from hlsswarm.units import embedded

SEGMENT_SECONDS: Final = 2
_KEPT: Final = (CACHE_ENVIRONMENT, MINIMAL_FFMPEG_ENVIRONMENT, embedded.SYSTEMD_ENVIRONMENT)
_COMMAND_SECONDS: Final = 120.0

STREAMS: Final[Mapping[str, tuple[str, ...]]] = {
    "standard": (
        "720p.video_bitrate_kbps=950",
        "720p.maxrate_kbps=1000",
        "720p.bufsize_kbit=1000",
        "720p.audio_bitrate_kbps=64",
    ),
    "small": (
        "720p.width=320",
        "720p.height=180",
        "720p.frame_rate=10",
        "720p.video_bitrate_kbps=100",
        "720p.maxrate_kbps=110",
        "720p.bufsize_kbit=100",
        "720p.audio_bitrate_kbps=32",
    ),
}
"""Changes to the origin's default profile: about 1 Mbit/s, and about 0.15."""


class BenchError(Exception):
    """A measurement came to nothing; the message says why."""


@dataclass(frozen=True)
class Place:
    """A bench's own directory, environment and programs."""

    root: Path
    environment: Mapping[str, str]
    ffmpegs: Mapping[str, str]
    """For `run --ffmpeg`, by the name in tables: `debian`, and `minimal` where it was built."""

    @property
    def runtime_directory(self) -> Path:
        """Of all commands of hlsswarm here."""
        return Path(self.environment["HLSSWARM_RUNTIME_DIR"])

    @property
    def cheapest(self) -> str:
        """The name of the ffmpeg that `run` takes by itself."""
        return "minimal" if "minimal" in self.ffmpegs else "debian"

    def words(self, *words: str) -> list[str]:
        """The command line of `hlsswarm …`."""
        return [sys.executable, "-m", "hlsswarm", *words]

    def popen(self, *words: str, said: Path) -> subprocess.Popen[bytes]:
        """Start `hlsswarm …`; what it says goes to a file."""
        with said.open("wb") as file:
            return subprocess.Popen(
                self.words(*words),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                cwd=self.root,
                env=dict(self.environment),
                start_new_session=True,
            )

    def done(self, *words: str) -> str:
        """What `hlsswarm …` printed; it has to succeed. Raises BenchError."""
        answer = subprocess.run(
            self.words(*words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.root,
            env=dict(self.environment),
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        if answer.returncode != 0:
            said = (answer.stderr or answer.stdout).strip()[-400:]
            raise BenchError(f"hlsswarm {' '.join(words[:2])}: {said}")
        return answer.stdout


@dataclass(frozen=True)
class Timed:
    """What a command took: wall clock and CPU in seconds, largest memory in bytes."""

    seconds: float
    cpu_seconds: float
    max_rss_bytes: int


def timed(place: Place, *words: str) -> Timed:
    """Run `hlsswarm …` and measure it from outside. Raises BenchError when it fails."""
    said = place.root / "timed.txt"
    began = time.perf_counter()
    process = place.popen(*words, said=said)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise BenchError(f"hlsswarm {' '.join(words[:2])}: {said.read_text()[-400:]}")
    return Timed(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


@contextlib.contextmanager
def place() -> Iterator[Place]:
    """A place; whatever its commands leave is ended."""
    with truth.place() as (root, environment):
        environment |= {name: os.environ[name] for name in _KEPT if name in os.environ}
        # As installed: a controller that compiles its own files at each start would be measured.
        del environment["PYTHONDONTWRITEBYTECODE"]
        environment["HLSSWARM_MEDIA_DIR"] = str(root / "m")
        environment["HLSSWARM_STATE_DIR"] = str(root / "s")
        ffmpegs = {"debian": shutil.which("ffmpeg") or "/usr/bin/ffmpeg"}
        if is_ours_alone(minimal_ffmpeg()):
            # `auto` rather than its path: `run` then knows how little memory it needs.
            ffmpegs["minimal"] = "auto"
        yield Place(root, environment, ffmpegs)


def program_path(name: str, ffmpegs: Mapping[str, str]) -> str:
    """The path of an ffmpeg that tables know by `name`."""
    return str(minimal_ffmpeg()) if ffmpegs[name] == "auto" else ffmpegs[name]


@dataclass(frozen=True)
class Stream:
    """A test origin's live stream, and the log of the nginx that serves it."""

    url: str
    access_log: Path


@contextlib.contextmanager
def stream(place: Place, name: str) -> Iterator[Stream]:
    """hlsswarm's own test origin with a stream that is encoded once: it costs next to nothing."""
    port = free_port()
    access_log = place.root / f"access-{port}.json"
    changes = [word for change in STREAMS[name] for word in ("--set", change)]
    words = ["--port", str(port), "--encode", "once", "--access-log", str(access_log)]
    place.done("origin", "start", *words, *changes)
    try:
        yield Stream(f"http://127.0.0.1:{port}/stream.m3u8", access_log)
    finally:
        with contextlib.suppress(BenchError):  # what is left then, place() ends
            place.done("origin", "stop", "--port", str(port))
        access_log.unlink(missing_ok=True)
