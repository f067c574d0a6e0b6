"""Faults of a test origin, on a real nginx under a real systemd: counted where the client is and in
nginx's log; what is not meant stays as it was, and afterwards everything does.

The origin here serves files that do not change, so no encoder is needed.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
import json
import math
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hlsswarm.cli.main import main
from hlsswarm.controller.services import opened_services
from hlsswarm.origin.web_server import WebServer
from hlsswarm.units.runtime_directory import media_directory
from tests.support import Finished, Origin, Place, free_port, origin, place, wait_for

SEGMENT = bytes(range(256)) * 160  # 40 KiB
PLAYLIST = (
    "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n"
    "#EXTINF:2,\nsegment-0.ts\n#EXTINF:2,\nsegment-1.ts\n"
)
HIGH, LOW = "/720p/segment-0.ts", "/480p/segment-0.ts"
HIGH_PLAYLIST, TOP = "/720p/stream.m3u8", "/stream.m3u8"
EVERYTHING = (HIGH, LOW, HIGH_PLAYLIST, "/480p/stream.m3u8", TOP, "/stream.key")


def commanded(*words: str) -> Finished:
    """`hlsswarm WORDS…`, in this process, which has the place's environment (see `served`)."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(words)
    return Finished(words, status, out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Got:
    """What a client had of a request: status 0 is no answer at all."""

    status: int
    body: bytes
    seconds: float
    whole: bool = True


@dataclass(frozen=True)
class Served:
    """An nginx of ours as units, in a place of its own."""

    place: Place
    port: int
    root: Path
    log: Path

    def get(self, path: str, *, agent: str = "test", range_: str | None = None) -> Got:
        """One request on a connection of its own. Raises ConnectionRefusedError."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"User-Agent": agent} | ({"Range": range_} if range_ else {})
        began = time.monotonic()
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            try:
                body, whole = answer.read(), True
            except http.client.IncompleteRead as error:
                body, whole = error.partial, False
            return Got(answer.status, body, time.monotonic() - began, whole)
        except (http.client.RemoteDisconnected, ConnectionResetError):
            return Got(0, b"", time.monotonic() - began, whole=False)
        finally:
            connection.close()

    def statuses(self, path: str, count: int, *, agent: str) -> Counter[int]:
        """The statuses of so many requests."""
        return Counter(self.get(path, agent=agent).status for _ in range(count))

    def logged(self, agent: str) -> list[dict[str, object]]:
        """nginx's lines of this user agent."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if line["user_agent"] == agent]

    def fault(self, *words: str) -> Finished:
        """`hlsswarm fault WORDS… --port PORT`, to its end."""
        return commanded("fault", *words, "--port", str(self.port))

    def begin(self, *words: str) -> int:
        """Put a fault in force; its number."""
        started = self.fault("start", *words)
        assert started.status == 0, started.err
        return int(started.out.split()[1])

    @contextlib.contextmanager
    def failing(self, *words: str) -> Iterator[int]:
        """A fault for the length of a block; its number. Afterwards all is as it was."""
        number = self.begin(*words)
        try:
            yield number
        finally:
            ended = self.fault("stop", str(number))
        assert ended.out == f"Fault {number} has ended.\n", ended.err
        self.is_whole()

    def is_whole(self) -> None:
        """Fail unless everything is served, at once and whole."""
        for path in EVERYTHING:
            got = self.get(path)
            expected = (self.root / path[1:]).read_bytes()
            assert (got.status, got.body, got.whole) == (200, expected, True), path
        assert self.fault("list").out == "No test origin has a fault.\n"


async def _serve(server: WebServer) -> Path:
    description = f"test origin files at http://127.0.0.1:{server.port}/stream.m3u8"
    async with opened_services(server.run, description, manager="auto") as services:
        root = media_directory(services.directory, needed_bytes=1 << 20)
        for name in ("720p", "480p"):
            (root / name).mkdir()
            (root / name / "stream.m3u8").write_text(PLAYLIST)
            for number in range(2):
                (root / name / f"segment-{number}.ts").write_bytes(SEGMENT)
        (root / "stream.m3u8").write_text(PLAYLIST.replace("segment", "720p/segment"))
        (root / "stream.key").write_bytes(bytes(16))
        await services.start(server.service(services, root))
        return root


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with place() as here, pytest.MonkeyPatch.context() as patch:
        for name, value in here.environment.items():
            patch.setenv(name, value)
        port, log = free_port(), here.root / "access.json"
        server = WebServer(
            run=f"origin{port}", listen="127.0.0.1", port=port, title="files", access_log=log
        )
        root = asyncio.run(_serve(server))
        made = Served(here, port, root, log)
        wait_for("nginx", lambda: _answers(made))
        made.is_whole()
        yield made


def _answers(served: Served) -> bool:
    try:
        return served.get("/health").status == 200
    except ConnectionRefusedError:
        return False


def is_about(count: int, share: float, of: int) -> bool:
    """Whether a count of a binomial distribution is within four standard deviations."""
    return abs(count - share * of) <= 4 * math.sqrt(of * share * (1 - share))


# --- each kind ------------------------------------------------------------------------------------


def test_status_for_a_share_of_one_variant(served: Served) -> None:
    with served.failing("status=503", "share=20%", "variant=720p"):
        high = served.statuses(HIGH, 300, agent="share")
        assert set(high) == {200, 503}
        assert is_about(high[503], 0.2, 300)
        assert Counter(line["status"] for line in served.logged("share")) == high
        for path in (LOW, HIGH_PLAYLIST, TOP):
            assert served.statuses(path, 20, agent="others") == {200: 20}


def test_status_that_nginx_keeps_for_itself_is_answered_all_the_same(served: Served) -> None:
    for status in (408, 499):
        with served.failing(f"status={status}", "on=playlists"):
            assert served.get(TOP).status == status
            assert served.get(HIGH).status == 200


def test_delay(served: Served) -> None:
    with served.failing("delay=1s", "on=segments"):
        got = served.get(HIGH, agent="delay")
        assert (got.status, got.body) == (200, SEGMENT)
        assert got.seconds >= 1
        part = served.get(HIGH, agent="delay", range_="bytes=100-199")
        assert (part.status, part.body) == (206, SEGMENT[100:200])
        assert [float(str(line["request_time"])) >= 1 for line in served.logged("delay")] == [
            True
        ] * 2
        assert served.get(TOP).seconds < 1
        assert served.get("/720p/there%20is%0anone.ts").status == 404


def test_connection_that_is_closed_without_an_answer(served: Served) -> None:
    with served.failing("cut=headers", "on=all", "variant=480p"):
        assert served.statuses(LOW, 5, agent="cut") == {0: 5}
        told = [(line["status"], line["body_bytes"]) for line in served.logged("cut")]
        assert told == [(444, 0)] * 5
        assert served.get(HIGH).status == 200


def test_body_that_breaks_off(served: Served) -> None:
    with served.failing("cut=body"):
        got = served.get(HIGH, agent="half")
        assert (got.status, got.whole) == (200, False)
        assert got.body == SEGMENT[: len(SEGMENT) // 2]
        assert [line["body_bytes"] for line in served.logged("half")] == [len(SEGMENT) // 2]
        assert served.get(TOP).whole


def test_rate(served: Served) -> None:
    with served.failing("rate=20k"):
        got = served.get(HIGH)  # 40 KiB
        assert (got.status, got.body) == (200, SEGMENT)
        assert got.seconds >= 1
        assert served.get(TOP).seconds < 1


def test_stale_playlists(served: Served) -> None:
    playlist = served.root / "720p" / "stream.m3u8"
    before = playlist.read_bytes()
    with served.failing("stale", "variant=720p"):
        for name in ("720p", "480p"):
            (served.root / name / "stream.m3u8").write_text(PLAYLIST.replace(":0\n", ":7\n"))
        assert served.get(HIGH_PLAYLIST).body == before
        assert b"SEQUENCE:7" in served.get("/480p/stream.m3u8").body
        assert served.get(HIGH).status == 200
        (hidden,) = (served.root / ".faults").glob("[0-9]*")
        assert served.get(f"/.faults/{hidden.name}/720p/stream.m3u8").status == 404
    assert b"SEQUENCE:7" in served.get(HIGH_PLAYLIST).body
    assert not list((served.root / ".faults").glob("[0-9]*"))


def test_outage_closes_connections_too(served: Served) -> None:
    idle = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    idle.request("GET", TOP)
    idle.getresponse().read()
    with served.failing("outage"):
        with pytest.raises(ConnectionRefusedError):
            served.get(TOP)
        assert idle.sock is not None
        assert idle.sock.recv(1) == b""
    idle.close()


# --- times, several at once, ends -----------------------------------------------------------------


def test_it_ends_by_itself(served: Served) -> None:
    started = served.fault("start", "outage", "for=1s")
    assert started.out.splitlines()[1].startswith("It ends at ")
    wait_for("the end of the outage", lambda: _answers(served))
    wait_for("no fault", lambda: "No test origin" in served.fault("list").out)
    served.is_whole()


def test_of_two_that_meet_a_request_the_first_has_it(served: Served) -> None:
    first, second = served.begin("status=503", "variant=720p"), served.begin("status=404", "on=all")
    assert [served.get(path).status for path in (HIGH, LOW, TOP)] == [503, 404, 404]
    listed = served.fault("list").out.splitlines()
    assert [int(line.split()[1]) for line in listed] == [first, second]
    assert "status=404 on=all  (until it is stopped)" in listed[1]
    served.fault("stop", str(first))
    served.begin("status=503", "variant=720p")
    assert served.get(HIGH).status == 404
    assert served.fault("stop", "--all").status == 0
    served.is_whole()


def test_faults_that_begin_together_forget_none(served: Served) -> None:
    words = ("fault", "start", "--port", str(served.port))
    starting = [served.place.start(*words, f"status={status}") for status in (500, 501, 502)]
    assert [command.finished().status for command in starting] == [0, 0, 0]
    assert len(served.fault("list").out.splitlines()) == 3
    ending = [served.fault("list").out.splitlines()[i].split()[1] for i in range(3)]
    assert served.fault("stop", *ending).status == 0
    served.is_whole()


def test_it_outlives_a_killed_nginx(served: Served) -> None:
    with served.failing("status=503", "on=playlists"):
        pid_file = served.place.runtime_directory / f"origin{served.port}" / "nginx.pid"
        before = int(pid_file.read_text())
        os.kill(before, signal.SIGKILL)
        wait_for("another nginx", lambda: int(pid_file.read_text() or before) != before)
        wait_for("its answers", lambda: _answers(served))
        assert served.get(TOP).status == 503
        assert served.get(HIGH).status == 200


def test_bad_input(served: Served) -> None:
    cases = {
        ("start", "status=99"): (2, "status=99 is no error that an origin answers."),
        ("start", "at=5s", "stale"): (2, "at= is for the faults of a plan (`run --fault`)."),
        ("start",): (2, "What is to go wrong?"),
        ("start", "stale", "variant=360p"): (2, "The stream has no Rendition 360p."),
        ("stop", "999"): (2, f"There is no fault 999 on port {served.port}."),
        ("stop", "one"): (2, "'one' is no number of a fault."),
        ("stop",): (2, "Name the faults to stop, or --all."),
        ("stop", "1", "--all"): (2, "Name the faults to stop, or --all."),
        ("list", "1"): (2, "`fault list` takes no words."),
        ("start", "stale", "--all"): (2, "--all is for `fault stop`."),
    }
    for words, (status, sentence) in cases.items():
        told = served.fault(*words)
        assert (told.status, told.sentence) == (status, sentence)
        assert told.hint
    nowhere = commanded("fault", "start", "--port", "1", "stale")
    assert (nowhere.status, nowhere.sentence) == (106, "No test origin runs on port 1.")
    assert nowhere.hint == f"There is one on port {served.port}: --port."
    planned = ("run", "--metrics", "off", "--duration", "5s", "--fault")
    late = commanded(*planned, "at=9s stale", f"http://127.0.0.1:{served.port}{TOP}")
    assert late.sentence == "A fault at 9s comes after the end of a run of 5s."
    absent = commanded(*planned, "stale variant=360p", f"http://127.0.0.1:{served.port}{TOP}")
    assert absent.sentence == "The stream has no Rendition 360p."
    assert absent.hint == "It has 480p, 720p."
    far = commanded(*planned, "stale", "http://192.0.2.7/stream.m3u8")
    assert far.sentence.startswith("--fault is for a test origin on this machine")
    other = commanded(*planned, "stale", "http://127.0.0.1:1/stream.m3u8")
    assert (other.status, other.sentence) == (106, "No test origin runs on port 1.")
    served.is_whole()


def test_they_end_with_their_origin(served: Served) -> None:
    """The last one here: it ends the origin."""
    served.begin("delay=1s", "variant=480p")
    served.begin("stale", "for=1h")
    served.begin("outage")
    stopped = served.place.done("origin", "stop", "--port", str(served.port))
    assert stopped.out == f"Stopped origin{served.port}.\n"
    served.place.nothing_left(served.port)


# --- from a plan ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def played() -> Iterator[Origin]:
    with place() as here, origin(here) as made:
        yield made


def test_faults_of_a_plan(played: Origin) -> None:
    done = played.place.run(
        *("run", "--clients", "2", "--duration", "8s", "--metrics", "off", "--ramp-rate", "0"),
        *("--user-agent", "planned", "--fault", "at=2s for=2s status=503 on=segments"),
        *("--fault", "at=1s delay=10ms on=playlists", played.url),
    )
    assert "Fault 1 begins: delay=0.01s on=playlists" in done.out
    assert "Fault 2 begins: status=503 on=segments for=2s" in done.out
    assert [f"Fault {number} has ended." in done.out for number in (1, 2)] == [True, True]
    refused = [line for line in played.requests("planned") if line.status == 503]
    assert refused
    assert all(line.is_segment for line in refused)
    assert f"503: {len(refused)}" in done.out
    assert played.place.done("fault", "list").out == "No test origin has a fault.\n"


def test_a_run_that_is_killed_leaves_its_faults_to_stop(played: Origin) -> None:
    run = played.place.start(
        *("run", "--clients", "1", "--metrics", "off", "--run-id", "killed"),
        *("--fault", "stale", played.url),
    )
    run.wait_for_line("begins: stale")
    run.signal(signal.SIGKILL)
    run.finished()
    assert "stale" in played.place.done("fault", "list").out
    played.place.done("stop", "killed")
    assert played.place.done("fault", "list").out == "No test origin has a fault.\n"
