"""Whole texts against golden files (UPDATE_GOLDEN=1 renews them), and the lines while it runs."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest

from hlsswarm.core.states import ClientState
from hlsswarm.core.summary import SCHEMA, Resources, Summary
from hlsswarm.report.terminal import Progress, event_text, progress_text, summary_text
from tests.support import a_summary

GOLDEN = Path(__file__).parent / "golden"
WIDTH = 80


def golden(name: str, text: str) -> None:
    """Compare with a golden file, or renew it."""
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert path.exists(), f"UPDATE_GOLDEN=1 makes {path}"
    assert text == path.read_text()


def trouble() -> Summary:
    """A run that was interrupted while our own side broke, on a machine without accounting."""
    summary = a_summary(
        interrupted=True,
        duration_seconds=12.04,
        verdict="void",
        reasons=("The connection to systemd broke.",),
        http_errors={},
    )
    resources = summary.resources
    return dataclasses.replace(
        summary,
        clients=dataclasses.replace(summary.clients, exits={}, restarts=0),
        resources=Resources(
            None,
            None,
            dataclasses.replace(resources.per_client, cpu_seconds=None, memory_peak_bytes=None),
        ),
        controller=dataclasses.replace(
            summary.controller, telemetry_dropped_bytes=70_000, telemetry_unattributed=3
        ),
    )


def test_summary_of_a_good_run() -> None:
    golden("summary.txt", summary_text(a_summary()) + "\n")


def test_summary_of_a_run_in_trouble() -> None:
    golden("summary-trouble.txt", summary_text(trouble()) + "\n")


def test_summary_as_json() -> None:
    golden("summary.json", a_summary().as_json())


@pytest.mark.parametrize("summary", [a_summary(), trouble()], ids=["good", "trouble"])
def test_summary_fits_a_terminal(summary: Summary) -> None:
    assert [line for line in summary_text(summary).splitlines() if len(line) > WIDTH] == []


@pytest.mark.parametrize("verdict", ["healthy", "at_limit", "failing", "void"])
def test_every_verdict_is_told(verdict: str) -> None:
    text = summary_text(a_summary(verdict=verdict))
    assert f" Verdict: {verdict}: " in text


def test_json_has_every_field_of_the_issue() -> None:
    document = json.loads(a_summary().as_json())
    assert next(iter(document)) == "schema"
    assert document["schema"] == SCHEMA == "hlsswarm.summary/1"
    wanted: dict[str, Any] = {
        "systemd": {"manager", "version"},
        "ffmpeg": {"version"},
        "clients": {"target", "started", "peak_active", "restarts", "exits"},
        "playlists": {"requests"},
        "segments": {"requests", "failed", "bytes"},
        "ramp": {"planned_seconds", "actual_seconds", "lateness_p99_seconds"},
        "resources": {"cpu_seconds", "memory_peak_bytes", "per_client"},
        "controller": {"cpu_seconds", "max_rss_bytes"},
    }
    for name, fields in wanted.items():
        assert fields <= set(document[name]), name
    assert {"run", "url", "http_errors", "verdict", "reasons"} <= set(document)


def test_what_is_not_accounted_is_null_and_not_zero() -> None:
    resources = json.loads(trouble().as_json())["resources"]
    assert resources["cpu_seconds"] is None
    assert resources["per_client"]["memory_peak_bytes"] is None
    assert "not accounted" in summary_text(trouble())


def test_json_keeps_odd_text_whole() -> None:
    url = "http://127.0.0.1/a b/é$x%20'\"\\.m3u8?q=&r"
    assert json.loads(a_summary(url=url).as_json())["url"] == url


def progress(**changes: Any) -> Progress:
    states = dict.fromkeys(ClientState, 0) | {ClientState.STREAMING: 20}
    given: dict[str, Any] = {
        "elapsed_seconds": 5.03,
        "target": 20,
        "states": states,
        "restarts": 0,
        "segments": 40,
        "segments_per_second": 8.04,
        "bytes_per_second": 2_262_500.0,
        "http_errors": 0,
    }
    return Progress(**(given | changes))


def test_progress_of_a_good_run_is_one_short_line() -> None:
    text = progress_text(progress())
    assert text == ("[    5s] streaming:20/20  restarts:0  segments:40 (8.04/s)  18.1 Mbit/s")
    assert len(text) <= WIDTH


def test_progress_of_a_large_run_still_fits() -> None:
    states = dict.fromkeys(ClientState, 0) | {ClientState.STREAMING: 1000}
    text = progress_text(
        progress(
            elapsed_seconds=3725,
            target=1000,
            states=states,
            segments=1_862_500,
            segments_per_second=500.0,
            bytes_per_second=156_250_000,
        )
    )
    assert text.startswith("[ 1h02m] streaming:1000/1000  ")
    assert text.endswith("(500/s)  1.25 Gbit/s")
    assert len(text) <= WIDTH


def test_progress_counts_every_state_that_somebody_is_in() -> None:
    states = {
        ClientState.STARTING: 1,
        ClientState.STREAMING: 2,
        ClientState.BUFFERING: 3,
        ClientState.BACKOFF: 4,
        ClientState.IDLE: 5,
    }
    line = progress_text(progress(states=states, target=15, restarts=6, http_errors=7))
    assert "streaming:2/15 starting:1 buffering:3 backoff:4 idle:5  restarts:6  " in line
    assert line.endswith("  HTTP errors:7")


def test_progress_notes_are_bounded() -> None:
    buffering = [(number, 9.51, "Connection timed out") for number in range(1, 9)]
    text = progress_text(progress(buffering=buffering, errors=("#9 " + "x" * 500, "#10 y")))
    lines = text.splitlines()
    assert lines[1] == "  buffering clients:"
    assert lines[2] == "    #1 no segment for 9.5 s; Connection timed out"
    assert lines[7] == "    and 3 more"
    assert lines[8] == "  recent errors:"
    assert lines[9].endswith("x…")
    assert len(lines[9]) == 4 + 120
    assert lines[10] == "    #10 y"
    assert len(lines) == 11


def test_a_client_without_a_message_has_no_empty_one() -> None:
    assert (
        "    #7 no segment for 5.0 s\n" in progress_text(progress(buffering=[(7, 5.0, "")])) + "\n"
    )


@pytest.mark.parametrize(
    ("bytes_per_second", "text"),
    [
        (0.0, "0.00 Mbit/s"),
        (124_900.0, "1.00 Mbit/s"),
        (1_250_000.0, "10.0 Mbit/s"),
        (124_990_000.0, "1000 Mbit/s"),
        (125_000_000.0, "1.00 Gbit/s"),
        (1.25e12, "10000 Gbit/s"),
    ],
)
def test_rates_are_never_in_powers_of_ten(bytes_per_second: float, text: str) -> None:
    assert progress_text(progress(bytes_per_second=bytes_per_second)).endswith(f"  {text}")


def test_an_event_has_the_same_clock() -> None:
    assert event_text(61.9, "#3 was killed by SIGKILL") == "[ 1m01s] #3 was killed by SIGKILL"
    assert event_text(0.25, "begins") == "[ 0.25s] begins"
