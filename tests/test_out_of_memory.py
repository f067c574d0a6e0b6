"""Clients that run out of memory, as a user sees them: counted as that, in every place."""

from __future__ import annotations

import json
import os
import shutil
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import BadServer, Place, bad_server, free_port, place, wait_for

FFMPEG = shutil.which("ffmpeg") or "ffmpeg"
COMMON = ("--skip-preflight", "--ffmpeg", FFMPEG, "--measure", "light")


@pytest.fixture(scope="module")
def here() -> Iterator[Place]:
    with place() as made:
        yield made


@pytest.fixture(scope="module")
def silent() -> Iterator[BadServer]:
    with bad_server() as server:
        yield server


def counters(port: int) -> dict[str, float]:
    """Series of /metrics by their whole names."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def limits(place: Place, *words: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(place.done("set-limit", *words, "--json").out)
    assert document["schema"] == "hlsswarm.limits/1"
    return document


def test_a_client_that_needs_more_than_it_may(here: Place, silent: BadServer) -> None:
    port, out = free_port(), here.root / "oom.json"
    command = here.start(
        "run", silent.url("silent"), *COMMON, "--clients", "2", "--ramp-rate", "0",
        "--client-memory-max", "6M", "--metrics", f"127.0.0.1:{port}", "--json", str(out),
        "--summary-interval", "200ms",
    )  # fmt: skip
    command.wait_for_line("was killed: out of memory")
    now = wait_for(
        "both to be counted",
        lambda: found if (found := counters(port))["hlsswarm_clients_oom_killed_total"] > 1 else {},
    )
    assert now['hlsswarm_process_exits_total{code="oom-kill"}'] >= 2
    assert 'hlsswarm_process_exits_total{code="SIGKILL"}' not in now
    command.signal(signal.SIGINT)
    finished = command.finished()
    assert "oom-kill)" in finished.out
    assert "client processes ran out of memory (oom-kill): that limit is of this" in finished.out
    read = json.loads(out.read_text())
    assert read["verdict"] == "void"
    assert set(read["clients"]["exits"]) == {"oom-kill"}
    assert read["clients"]["oom_kills"] == read["clients"]["exits"]["oom-kill"] >= 2


def test_a_part_whose_limit_is_lowered_live_and_a_client_that_somebody_kills(
    here: Place, silent: BadServer
) -> None:
    port = free_port()
    command = here.start(
        "run", silent.url("silent"), *COMMON, "--clients", "6", "--ramp-rate", "0.5",
        "--ramp-jitter", "0", "--run-id", "oom", "--metrics", f"127.0.0.1:{port}",
        "--timeout", "60s",
    )  # fmt: skip
    wait_for("a client that waits", lambda: here.units("oom", "client") == ["running"])
    victim = client_process(here)
    os.kill(victim, signal.SIGKILL)
    killed = 'hlsswarm_process_exits_total{code="SIGKILL"}'
    found = wait_for(
        "the kill to be counted", lambda: now if killed in (now := counters(port)) else {}
    )
    assert found["hlsswarm_clients_oom_killed_total"] == 0
    wait_for("two clients", lambda: here.units("oom", "client").count("running") >= 2)

    used = limits(here, "oom/clients")["usage"]["memory_bytes"]
    part = limits(here, "oom/clients", "--memory-max", str(used + (1 << 20)))
    assert part["limits"]["memory-max"]["holds"]
    wait_for(
        "a client for which nothing is left",
        lambda: counters(port)["hlsswarm_clients_oom_killed_total"],
    )
    lifted = limits(here, "oom/clients", "--memory-max", "none")
    assert lifted["limits"]["memory-max"]["kernel"] is None
    command.signal(signal.SIGINT)
    finished = command.finished()
    assert "1 SIGKILL" in finished.out
    assert "oom-kill" in finished.out
    here.nothing_left()


def client_process(place: Place) -> int:
    """The process of a client that runs in this place."""
    for directory in Path("/proc").iterdir():
        if not directory.name.isdecimal():
            continue
        try:
            cgroup = (directory / "cgroup").read_text()
            environment = (directory / "cmdline").read_bytes()
        except OSError:
            continue
        if "hlsswarm-oom-client-" in cgroup and FFMPEG.encode() in environment:
            return int(directory.name)
    raise AssertionError("no client runs")
