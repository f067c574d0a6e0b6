"""What a summary says is what nginx has logged: a short form of `make -C bench truth`.

Counts and bytes have to be right at once. Times are of a machine that may have other work: those
out of bounds are measured again, and a swarm that measures them wrongly is wrong each time.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import truth
from bench.compare import Line, compare, percentile, read_log, stalls_of, table
from bench.origin import Origin, Outage, free_port, origin
from bench.truth import Program, Result

FFMPEGS = [name for name in os.environ.get("HLSSWARM_TEST_FFMPEGS", "").split(":") if name] or [
    shutil.which("ffmpeg") or "ffmpeg"
]
SCENARIOS = ("normal", "throttled", "failing")
CLIENTS, SECONDS, ATTEMPTS = 6, 13.0, 3


@pytest.fixture(scope="module")
def playing() -> Iterator[tuple[Origin, dict[str, str]]]:
    """The bench's origin, and the environment of runs against it."""
    with truth.place() as (root, environment):
        ports = {name: free_port() for name in SCENARIOS}
        assert len(set(ports.values())) == len(SCENARIOS)
        with origin(root, ports) as made:
            yield made, environment


def held(playing: tuple[Origin, dict[str, str]], scenario: str, ffmpeg: str) -> Result:
    """A run whose counts and bytes hold; its times hold too, or do so in none of the attempts."""
    made, environment = playing
    for attempt in range(ATTEMPTS):
        result = truth.run(
            made,
            scenario,
            Program(ffmpeg),
            clients=CLIENTS,
            seconds=SECONDS,
            label=f"{scenario}-{FFMPEGS.index(ffmpeg)}-{attempt}",
            environment=environment,
        )
        assert [row for row in result.broken if row.unit != "s"] == [], result.as_text()
        if not result.broken:
            break
    return result


@pytest.mark.parametrize("ffmpeg", FFMPEGS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_summary_is_what_nginx_logged(
    playing: tuple[Origin, dict[str, str]], scenario: str, ffmpeg: str
) -> None:
    result = held(playing, scenario, ffmpeg)
    assert result.broken == [], result.as_text()
    assert result.summary["measure"] == "exact"
    assert result.row("segments arrived whole").nginx >= 4 * CLIENTS
    assert result.row("segments, bytes").nginx > 1_000_000
    if scenario == "throttled":
        assert 0.5 < result.row("segment time, p50").nginx < 1.5
    if scenario == "failing":
        assert result.row("segments failed").nginx >= CLIENTS
        assert result.row("HTTP 404").nginx == result.row("segments failed").nginx
    else:
        assert result.row("segments failed").nginx == 0


# --- the comparison itself -------------------------------------------------------------------


def line(**changes: Any) -> Line:
    """A segment that arrived whole."""
    usual = Line(1000.0, 0.5, 206, 200_000, True, "/segment-1.ts", 40_001, "a/client-1")
    return dataclasses.replace(usual, **changes)


LINES = [
    *(line(ended_at=1000.0 + 2 * n, seconds=0.5 + n / 1000) for n in range(200)),
    *(line(uri="/stream.m3u8", body_bytes=266, seconds=0.0) for _ in range(150)),
    *(line(status=404, body_bytes=153) for _ in range(40)),
    *(line(uri="/stream.m3u8", status=503, body_bytes=197) for _ in range(7)),
]
SUMMARY: dict[str, Any] = {
    "segments": {
        "requests": 240,
        "failed": 40,
        "bytes": 40_000_000,
        "duration_seconds": {"count": 200, "p50": 0.599, "p95": 0.689, "p99": 0.697},
    },
    "playlists": {
        "requests": 157,
        "failed": 7,
        "bytes": 150 * 266,
        "duration_seconds": {"count": 150, "p50": 0.0, "p95": 0.0, "p99": 0.0},
    },
    "http_errors": {"404": 40, "503": 7},
    "sessions": {"stalls": 0, "stalled_seconds": 0.0},
}


def broken(summary: dict[str, Any], lines: list[Line]) -> set[str]:
    """Figures that the comparison does not let pass."""
    return {row.figure for row in compare(summary, lines) if not row.holds}


def test_the_same_on_both_sides_holds() -> None:
    assert broken(SUMMARY, LINES) == set()
    assert "BROKEN" not in table(compare(SUMMARY, LINES))


@pytest.mark.parametrize(
    ("path", "factor", "figure"),
    [
        (("segments", "requests"), 1.02, "segments asked for"),
        (("segments", "requests"), 0.98, "segments asked for"),
        (("segments", "failed"), 1.05, "segments failed"),
        (("segments", "bytes"), 1.011, "segments, bytes"),
        (("segments", "bytes"), 0.989, "segments, bytes"),
        (("segments", "duration_seconds", "count"), 0.98, "segments arrived whole"),
        (("segments", "duration_seconds", "p50"), 1.06, "segment time, p50"),
        (("segments", "duration_seconds", "p95"), 0.94, "segment time, p95"),
        (("segments", "duration_seconds", "p99"), 1.06, "segment time, p99"),
        (("playlists", "requests"), 0.06, "playlists asked for"),
        (("playlists", "failed"), 2.0, "playlists failed"),
        (("http_errors", "404"), 0.9, "HTTP 404"),
        (("http_errors", "503"), 0.0, "HTTP 503"),
    ],
)
def test_a_wrong_figure_is_found(path: tuple[str, ...], factor: float, figure: str) -> None:
    summary = copy.deepcopy(SUMMARY)
    inner = summary
    for word in path[:-1]:
        inner = inner[word]
    inner[path[-1]] *= factor
    assert broken(summary, LINES) == {figure}
    assert "BROKEN" in table(compare(summary, LINES))


def test_an_error_that_only_one_side_has_is_found() -> None:
    assert broken({**SUMMARY, "http_errors": {"404": 40, "503": 7, "500": 1}}, LINES) == {
        "HTTP 500"
    }
    assert broken({**SUMMARY, "http_errors": {"404": 40}}, LINES) == {"HTTP 503"}


@pytest.mark.parametrize(
    ("change", "figures"),
    [
        (lambda lines: lines[5:], {"segments asked for", "segments arrived whole", "segments, b"}),
        (lambda lines: [*lines, line(), line(), line()], {"segments asked for", "segments arr"}),
        (
            lambda lines: [dataclasses.replace(one, seconds=one.seconds * 2) for one in lines],
            {"segment time, p50", "segment time, p95", "segment time, p99"},
        ),
        (
            lambda lines: [dataclasses.replace(one, given_up=one.is_segment) for one in lines],
            {"segments arrived", "segments failed", "segments, bytes", "segment time", "HTTP 404"},
        ),
    ],
)
def test_another_log_is_found(
    change: Callable[[list[Line]], list[Line]], figures: set[str]
) -> None:
    found = broken(SUMMARY, change(LINES))
    assert found
    assert all(any(name.startswith(figure) for name in found) for figure in figures)


def test_small_times_have_ten_milliseconds() -> None:
    lines = [dataclasses.replace(one, seconds=0.001) for one in LINES]
    summary = copy.deepcopy(SUMMARY)
    times = summary["segments"]["duration_seconds"]
    times.update(p50=0.010, p95=0.011, p99=0.012)
    assert broken(summary, lines) == {"segment time, p99"}


def test_what_was_cut_off_counts_as_asked_for_and_its_bytes_may_be_read_or_not() -> None:
    lines = [*LINES, line(complete=False, body_bytes=1_000_000), line(status=499, body_bytes=0)]
    assert lines[-1].is_cut_off
    summary = copy.deepcopy(SUMMARY)
    summary["segments"]["requests"] += 2
    assert broken(summary, lines) == set()
    summary["segments"]["bytes"] = 41_400_000
    assert broken(summary, lines) == set()
    summary["segments"]["bytes"] = 41_400_001
    assert broken(summary, lines) == {"segments, bytes"}
    summary["segments"]["bytes"] = 39_599_999
    assert broken(summary, lines) == {"segments, bytes"}


def test_what_was_on_its_way_at_the_stop_may_be_missing() -> None:
    lines = [*LINES, line(ended_at=1398.1, complete=False, body_bytes=9)]
    summary = copy.deepcopy(SUMMARY)
    summary["segments"]["requests"] += 1
    for count, figures in (
        (197, set[str]()),
        (196, {"segments arrived whole"}),
        (203, {"segments arrived whole"}),
    ):
        summary["segments"]["duration_seconds"]["count"] = count
        assert broken(summary, lines) == figures
    assert broken({**SUMMARY, "segments": {**summary["segments"], "requests": 240}}, LINES) != set()


def test_a_stop_is_one_moment_for_segments_and_playlists() -> None:
    playlist = line(ended_at=1398.0, uri="/stream.m3u8", body_bytes=266, seconds=0.0)
    stopped = line(ended_at=1398.1, complete=False, body_bytes=9)
    summary = copy.deepcopy(SUMMARY)
    summary["segments"]["requests"] += 1
    summary["segments"]["duration_seconds"]["count"] = 200
    for count, figures in ((149, set[str]()), (148, {"playlists arrived whole"})):
        summary["playlists"]["requests"] = 158
        summary["playlists"]["duration_seconds"]["count"] = count
        assert broken(summary, [*LINES, playlist, stopped]) == figures
    # Long before the stop nothing was on its way.
    early = dataclasses.replace(playlist, ended_at=1390.0)
    summary["playlists"]["duration_seconds"]["count"] = 149
    assert broken(summary, [*LINES, early, stopped]) == {"playlists arrived whole"}


def test_the_log_is_read_with_what_nginx_could_not_see(tmp_path: Path) -> None:
    def logged(agent: str, port: int, msec: float) -> str:
        fields = {
            "msec": msec, "request_time": 0.002, "status": "206", "body_bytes": 5,
            "complete": "OK", "uri": "/segment-7.ts?x", "remote_port": port, "user_agent": agent,
        }  # fmt: skip
        return json.dumps(fields) + "\n"

    log = tmp_path / "log"
    log.write_text(
        logged("a/client-1", 1, 90.0)
        + logged("a/client-1", 2, 120.0)
        + logged("a/client-2", 3, 114.999)
        + logged("a/client-2", 3, 130.0)
        + logged("a/preflight", 4, 120.5)
        + logged("ab/client-1", 5, 120.5)
        + '{"msec":12'
    )
    outage = Outage(100.0, 115.0, {1: 101.0, 2: 110.0, 3: 104.0}, {1, 3})
    lines = read_log(log, "a", outage)
    assert [one.remote_port for one in lines] == [1, 2, 3, 3]
    assert [round(one.seconds, 6) for one in lines] == [0.002, 10.0, 10.999, 0.002]
    assert [one.given_up for one in lines] == [False, False, True, False]
    assert [one.is_whole for one in lines] == [True, True, False, True]
    assert all(one.is_segment for one in lines)


def test_tables_go_to_their_place_in_a_text() -> None:
    summary = {
        **SUMMARY,
        "ffmpeg": {"version": "5.1.9-0+deb12u1"},
        "clients": {"started": 6},
        "duration_seconds": 13.0,
        "verdict": "healthy",
        "sessions": {"started": 6, "failed": 0, "stalls": 0, "stalled_seconds": 0.0},
    }
    result = Result("normal", summary, compare(summary, LINES), 0, 0, 0.5)
    first, last = "<!-- tables: made by `make -C bench truth` -->", "<!-- end of tables -->"
    text = truth.with_tables(f"above\n{first}\nold\n{last}\nbelow\n", [result, result])
    assert text.startswith(f"above\n{first}\n\n### ffmpeg 5.1.9, normal\n")
    assert text.endswith(f"{last}\nbelow\n")
    assert "old" not in text
    assert text.count("| segments asked for ") == 2
    assert truth.with_tables(text, [result, result]) == text
    with pytest.raises(ValueError):
        truth.with_tables("no place", [result])


def test_percentiles_are_of_the_nearest_rank() -> None:
    assert percentile([], 0.5) == 0
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile(range(1, 101), 0.95) == 95
    assert percentile([1.0], 0.99) == 1.0


def test_stalls_are_gaps_in_what_a_player_has() -> None:
    def at(*moments: float, client: str = "a") -> list[Line]:
        return [line(ended_at=moment, client=client) for moment in moments]

    assert stalls_of(at(0, 2, 4, 6)) == (0, 0)
    assert stalls_of(at(0, 0, 0, 5.9, 8)) == (0, 0)
    stalls, seconds = stalls_of([*at(0, 2, 9, 11), *at(0, 3, client="b")])
    assert (stalls, round(seconds, 6)) == (2, 6.0)
