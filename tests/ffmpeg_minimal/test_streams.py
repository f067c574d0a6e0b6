"""The minimal ffmpeg plays every kind of HLS, and what it logs is understood (nginx's log)."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench.compare import Line, read_log
from bench.origin import free_port
from bench.origin import origin as failing_origin
from hlsswarm.core.commands import ClientOptions, client_command
from hlsswarm.core.unit_specs import FFMPEG_INTERRUPTED
from hlsswarm.core.variants import select
from hlsswarm.telemetry.parser import FFmpegLogParser
from tests.client_options.web import TLS_ADDRESS, TLS_PORT, Web, run, version_of, web
from tests.support import wait_for

PICTURE = ("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=10:duration=6")
SOUND = ("-f", "lavfi", "-i", "sine=sample_rate=44100:duration=6")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "10")
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-g", "10", "-x265-params", "log-level=error")
FMP4 = ("-hls_segment_type", "fmp4")
KINDS: dict[str, tuple[str, ...]] = {
    "h264-fmp4": (*PICTURE, *SOUND, *H264, "-c:a", "aac", *FMP4),
    "hevc-fmp4": (*PICTURE, *SOUND, *HEVC, "-tag:v", "hvc1", "-c:a", "eac3", *FMP4),
    "hevc-ts": (*PICTURE, *SOUND, *HEVC, "-c:a", "ac3"),
    "mp3-ts": (*PICTURE, *SOUND, *H264, "-c:a", "mp3"),
    "aac-ts": (*SOUND, "-c:a", "aac"),
    "opus-fmp4": (*SOUND, "-c:a", "libopus", "-ar", "48000", *FMP4),
}
"""What ffmpeg makes a stream of; each of three Media Segments."""


@dataclass
class Counts:
    """A sink that counts what a log tells."""

    started: Counter[str] = field(default_factory=Counter)
    finished: Counter[str] = field(default_factory=Counter)
    failed: Counter[int] = field(default_factory=Counter)
    """HTTP errors by their status."""
    complaints: list[str] = field(default_factory=list)
    opened: int = 0

    def request_started(self, kind: str, now: float) -> None:
        self.started[kind] += 1

    def request_finished(
        self, kind: str, started: float, now: float, size_bytes: int | None
    ) -> None:
        self.finished[kind] += 1

    def request_failed(self, kind: str, started: float, now: float, status: int | None) -> None:
        """Told by its status as well, if it has one."""

    def http_error(self, status: int) -> None:
        self.failed[status] += 1

    def bytes_read(self, size_bytes: int) -> None:
        """Of no interest here."""

    def input_opened(self, now: float) -> None:
        self.opened += 1

    def error_line(self, level: str, text: str) -> None:
        if level != "warning":
            self.complaints.append(text)

    def connected(self) -> None:
        """Of no interest here."""

    def first_segment(self, url: str) -> None:
        """Of no interest here."""


@pytest.fixture(scope="module")
def server() -> Iterator[Web]:
    with web() as made:
        for kind, words in KINDS.items():
            folder = made.root / "www" / kind
            folder.mkdir()
            ending = "m4s" if "fmp4" in kind else "ts"
            subprocess.run(
                [
                    *("ffmpeg", "-nostdin", "-loglevel", "error", *words, "-f", "hls"),
                    *("-hls_time", "2", "-hls_playlist_type", "vod"),
                    *("-hls_segment_filename", f"%d.{ending}", "i.m3u8"),
                ],
                cwd=folder,
                check=True,
            )
        yield made


def played(program: Path, url: str, agent: str) -> Counts:
    """What the log of a client tells that played it to the end."""
    options = ClientOptions(url, user_agent=agent)
    done = run(client_command(program, version_of(str(program)), options, client=1))
    assert done.returncode == 0, done.stderr[-2000:]
    counts = told(done.stderr.encode())
    assert (counts.opened, counts.complaints) == (1, [])
    return counts


def told(log: bytes) -> Counts:
    """What the parser takes from a log."""
    counts = Counts()
    parser = FFmpegLogParser(counts)
    parser.feed(log, 0.0)
    parser.close(0.0)
    return counts


def assert_all_was_told(counts: Counts, server: Web, agent: str) -> None:
    logged = server.requests(agent)
    assert {request.status for request in logged} <= {200, 206}
    assert sum(counts.started.values()) == len(logged)
    assert counts.started == counts.finished


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_segment(program: Path, server: Web, kind: str) -> None:
    counts = played(program, server.url(f"{kind}/i.m3u8"), kind)
    assert_all_was_told(counts, server, kind)
    segments = len([*(server.root / "www" / kind).glob("[0-9]*")])
    assert segments >= 3
    assert counts.finished["segment"] == segments
    assert counts.finished["init"] == ("fmp4" in kind)


def test_a_chosen_variant_with_its_own_sound(program: Path, server: Web) -> None:
    playlist = (server.root / "www" / "groups.m3u8").read_text()
    chosen = select(playlist, server.url("groups.m3u8"), "highest", on_failure="fail")
    options = ClientOptions(server.url("groups.m3u8"), user_agent="chosen", selection=chosen)
    done = run(client_command(program, version_of(str(program)), options, client=1))
    assert done.returncode == 0, done.stderr[-2000:]
    fetched = {request.kind for request in server.requests("chosen")}
    assert fetched == {"groups.m3u8", "v3/m3u8", "v3/ts", "a2/m3u8", "a2/ts"}


def test_encrypted_segments_over_https(program: Path, server: Web) -> None:
    url = f"https://{TLS_ADDRESS}:{TLS_PORT}/enc/i.m3u8"
    counts = played(program, url, "aes")
    assert_all_was_told(counts, server, "aes")
    assert counts.finished["key"] >= 1


def test_a_failing_origin_is_told_as_it_is(program: Path, tmp_path: Path) -> None:
    """One client in a scenario of bench/truth.py, until it has met enough of it."""
    with failing_origin(tmp_path, {"failing": free_port()}) as made:
        options = ClientOptions(made.url("failing"), user_agent="failing")
        command = client_command(program, version_of(str(program)), options, client=1)

        def logged() -> list[Line]:
            return read_log(made.log("failing"), "failing")

        with subprocess.Popen(command, stderr=subprocess.PIPE) as client:
            wait_for("a 404", lambda: 404 in {line.status for line in logged()}, timeout_seconds=60)
            client.terminate()
            said = client.communicate()[1]
        lines = logged()
    assert client.returncode == FFMPEG_INTERRUPTED
    counts = told(said)
    segments = [line for line in lines if line.is_segment]
    assert counts.started["segment"] == len(segments)
    assert counts.failed == Counter(line.status for line in lines if line.status >= 400)
