"""`run --wait-for-stream`: a swarm that may be there before its origin."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.support import bad_server, free_port, place, wait_for

ABORTED, PREFLIGHT, USAGE = 105, 106, 2
OFF = ("--metrics", "off")


def nobodys_url() -> str:
    return f"http://127.0.0.1:{free_port()}/stream.m3u8"


def test_a_run_waits_for_an_origin_that_starts_later() -> None:
    port = free_port()
    with place() as here:
        command = here.start(
            "run", f"http://127.0.0.1:{port}/stream.m3u8", "--wait-for-stream", "50s",
            "--clients", "2", "--ramp-rate", "0", "--duration", "5s", *OFF,
        )  # fmt: skip
        told = command.wait_for_line("Waiting for the stream")
        assert "at most: http://127.0.0.1" in told
        assert "the connection was refused" in told
        here.done("origin", "start", "--port", str(port))
        finished = command.finished()
        here.done("origin", "stop", "--port", str(port))
        assert (finished.status, finished.err) == (0, "")
        assert "The stream is there after " in finished.out
        assert finished.out.count("the connection was refused") == 1, "told once, not each second"
        assert "Verdict: healthy" in finished.out
        here.nothing_left(port)


def test_after_the_time_it_is_what_the_last_look_says(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('wait-for-stream = "1.5s"\n')
    with place() as here, bad_server() as server:
        began = time.monotonic()
        url = server.url("broken")
        by_file = here.run("run", url, "--config", str(file), *OFF)
        assert time.monotonic() - began > 1.5
        assert len(server.seen) > 1
        by_variable = here.run("run", url, *OFF, env={"HLSSWARM_WAIT_FOR_STREAM": "1.5s"})
        for finished in (by_file, by_variable):
            assert finished.status == PREFLIGHT
            assert finished.sentence.startswith("The origin answers 500")
        here.nothing_left()


def test_without_it_a_run_looks_once() -> None:
    with place() as here, bad_server() as server:
        assert here.run("run", server.url("broken"), *OFF).status == PREFLIGHT
        assert len(server.seen) == 1


def test_what_no_waiting_puts_right_ends_it_at_once() -> None:
    with place() as here, bad_server() as server:
        finished = here.run("run", server.url("page"), "--wait-for-stream", "1h", *OFF)
        assert finished.status == PREFLIGHT
        assert "is not an HLS playlist" in finished.sentence
        assert len(server.seen) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_waiting_is_interrupted_and_leaves_nothing(number: signal.Signals) -> None:
    with place() as here:
        command = here.start("run", nobodys_url(), "--wait-for-stream", "1h", *OFF)
        command.wait_for_line("Waiting for the stream")
        command.signal(number)
        finished = command.finished(timeout_seconds=10)
        assert finished.status == ABORTED
        assert finished.err == "hlsswarm: Interrupted.\n"
        here.nothing_left()


def test_waiting_is_interrupted_while_an_answer_is_awaited() -> None:
    with place() as here, bad_server() as server:
        command = here.start("run", server.url("silent"), "--wait-for-stream", "1h", *OFF)
        wait_for("a request", lambda: server.seen)
        command.signal(signal.SIGTERM)
        assert command.finished(timeout_seconds=10).status == ABORTED
        here.nothing_left()


def test_to_wait_without_a_look_cannot_be_meant() -> None:
    with place() as here:
        finished = here.run("run", nobodys_url(), "--wait-for-stream", "5s", "--skip-preflight")
        assert finished.status == USAGE
        assert finished.hint == "Give one of the two."
