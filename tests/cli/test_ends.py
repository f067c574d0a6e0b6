"""How runs end before their time, or badly: status, summary, whole files, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support import Finished, Origin, bad_server, free_port, origin, place, wait_for

FAILED, ABORTED, PREFLIGHT, VOID = 99, 105, 106, 107
OFF = ("--metrics", "off")
# Says that it is ffmpeg, and then is of no use.
USELESS = """#!/bin/sh
[ "$1" = -version ] && { echo 'ffmpeg version 5.1.9'; exit 0; }
echo 'out of order' >&2
exit 3
"""


@pytest.fixture(scope="module")
def playing() -> Iterator[Origin]:
    """An origin that plays for all tests of this file."""
    with place() as here:
        with origin(here) as made:
            yield made
        here.nothing_left(made.port)


def document(path: Path) -> dict[str, Any]:
    """A summary that was written whole."""
    read: dict[str, Any] = json.loads(path.read_text())
    assert read["schema"] == "hlsswarm.summary/1"
    return read


def only_the_origin_runs(playing: Origin) -> None:
    """Of the run nothing is left: neither unit nor process nor directory."""
    assert [run["run"] for run in playing.place.status()] == [f"origin{playing.port}"]
    kept = {path.name for path in playing.place.runtime_directory.iterdir()}
    assert kept - {"embedded"} == {f"origin{playing.port}"}


# --- interrupted -----------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_in_the_middle_of_the_ramp(playing: Origin, number: signal.Signals) -> None:
    out = playing.place.root / f"{number.name}.json"
    command = playing.place.start(
        "run", playing.url, "--clients", "100", "--ramp-rate", "3",
        "--summary-interval", "200ms", "--json", str(out), *OFF,
    )  # fmt: skip
    command.wait_for_line(" streaming:2/100 ")
    command.signal(number)
    finished = command.finished(timeout_seconds=20)
    assert (finished.status, finished.err) == (ABORTED, "")
    assert "Summary of run " in finished.out
    assert "(interrupted after " in finished.out
    assert f"Summary: {out}\n" in finished.out
    read = document(out)
    assert read["interrupted"] is True
    assert 2 <= read["clients"]["started"] < 100
    assert read["segments"]["requests"] >= 2
    only_the_origin_runs(playing)


def test_a_second_ctrl_c_kills_at_once(playing: Origin) -> None:
    out = playing.place.root / "second.json"
    command = playing.place.start(
        "run", playing.url, "--clients", "5", "--ramp-rate", "0",
        "--summary-interval", "200ms", "--json", str(out), *OFF,
    )  # fmt: skip
    command.wait_for_line(" streaming:5/5")
    command.signal(signal.SIGINT)
    command.signal(signal.SIGINT)
    command.signal(signal.SIGTERM)
    finished = command.finished(timeout_seconds=20)
    assert (finished.status, finished.err) == (ABORTED, "")
    assert document(out)["clients"]["started"] == 5
    only_the_origin_runs(playing)


def test_interrupted_before_anything_was_started() -> None:
    """While the preflight waits for an answer."""
    with bad_server() as server, place() as here:
        command = here.start("run", server.url("silent"), *OFF)
        wait_for("a request", lambda: server.seen)
        command.signal(signal.SIGTERM)
        finished = command.finished(timeout_seconds=10)
        assert finished.status == ABORTED
        assert finished.err == "hlsswarm: Interrupted.\n"
        here.nothing_left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_interrupted_while_its_origin_starts(number: signal.Signals) -> None:
    port = free_port()
    with place() as here:
        command = here.start("demo", "--port", str(port), *OFF)
        wait_for(
            "an encoder",
            lambda: list(here.runtime_directory.glob(f"origin{port}/encoder-default.log")),
        )
        command.signal(number)
        finished = command.finished(timeout_seconds=20)
        assert finished.status == ABORTED
        assert finished.err == "hlsswarm: Interrupted.\n"
        here.nothing_left(port)


def test_a_demo_interrupted_by_an_impatient_user() -> None:
    """Ctrl+C again and again: the origin is stopped all the same."""
    port = free_port()
    with place() as here:
        command = here.start(
            "demo", "--port", str(port), "--clients", "2", "--out", str(here.root / "out"), *OFF
        )
        command.wait_for_line("Run ")
        command.signal(signal.SIGINT)
        command.wait_for_line("[3/3]")
        command.signal(signal.SIGINT)
        command.signal(signal.SIGTERM)
        finished = command.finished(timeout_seconds=30)
        assert finished.status == ABORTED
        assert finished.out.endswith("      Everything is stopped.\n")
        here.nothing_left(port)


def test_a_reader_that_leaves_ends_the_run(playing: Origin) -> None:
    """`hlsswarm run … | head -1`: an end as by Ctrl+C, with its files."""
    out = playing.place.root / "head.json"
    words = ("run", playing.url, "--clients", "2", "--summary-interval", "200ms", *OFF)
    with subprocess.Popen(
        [sys.executable, "-m", "hlsswarm", *words, "--json", str(out)],
        env=dict(playing.place.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert process.stdout.readline().startswith(b"hlsswarm ")
            process.stdout.close()
            assert process.wait(20) == ABORTED
            assert process.stderr.read() == b""
        finally:
            process.kill()
    assert document(out)["interrupted"] is True
    only_the_origin_runs(playing)


def test_two_runs_of_one_name(playing: Origin) -> None:
    words = ("run", playing.url, "--clients", "1", "--run-id", "twice", *OFF)
    first = playing.place.start(*words)
    first.wait_for_line("Run twice: ")
    second = playing.place.run(*words)
    assert second.status == PREFLIGHT
    assert second.sentence == "A run named twice is there already."
    assert second.hint == "End it with `hlsswarm stop twice`, or choose another --run-id."
    assert first.process.poll() is None
    first.signal(signal.SIGINT)
    assert first.finished().status == ABORTED
    only_the_origin_runs(playing)


# --- failing ---------------------------------------------------------------------------------

Failing = dict[str, Future[tuple[Finished, dict[str, Any], list[str]]]]


@pytest.fixture(scope="module")
def failing() -> Iterator[Failing]:
    """Runs in which no client ever streams, side by side."""
    with bad_server() as server, ThreadPoolExecutor(3) as pool:
        closed = f"http://127.0.0.1:{free_port()}/x.m3u8"

        def carry_out(*words: str) -> tuple[Finished, dict[str, Any], list[str]]:
            with place() as here:
                useless = here.root / "useless"
                useless.write_text(USELESS)
                useless.chmod(0o755)
                out = here.root / "out"
                given = [word.replace("{useless}", str(useless)) for word in words]
                finished = here.run(
                    "run", *given, "--clients", "2", "--ramp-rate", "0", "--duration", "8s",
                    "--out", str(out), "--summary-interval", "1s", *OFF,
                )  # fmt: skip
                here.nothing_left()
                return finished, document(out / "summary.json"), os.listdir(out)  # noqa: PTH208

        yield {
            "segments that are 404": pool.submit(carry_out, server.url("no-segments")),
            "nobody listens": pool.submit(carry_out, closed, "--skip-preflight"),
            "no playlist": pool.submit(carry_out, server.url("page"), "--skip-preflight"),
            "useless ffmpeg": pool.submit(
                carry_out, server.url("no-segments"), "--ffmpeg", "{useless}"
            ),
        }


@pytest.mark.parametrize("name", ["segments that are 404", "nobody listens", "no playlist"])
def test_a_run_in_which_nobody_streams_is_failing(failing: Failing, name: str) -> None:
    finished, read, files = failing[name].result()
    assert finished.status == FAILED
    assert finished.err == ""
    assert read["verdict"] == "failing"
    assert read["clients"]["streamed"] == 0
    assert "No client ever received a segment." in read["reasons"]
    assert "✗ Verdict: failing: " in finished.out
    assert "summary.json" in files
    assert [name for name in files if name.startswith(".")] == [], "half written"


def test_why_nobody_streams_is_told(failing: Failing) -> None:
    finished, read, _ = failing["segments that are 404"].result()
    assert read["http_errors"].keys() == {"404"}
    assert read["segments"]["failed"] >= 2
    finished, read, _ = failing["nobody listens"].result()
    assert "Connection refused" in finished.out
    assert read["clients"]["restarts"] >= 2
    assert sum(read["clients"]["exits"].values()) >= 2


def test_an_ffmpeg_that_is_not_understood_makes_a_run_void(failing: Failing) -> None:
    finished, read, _ = failing["useless ffmpeg"].result()
    assert (finished.status, read["verdict"]) == (VOID, "void")
    assert read["reasons"] == ["Not one line of this ffmpeg's messages was understood."]
    assert "exited with status 3: out of order" in finished.out
    assert read["clients"]["exits"].keys() == {"3"}


def test_a_stream_that_dies_in_the_run_is_not_healthy() -> None:
    with place() as here:
        port = str(free_port())
        here.done("origin", "start", "--port", port)
        out = here.root / "dies.json"
        command = here.start(
            "run", f"http://127.0.0.1:{port}/stream.m3u8", "--clients", "3", "--ramp-rate", "0",
            "--duration", "16s", "--summary-interval", "500ms", "--json", str(out), *OFF,
        )  # fmt: skip
        command.wait_for_line(" streaming:3/3")
        here.done("origin", "stop", "--port", port)
        finished = command.finished()
        read = document(out)
        assert read["verdict"] in {"failing", "at_limit"}
        assert finished.status == (FAILED if read["verdict"] == "failing" else 0)
        assert read["clients"]["streamed"] == 3
        assert "  recent errors:\n" in finished.out or "  buffering clients:\n" in finished.out
        here.nothing_left(int(port))
