"""The whole thing as a user runs it, against nginx's own log: counts, bytes, ends, leftovers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support import AccessLine, Origin, free_port, logged, origin, place, wait_for

FFMPEGS_ENVIRONMENT = "HLSSWARM_TEST_FFMPEGS"
"""A list of ffmpeg programs, with colons between, that the swarm is tried with."""
FFMPEGS = [name for name in os.environ.get(FFMPEGS_ENVIRONMENT, "").split(":") if name] or [
    shutil.which("ffmpeg") or "ffmpeg"
]
OFF = ("--metrics", "off")
SUCCESS = {200, 206}
# How exact the sums of bytes have to be. (The issue: within 1 %.)
BYTES_SHARE = 0.01


@pytest.fixture(scope="module")
def playing() -> Iterator[Origin]:
    """An origin that plays for all tests of this file."""
    with place() as here:
        with origin(here) as made:
            yield made
        here.nothing_left(made.port)


def number_of(agent: str) -> int:
    """The client's number at the end of a user agent."""
    return int(agent.rpartition("-")[2])


def assert_counts_are_those_of_nginx(read: dict[str, Any], lines: list[AccessLine]) -> None:
    """Requests one by one, bytes within a hundredth.

    A request that a client was about to make when it was stopped is counted by us and not logged
    by nginx: ffmpeg, when told to end, opens its playlist once more and gives up.
    """
    segments = [line for line in lines if line.is_segment]
    playlists = [line for line in lines if not line.is_segment]
    clients = len({line.user_agent for line in lines})
    assert {line.status for line in lines} <= SUCCESS
    assert segments
    assert 0 <= read["segments"]["requests"] - len(segments) <= 1
    assert 0 <= read["playlists"]["requests"] - len(playlists) <= clients
    assert (read["segments"]["failed"], read["playlists"]["failed"]) == (0, 0)
    # ffmpeg tells the first playlist's bytes when it ends, and then nobody can tell whose they
    # are: segments and playlists together are exact, each alone is nearly so.
    told = read["segments"]["bytes"] + read["playlists"]["bytes"]
    assert told == pytest.approx(sum(line.body_bytes for line in lines), rel=BYTES_SHARE)
    sent = sum(line.body_bytes for line in segments)
    assert read["segments"]["bytes"] == pytest.approx(sent, rel=BYTES_SHARE)


def scraped(port: int) -> dict[str, float]:
    """All samples of /metrics without labels or with one, as `name` or `name{value}`."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return {
        sample.name + "".join(f"{{{value}}}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def assert_summary_is_complete(read: dict[str, Any], clients: int) -> None:
    """Of a demo in which all went well."""
    assert read["schema"] == "hlsswarm.summary/1"
    assert (read["verdict"], read["interrupted"]) == ("healthy", False)
    assert read["systemd"]["version"]
    assert read["systemd"]["manager"] in {"system", "user", "embedded"}
    assert read["ffmpeg"]["version"]
    counted = read["clients"]
    assert (counted["target"], counted["started"]) == (clients, clients)
    assert (counted["peak_active"], counted["restarts"]) == (clients, 0)
    assert counted["exits"] == {}
    assert read["http_errors"] == {}
    assert read["duration_seconds"] == pytest.approx(12, abs=3)
    assert 0 <= read["ramp"]["planned_seconds"] <= read["ramp"]["actual_seconds"] + 1
    assert read["ramp"]["lateness_p99_seconds"] >= 0
    assert read["controller"]["cpu_seconds"] > 0
    assert read["controller"]["max_rss_bytes"] > 1 << 20
    assert {"cpu_seconds", "memory_peak_bytes", "per_client"} <= set(read["resources"])


def test_the_whole_demo() -> None:
    clients, port, metrics = 4, free_port(), free_port()
    with place() as here:
        log, out = here.root / "access.json", here.root / "hlsswarm-report"
        # A demo before this one has left its report: the next one works all the same.
        out.mkdir()
        (out / "summary.json").write_text("old\n")
        command = here.start(
            "demo", "--clients", str(clients), "--duration", "12s", "--port", str(port),
            "--metrics", f"127.0.0.1:{metrics}", "--access-log", str(log),
        )  # fmt: skip
        command.wait_for_line(f"Metrics: http://127.0.0.1:{metrics}/metrics", timeout_seconds=60)

        def all_stream() -> dict[str, float] | None:
            found = scraped(metrics)
            return found if found["hlsswarm_clients{streaming}"] == clients else None

        found = wait_for("all clients to stream", all_stream)
        assert found["hlsswarm_clients_active"] == clients
        assert found["hlsswarm_clients_target"] == clients
        assert found["hlsswarm_clients_started_total"] == clients
        assert found["hlsswarm_clients_restarted_total"] == 0
        assert found["hlsswarm_requests_total{segment}"] >= clients
        assert found["hlsswarm_received_bytes_total{segment}"] > 100_000
        assert found["hlsswarm_requests_failed_total{segment}"] == 0
        assert found["hlsswarm_telemetry_dropped_bytes_total"] == 0
        assert found["hlsswarm_dbus_call_seconds_count"] >= clients
        assert found["hlsswarm_ramp_lateness_seconds_count"] == clients
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/healthz", timeout=5) as answer:
            assert answer.read() == b"ok\n"

        finished = command.finished(timeout_seconds=60)
        assert (finished.status, finished.err) == (0, "")
        steps = [line[:5] for line in finished.out.splitlines() if line.startswith("[")]
        assert [step for step in steps if step.endswith("/3]")] == ["[1/3]", "[2/3]", "[3/3]"]
        assert "✓ Verdict: healthy: " in finished.out
        here.nothing_left(port)

        read = json.loads((out / "summary.json").read_text())
        assert_summary_is_complete(read, clients)
        assert read["url"] == f"http://127.0.0.1:{port}/stream.m3u8"
        assert read["run"] in finished.out
        everything = [json.loads(line)["user_agent"] for line in log.read_text().splitlines()]
        lines = logged(log, "hlsswarm/1.0/client-")
        assert {number_of(line.user_agent) for line in lines} == set(range(1, clients + 1))
        assert "hlsswarm/1.0/preflight" in everything
        assert_counts_are_those_of_nginx(read, lines)


@pytest.mark.parametrize("ffmpeg", FFMPEGS)
def test_counts_are_those_of_nginx_with_each_ffmpeg(playing: Origin, ffmpeg: str) -> None:
    agent = f"with-{FFMPEGS.index(ffmpeg)}"
    out = playing.place.root / f"{agent}.json"
    finished = playing.place.run(
        "run", playing.url, "--ffmpeg", ffmpeg, "--user-agent", agent, "--clients", "4",
        "--ramp-rate", "10", "--duration", "8s", "--json", str(out), *OFF,
    )  # fmt: skip
    assert (finished.status, finished.err) == (0, "")
    assert "has not been tried" not in finished.out
    read = json.loads(out.read_text())
    assert read["verdict"] == "healthy"
    assert read["clients"]["streamed"] == 4
    assert_counts_are_those_of_nginx(read, playing.requests(f"{agent}/client-"))


def test_clients_outlive_a_killed_controller(playing: Origin) -> None:
    here = playing.place
    command = here.start(
        "run", playing.url, "--clients", "5", "--ramp-rate", "0", "--run-id", "orphan",
        "--user-agent", "orphan", "--summary-interval", "200ms", *OFF,
    )  # fmt: skip
    command.wait_for_line(" streaming:5/5")
    command.process.send_signal(signal.SIGKILL)
    assert command.finished().status == -signal.SIGKILL
    seen = len(playing.requests("orphan/client-"))

    assert here.units("orphan", "client") == ["running"] * 5
    assert "client: 5 running" in here.done("status").out
    assert here.done("status", "--units").out.count("hlsswarm-orphan-client-") == 5

    def each_asked_again() -> bool:
        later = playing.requests("orphan/client-")[seen:]
        return {number_of(line.user_agent) for line in later if line.is_segment} == set(range(1, 6))

    wait_for("each client to go on", each_asked_again)
    assert here.done("stop", "orphan").out == "Stopped orphan.\n"
    assert here.units("orphan", "client") == []
    assert [run["run"] for run in here.status()] == [f"origin{playing.port}"]
    assert not (here.runtime_directory / "orphan").exists()
    asked = len(playing.requests("orphan/client-"))
    again = here.run("stop", "orphan")
    assert (again.status, again.sentence) == (2, "There is no run orphan.")
    assert len(playing.requests("orphan/client-")) == asked


ODD_PATHS = [
    "/stream.m3u8?user=$HOME&pid=$$&brace=${PATH}",
    "/stream.m3u8?percent=%20%41%%&u=%u&i=%i",
    "/stream.m3u8?quote='\"`&back=\\n\\\\",
    "/stream.m3u8?blank=a b  c",
    "/stream.m3u8?word=žluťoučký-日本-\N{DROMEDARY CAMEL}",
    "/stream.m3u8?signs=;|<>(){}[]!*?~#",
]


@pytest.mark.parametrize("path", ODD_PATHS)
def test_a_url_reaches_the_origin_byte_for_byte(playing: Origin, path: str) -> None:
    """Through systemd as without it: nginx logs what a plain call of ffmpeg makes it log."""
    url = f"http://127.0.0.1:{playing.port}{path}"
    label = f"odd-{ODD_PATHS.index(path)}"
    plain = subprocess.Popen(
        [
            FFMPEGS[0], "-nostdin", "-loglevel", "error", "-user_agent", f"{label}-plain",
            "-i", url, "-map", "0", "-c", "copy", "-t", "1", "-f", "null", "-",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    command = playing.place.start(
        "run", url, "--clients", "1", "--skip-preflight", "--user-agent", label, *OFF
    )

    def first(agent: str) -> str | None:
        lines = playing.requests(agent)
        return lines[0].uri if lines else None

    try:
        sent = wait_for("ffmpeg's request", lambda: first(f"{label}-plain"))
        assert wait_for("the client's request", lambda: first(f"{label}/client-1")) == sent
    finally:
        plain.kill()
        plain.wait()
        command.signal(signal.SIGINT)
        assert command.finished().status == 105
    assert sent.startswith(path.partition("=")[0])


def test_the_preflight_asks_for_the_same_resource(playing: Origin) -> None:
    """What ffmpeg sends raw, a well-formed request has in %XX: the same after decoding."""
    path = "/stream.m3u8?a=%20$b&c='d' é"
    command = playing.place.start(
        "run", f"http://127.0.0.1:{playing.port}{path}", "--clients", "1",
        "--user-agent", "same", "--summary-interval", "200ms", *OFF,
    )  # fmt: skip
    command.wait_for_line(" streaming:1/1")
    command.signal(signal.SIGINT)
    assert command.finished().status == 105
    asked = playing.requests("same/preflight")
    assert [line.uri for line in asked] == [quote(path, safe="/?=%$&'")]
    assert asked[0].status == 200
