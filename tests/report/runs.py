"""Made runs for tests of reports: seeded, and clearly no measurement of anything.

A ramp of ten clients a second; from 45 % of the time on the origin gets slow, at 60 % it fails for
15 s (so some sessions fail and clients wait), and then it is healthy again.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections import Counter
from pathlib import Path

from hlsswarm.core.commands import ClientOptions
from hlsswarm.core.measurements import Measurements
from hlsswarm.core.plan import Plan
from hlsswarm.core.summary import Requests, Sessions, Summary, error_classes
from hlsswarm.core.thresholds import Outcome, evaluate, parse
from hlsswarm.core.timeseries import Row, TimeSeries
from hlsswarm.core.verdict import Evidence, judge
from hlsswarm.report.run_directory import RecordedRun, RunDirectoryWriter, read
from tests.support import a_summary

STARTED_AT = "2026-11-20T12:00:00+00:00"
STARTED_TIME = 1795176000
URL = "http://origin.test:8080/made-up/stream.m3u8"
THRESHOLDS = (
    "segment_seconds: p(95)<0.5",
    "startup_seconds: p(99)<=3 abort_on_fail grace=10s",
    "playback_stalls: rate<0.01",
    "http_errors: count==0",
    "segments_failed: rate<0.01",
)


@dataclasses.dataclass
class MadeRun:
    """All that a writer is given."""

    plan: Plan
    run: str
    rows: list[Row]
    measurements: Measurements
    evidence: Evidence
    summary: Summary
    outcomes: tuple[Outcome, ...]


def made_run(
    *, seconds: int = 120, clients: int = 100, seed: int = 1, begin: int = STARTED_TIME
) -> MadeRun:
    """A run of so many seconds; the same arguments, the same run."""
    chance = random.Random(f"made run {seed}")
    rows = [_row(second, seconds, clients, begin, chance) for second in range(1, seconds + 1)]
    measured = _measurements(rows, chance)
    evidence = _evidence(rows, measured, clients)
    verdict, reasons = judge(evidence)
    run = f"test{seed:02d}"
    share = evidence.streaming_seconds / (evidence.streaming_seconds + evidence.lost_seconds)
    summary = a_summary(
        run=run,
        url=URL,
        started_at=STARTED_AT,
        duration_seconds=float(seconds),
        sessions=Sessions.of(measured.sessions),
        segments=Requests.of(measured.segments, timed=True),
        playlists=Requests.of(measured.playlists, timed=True),
        init=Requests.of(measured.kinds["init"], timed=True),
        keys=Requests.of(measured.kinds["key"], timed=True),
        errors=error_classes(measured),
        http_errors=dict(measured.http_errors),
        verdict=str(verdict),
        reasons=reasons,
    )
    changed = dataclasses.replace(
        summary.clients,
        target=clients,
        started=evidence.started,
        streamed=evidence.ever_streamed,
        peak_active=max(active(row) for row in rows),
        restarts=evidence.restarts,
        exits={"8": evidence.restarts},
    )
    return MadeRun(
        plan=Plan(client=ClientOptions(URL), clients=clients, duration_seconds=float(seconds)),
        run=run,
        rows=rows,
        measurements=measured,
        evidence=evidence,
        summary=dataclasses.replace(summary, clients=changed),
        outcomes=tuple(
            evaluate(parse(text), measured, {"streaming_share": share}) for text in THRESHOLDS
        ),
    )


def active(row: Row) -> int:
    """Clients with a process."""
    return row.clients.total() - row.clients["idle"] - row.clients["backoff"]


def write(path: Path, made: MadeRun) -> None:
    """Keep a made run in a directory."""
    writer = RunDirectoryWriter(path, made.plan, run=made.run, started_at=STARTED_AT)
    for row in made.rows:
        writer.row(row)
    assert writer.finish(made.summary, made.measurements, made.evidence, made.outcomes) is None


def recorded(path: Path, made: MadeRun) -> RecordedRun:
    """A made run, written and read again."""
    write(path, made)
    return read(path)


def as_recorded(made: MadeRun) -> RecordedRun:
    """A made run as if it had been read."""
    return RecordedRun(
        name=made.run,
        plan={"schema": "hlsswarm.plan/1", "clients": made.plan.clients, "client": {"url": URL}},
        summary=made.summary.as_dict(),
        measurements=made.measurements,
        series=TimeSeries(made.run, STARTED_AT, made.rows),
        outcomes=made.outcomes,
        evidence=dataclasses.asdict(made.evidence),
        sources=(f"/made/{made.run}",),
    )


def _row(second: int, seconds: int, clients: int, begin: int, chance: random.Random) -> Row:
    there = min(clients, second * 10)
    started = there - min(clients, (second - 1) * 10)
    slow = max(0.0, 1 - abs(second - 0.5 * seconds) / (0.12 * seconds))
    failing = 0 <= second - 0.6 * seconds < 15
    waiting = min(there, round(there * chance.uniform(0.1, 0.2))) if failing else 0
    buffering = min(there - waiting, round(there * (0.3 if failing else 0.1 * slow)))
    row = Row(second + chance.uniform(0, 0.01), begin + second)
    row.clients = Counter(
        idle=clients - there,
        starting=started,
        backoff=waiting,
        buffering=buffering,
        streaming=there - started - waiting - buffering,
    )
    row.started, row.restarts = started, waiting // 3
    segments = round((there - waiting - buffering) * chance.uniform(0.45, 0.55))
    row.requests = Counter(segment=segments, playlist=segments + there // 10)
    row.failed = Counter(segment=waiting // 2 if failing else 0)
    row.bytes = Counter(segment=0, playlist=row.requests["playlist"] * 480)
    for _ in range(segments - row.failed["segment"]):
        row.segment_seconds.add(math.exp(chance.gauss(-2.6 + 2.4 * slow, 0.5)))
        row.bytes["segment"] += chance.randint(230_000, 290_000)
    row.stalls = buffering // 4
    row.sessions_failed = waiting // 3
    row.http_errors = Counter({503: row.failed["segment"]})
    row.origin = {
        "cpu_share": 0.002 * there + 0.4 * slow + chance.uniform(0, 0.03),
        "memory_bytes": 180e6 + 1e5 * there,
        "connections": float(there * 2),
    }
    row.generator_cpu_share = 0.0004 * there + chance.uniform(0, 0.01)
    return row


def _measurements(rows: list[Row], chance: random.Random) -> Measurements:
    measured = TimeSeries("", "", rows).totals()
    sessions = measured.sessions
    for _ in range(sessions.started):
        sessions.startup.add(math.exp(chance.gauss(-0.4, 0.4)))
    for _ in range(measured.playlists.finished):
        measured.playlists.durations.add(chance.uniform(0.001, 0.01))
    sessions.stalled_seconds = sessions.stalls * 1.7
    sessions.watched_seconds = float(sum(row.clients["streaming"] for row in rows))
    failed = measured.http_errors[503]
    if failed:
        measured.errors = Counter({"http_503": failed, "refused": 3})
        measured.error_examples = {
            "http_503": '[http @ 0x0] HTTP error 503 <Service> & "Unavailable"',
            "refused": "[tcp @ 0x0] Connection to tcp://origin.test:8080 failed: "
            "Connection refused",
        }
    return measured


def _evidence(rows: list[Row], measured: Measurements, clients: int) -> Evidence:
    return Evidence(
        target=clients,
        started=sum(row.started for row in rows),
        ever_streamed=sum(row.started for row in rows),
        finished=0,
        streaming_seconds=float(sum(row.clients["streaming"] for row in rows)),
        lost_seconds=float(sum(row.clients["buffering"] + row.clients["backoff"] for row in rows)),
        restarts=sum(row.restarts for row in rows),
        playlists_read=900,
        segment_requests=measured.segments.requests,
        segment_failures=measured.segments.failed,
        ramp_planned_seconds=clients / 10,
        ramp_lateness_p99_seconds=0.03,
        telemetry_lines=1000 * clients,
        recognised_lines=900 * clients,
        dropped_bytes=0,
        own_failures=0,
    )
