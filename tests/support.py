"""What tests share: real commands in a place of their own, and a web server that misbehaves."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import hlsswarm
from hlsswarm.core.summary import (
    Clients,
    Controller,
    ErrorClass,
    FFmpeg,
    PerClient,
    Ramp,
    Requests,
    Resources,
    Sessions,
    Summary,
    Systemd,
    Times,
)
from hlsswarm.units import cgroups, embedded

REPOSITORY = Path(hlsswarm.__file__).resolve().parent.parent
_SHARED_MEMORY = Path("/dev/shm")
_T = TypeVar("_T")


def wait_for(what: str, condition: Callable[[], _T | None], *, timeout_seconds: float = 20.0) -> _T:
    """Wait until `condition` gives something that is true; what it gave."""
    deadline = time.monotonic() + timeout_seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_seconds:g} s in vain for {what}")
        time.sleep(0.02)
    return found


def free_port() -> int:
    """A port that nobody had a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    words: tuple[str, ...]
    status: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The first line of stderr, without the program's name."""
        return self.err.partition("\n")[0].removeprefix("hlsswarm: ")

    @property
    def hint(self) -> str:
        """The second line of stderr, without the word."""
        return self.err.partition("\n")[2].strip().removeprefix("Hint: ")


class Command:
    """A command that runs; its output goes to files, so it never waits for us."""

    def __init__(self, place: Place, words: tuple[str, ...], env: Mapping[str, str]) -> None:
        self.words = words
        self._files = [
            tempfile.NamedTemporaryFile("w+b", dir=place.logs)  # noqa: SIM115
            for _ in range(2)
        ]
        # A session of its own, as a terminal would give it: signals go to the whole group.
        self.process = subprocess.Popen(
            [*place.before, sys.executable, "-m", "hlsswarm", *words],
            stdin=subprocess.DEVNULL,
            stdout=self._files[0],
            stderr=self._files[1],
            cwd=place.root,
            env=dict(env),
            start_new_session=True,
        )

    def text(self) -> str:
        """Standard output so far."""
        return Path(self._files[0].name).read_text(errors="replace")

    def wait_for_line(self, part: str, *, timeout_seconds: float = 30.0) -> str:
        """Wait until a line of the output holds `part`; that line. Fails when the command ends."""

        def found() -> str | None:
            # Looked at before the text: what is written before the end is then in it.
            ended = self.process.poll() is not None
            for line in self.text().splitlines():
                if part in line:
                    return line
            if ended:
                error = Path(self._files[1].name).read_text(errors="replace")
                raise AssertionError(f"ended without {part!r}:\n{self.text()}\n{error}")
            return None

        return wait_for(f"a line with {part!r}", found, timeout_seconds=timeout_seconds)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the command and whatever is in its process group, as Ctrl+C does."""
        os.killpg(self.process.pid, number)

    def finished(self, *, timeout_seconds: float = 60.0) -> Finished:
        """Wait for the end."""
        try:
            status = self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not end: {self.words}\n{self.text()}") from None
        out, err = (Path(file.name).read_text(errors="replace") for file in self._files)
        for file in self._files:
            file.close()
        return Finished(self.words, status, out, err)


@dataclass(frozen=True)
class Place:
    """A directory in which commands run, with a runtime directory and environment of its own."""

    root: Path
    logs: Path
    environment: Mapping[str, str]
    before: tuple[str, ...] = ()
    """Words in front of each command, such as nsenter's."""

    @property
    def runtime_directory(self) -> Path:
        """Where hlsswarm keeps its sockets here."""
        return self.root / "r"

    def start(self, *words: str, env: Mapping[str, str] | None = None) -> Command:
        """Start `hlsswarm WORDS…`."""
        return Command(self, words, {**self.environment, **(env or {})})

    def run(
        self, *words: str, env: Mapping[str, str] | None = None, timeout_seconds: float = 60.0
    ) -> Finished:
        """Run `hlsswarm WORDS…` to its end."""
        return self.start(*words, env=env).finished(timeout_seconds=timeout_seconds)

    def done(self, *words: str, timeout_seconds: float = 60.0) -> Finished:
        """Run a command that has to succeed."""
        finished = self.run(*words, timeout_seconds=timeout_seconds)
        assert finished.status == 0, f"{finished.words}: {finished.out}\n{finished.err}"
        return finished

    def status(self) -> list[dict[str, Any]]:
        """The runs of `hlsswarm status --json`."""
        document = json.loads(self.done("status", "--json").out)
        assert document["schema"] == "hlsswarm.status/1"
        runs: list[dict[str, Any]] = document["runs"]
        return runs

    def units(self, run: str, role: str) -> list[str]:
        """Sub states of the units of a role in a run, as systemd lists them."""
        return [
            unit["sub"]
            for found in self.status()
            if found["run"] == run
            for unit in found["units"]
            if f"-{role}" in unit["name"]
        ]

    def leftovers(self, *ports: int) -> list[str]:
        """What commands have left: directories, processes, cgroups, half-written files."""
        left = [str(self.runtime_directory)] if self.runtime_directory.exists() else []
        left += processes_with(str(self.root), *(f":{port}/" for port in ports))
        name = embedded.cgroup_name(embedded.directory_in(self.runtime_directory))
        left += [str(path) for path in cgroups_named(name)]
        for port in ports:
            left += [str(path) for path in _SHARED_MEMORY.glob(f"hlsswarm-origin{port}-*")]
        # A file that is written whole has a name with a dot in front until it is whole.
        left += [str(path) for path in self.root.rglob(".*")]
        return left

    def nothing_left(self, *ports: int) -> None:
        """Fail unless everything is gone, or about to be."""
        left: list[str] = []

        def gone() -> bool:
            left[:] = self.leftovers(*ports)
            return not left

        with contextlib.suppress(AssertionError):
            wait_for("an end", gone, timeout_seconds=5)
        assert left == []


def processes_with(*parts: str) -> list[str]:
    """Processes, other than this one, with one of the texts in their command or environment."""
    found = []
    wanted = [part.encode() for part in parts]
    for directory in Path("/proc").iterdir():
        if not directory.name.isdecimal() or int(directory.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            command = (directory / "cmdline").read_bytes()
            everything = command + b"\0" + (directory / "environ").read_bytes()
            if any(part in everything for part in wanted):
                text = command.replace(b"\0", b" ").decode(errors="replace")
                found.append(f"process {directory.name}: {text}")
    return found


def cgroups_named(name: str) -> list[Path]:
    """Cgroups of a name below our own, in all trees."""
    found = []
    for tree in cgroups.hierarchies():
        for directory, children, _ in os.walk(tree.mount):
            if name in children:
                found.append(Path(directory) / name)
    return found


@contextlib.contextmanager
def place() -> Iterator[Place]:
    """A place for commands; whatever they leave is ended by hlsswarm's own `stop --all`."""
    # Short: the paths of sockets below it must fit.
    root = Path(tempfile.mkdtemp(prefix="hlst-", dir="/tmp"))
    logs = Path(tempfile.mkdtemp(prefix="hlst-logs-", dir="/tmp"))
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("HLSSWARM_")},
        "HLSSWARM_RUNTIME_DIR": str(root / "r"),
        "HLSSWARM_MEDIA_DIR": str(root / "m"),
        "HLSSWARM_STATE_DIR": str(root / "s"),
        # What is encoded once is the same for all tests, and for the next time.
        "HLSSWARM_FFMPEG_MINIMAL": str(root / "none"),  # tests/ffmpeg_minimal has it
        "HLSSWARM_CACHE_DIR": str(REPOSITORY / ".cache" / "hlsswarm"),
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    made = Place(root, logs, environment)
    try:
        yield made
    finally:
        if made.runtime_directory.exists():
            made.run("stop", "--all")
        shutil.rmtree(root, ignore_errors=True)
        shutil.rmtree(logs, ignore_errors=True)


@dataclass(frozen=True)
class Origin:
    """A test origin that runs in a place."""

    place: Place
    port: int
    access_log: Path
    address: str = "127.0.0.1"

    @property
    def url(self) -> str:
        """Its stream."""
        return f"http://{self.address}:{self.port}/stream.m3u8"

    def requests(self, agent: str) -> list[AccessLine]:
        """Requests of user agents that begin with `agent`, as nginx logged them."""
        return logged(self.access_log, agent)


@dataclass(frozen=True)
class AccessLine:
    """One line of nginx's access log."""

    uri: str
    status: int
    body_bytes: int
    user_agent: str
    address: str

    @property
    def is_segment(self) -> bool:
        """Whether a Media Segment was asked for."""
        return self.uri.partition("?")[0].endswith(".ts")


def logged(access_log: Path, agent: str) -> list[AccessLine]:
    """Requests of user agents that begin with `agent` in an origin's access log."""
    lines = access_log.read_text().splitlines()
    fields = [json.loads(line) for line in lines if line.endswith("}")]
    return [
        AccessLine(f["uri"], f["status"], f["body_bytes"], f["user_agent"], f["address"])
        for f in fields
        if f["user_agent"].startswith(agent)
    ]


@contextlib.contextmanager
def origin(place: Place, *, address: str = "127.0.0.1") -> Iterator[Origin]:
    """A test origin, started by `hlsswarm origin start`."""
    made = Origin(place, free_port(), place.root / "access.json", address)
    port, log = str(made.port), str(made.access_log)
    place.done("origin", "start", "--port", port, "--listen", address, "--access-log", log)
    try:
        yield made
    finally:
        place.done("origin", "stop", "--port", port)


_MEDIA_PLAYLIST = (
    "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n"
    "#EXTINF:2.0,\nmissing-{first}.ts\n#EXTINF:2.0,\nmissing-{second}.ts\n"
)


class _Handler(BaseHTTPRequestHandler):
    """Answers by the path's first word; see BadServer."""

    protocol_version = "HTTP/1.1"
    server: BadServer

    def do_GET(self) -> None:
        """Misbehave as asked."""
        word = self.path.strip("/").partition(".")[0].partition("?")[0]
        self.server.seen.append((self.path, self.headers["User-Agent"], self.headers))
        act = getattr(self, f"_{word.replace('-', '_')}", None)
        with contextlib.suppress(OSError):
            if act is None:
                self._send(404, b"no\n")
            else:
                act()

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _broken(self) -> None:
        self._send(500, b"no\n")

    def _page(self) -> None:
        self._send(200, b"<!doctype html><title>#EXTM3U</title>\n")

    def _empty(self) -> None:
        self._send(200, b"")

    def _headline(self) -> None:
        self._send(200, b"#EXTM3U\n")

    def _odd(self) -> None:
        self._send(200, b"#EXTM3U\n#EXTINF:abc,\nx.ts\n#EXT-X-TARGETDURATION:x\n")

    def _far(self) -> None:
        self._send(200, b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nfile:///etc/passwd\n")

    def _escape(self) -> None:
        self.wfile.write(b"HTTP/1.1 403 \x1b[31mred\x07 \x9b\r\nContent-Length: 0\r\n\r\n")

    def _loop(self) -> None:
        self._send(302, b"", Location="/loop.m3u8")

    def _closed(self) -> None:
        self.close_connection = True

    def _nonsense(self) -> None:
        self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        self.close_connection = True

    def _huge(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"#EXTM3U\n")
        while not self.server.ended.is_set():
            self.wfile.write(b"#" * 65_535 + b"\n")

    def _silent(self) -> None:
        self.server.ended.wait()

    def _drip(self) -> None:
        """Never silent for long, and never done."""
        self.send_response(200)
        self.end_headers()
        while not self.server.ended.wait(0.05):
            self.wfile.write(b"#")
            self.wfile.flush()

    def _no_segments(self) -> None:
        """A live Media Playlist that goes on, whose segments are all 404."""
        first = int(time.monotonic() / 2)
        text = _MEDIA_PLAYLIST.format(first=first, second=first + 1)
        self._send(200, text.encode(), **{"Content-Type": "application/vnd.apple.mpegurl"})

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class BadServer(ThreadingHTTPServer):
    """A web server on a port of the kernel's choice; what it does wrong is in the URL's path."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.ended = threading.Event()
        self.seen: list[tuple[str, str | None, Any]] = []

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def url(self, word: str) -> str:
        """The URL of a playlist with which something is wrong."""
        return f"http://127.0.0.1:{self.port}/{word}.m3u8"


@contextlib.contextmanager
def bad_server() -> Iterator[BadServer]:
    """A server that misbehaves, in threads of this process."""
    with BadServer() as server:
        thread = threading.Thread(target=functools.partial(server.serve_forever, 0.05))
        thread.start()
        try:
            yield server
        finally:
            server.ended.set()
            server.shutdown()
            thread.join()


def _times(count: int, p50: float) -> Times:
    """Times in which no two figures are the same."""
    return Times(count, 1.5 * p50, p50, 4 * p50, 8 * p50, 16 * p50)


def a_summary(**changes: Any) -> Summary:
    """A summary with a figure in every field, each one another."""
    summary = Summary(
        run="a1b2c3",
        url="http://127.0.0.1:8080/stream.m3u8",
        started_at="2026-11-20T12:00:00+00:00",
        duration_seconds=61.25,
        interrupted=False,
        systemd=Systemd("embedded", "252.39-1~deb12u2", ("restart steps in systemd",)),
        ffmpeg=FFmpeg("5.1.9-0+deb12u1"),
        measure="exact",
        clients=Clients(
            target=200,
            started=199,
            streamed=198,
            finished=2,
            peak_active=197,
            restarts=7,
            exits={"SIGKILL": 1, "145": 5, "0": 2},
        ),
        sessions=Sessions(
            started=206,
            failed=7,
            startup_seconds=_times(206, 0.081),
            live_latency_seconds=_times(200, 5.1),
            stalls=9,
            stalled_seconds=31.5,
            watched_seconds=11_222.25,
        ),
        segments=Requests(5999, 4, 3_123_456_789, _times(5995, 0.0123)),
        playlists=Requests(6001, 3, 2_999_000, _times(5998, 0.0004)),
        init=Requests(11, 0, 8_888, _times(11, 0.0007)),
        keys=Requests(0, 0, 0, _times(0, 0.0)),
        connections=12_011,
        http_errors={503: 2, 404: 5},
        errors={"http_404": ErrorClass(5, "HTTP error 404 Not Found")},
        ramp=Ramp(planned_seconds=9.95, actual_seconds=10.125, lateness_p99_seconds=0.0421),
        resources=Resources(
            cpu_seconds=20.5,
            memory_peak_bytes=3_210_000_000,
            per_client=PerClient(cpu_seconds=0.103015, memory_peak_bytes=16_294_416),
        ),
        controller=Controller(
            cpu_seconds=4.25,
            max_rss_bytes=45_678_901,
            dbus_calls=431,
            dbus_seconds=0.198,
            telemetry_lines=98_765,
            telemetry_dropped_bytes=0,
            telemetry_unattributed=0,
        ),
        origin={"connections": 402.0, "requests_per_second": 195.5},
        thresholds=(
            {
                "threshold": "segment_seconds: p(95)<0.5",
                "value": 0.0492,
                "passed": True,
                "had_data": True,
            },
            {
                "threshold": "http_errors: count==0",
                "value": 7.0,
                "passed": False,
                "had_data": True,
            },
        ),
        verdict="healthy",
        reasons=(
            "198 of 199 clients streamed, 99.1% of their time.",
            "Clients had to be restarted 7 times.",
        ),
        notes=("Stalls are inferred.",),
    )
    return dataclasses.replace(summary, **changes)
