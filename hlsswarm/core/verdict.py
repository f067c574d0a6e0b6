"""What a run has shown: healthy, at its limit, failing, or nothing at all.

Judged by the share of client time in which segments arrived. A client's time counts from its
start; the first START_GRACE_SECONDS before a first segment count neither way. Pure.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

HEALTHY_SHARE = 0.95
FAILING_SHARE = 0.50
HEALTHY_FAILURE_RATE = 0.01
FAILING_FAILURE_RATE = 0.25
LATENESS_TOLD_SECONDS = 0.5
LATENESS_VOID_SECONDS = 5.0


class Verdict(enum.StrEnum):
    """The result of a run in a word."""

    HEALTHY = "healthy"
    """Active clients are about the target, and hardly any restarts or failures."""
    AT_LIMIT = "at_limit"
    """Part of the swarm plays, part of it does not: the breaking point is near."""
    FAILING = "failing"
    """Most clients restart or wait, or most requests fail."""
    VOID = "void"
    """Our own side broke: the figures say nothing about the origin."""


@dataclass(frozen=True)
class Evidence:
    """What the verdict stands on. Times in seconds, summed over clients."""

    target: int
    started: int
    ever_streamed: int
    """Clients that received at least one Media Segment."""
    finished: int
    """Clients that played a finished presentation to its end."""
    streaming_seconds: float
    lost_seconds: float
    """Buffering, in back-off, or starting for too long."""
    restarts: int
    playlists_read: int
    segment_requests: int
    segment_failures: int
    ramp_planned_seconds: float
    ramp_lateness_p99_seconds: float
    telemetry_lines: int
    recognised_lines: int
    dropped_bytes: int
    own_failures: int
    """Processes that systemd could not even run."""
    oom_kills: int = 0
    """Processes that ran out of memory: of a limit of ours, or of this machine's."""
    saturated_seconds: int = 0
    """Seconds in which this machine was the bottleneck (core.saturation)."""
    saturated_from_clients: int | None = None
    saturated_by: str = ""
    run_seconds: float = 0.0
    interrupted: bool = False
    broken: str | None = None
    """Why the controller itself could not go on."""


def judge(evidence: Evidence) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict and its reasons, one sentence each."""
    broken = _own_side(evidence)
    if broken:
        return Verdict.VOID, broken
    if evidence.ever_streamed == 0:
        return _nobody_streamed(evidence)
    verdict, reasons = _origin(evidence)
    if evidence.saturated_from_clients is None:
        return verdict, reasons
    saturated = (
        f"This machine was saturated from {evidence.saturated_from_clients} clients on, for "
        f"{evidence.saturated_seconds} s: {evidence.saturated_by}."
    )
    if verdict is not Verdict.HEALTHY and evidence.saturated_seconds > evidence.run_seconds / 2:
        # What the clients lacked may have been ours to give.
        return Verdict.VOID, (saturated, *reasons)
    return verdict, (*reasons, saturated)


def _nobody_streamed(evidence: Evidence) -> tuple[Verdict, tuple[str, ...]]:
    """What it means that not one segment arrived."""
    if evidence.interrupted and evidence.restarts == 0:
        return Verdict.VOID, ("The run was stopped before any client had streamed.",)
    if evidence.playlists_read and not evidence.segment_requests and not evidence.restarts:
        return Verdict.VOID, (
            "Clients read playlists and went on, but no request for a segment was understood in "
            "their messages.",
        )
    return Verdict.FAILING, ("No client ever received a segment.",)


def streaming_share(evidence: Evidence) -> float | None:
    """Share of client time in which segments arrived; None when there was no such time."""
    total = evidence.streaming_seconds + evidence.lost_seconds
    return evidence.streaming_seconds / total if total else None


def _own_side(evidence: Evidence) -> tuple[str, ...]:
    """Sentences on what broke on our side; empty when nothing did."""
    reasons = []
    if evidence.broken:
        reasons.append(evidence.broken)
    if evidence.own_failures:
        reasons.append(f"systemd could not run {evidence.own_failures} client processes.")
    if evidence.oom_kills > _chance(evidence):
        reasons.append(
            f"{evidence.oom_kills} client processes ran out of memory (oom-kill): that limit is "
            "of this side, and says nothing of the origin."
        )
    if evidence.telemetry_lines and not evidence.recognised_lines:
        reasons.append("Not one line of this ffmpeg's messages was understood.")
    late = evidence.ramp_lateness_p99_seconds
    if late > max(LATENESS_VOID_SECONDS, evidence.ramp_planned_seconds / 2):
        reasons.append(f"Clients were started up to {late:.1f} s late: this machine is too busy.")
    return tuple(reasons)


def _chance(evidence: Evidence) -> int:
    """So many lost processes are chance; each client once is somebody's fault."""
    return max(1, evidence.started // 20)


def _origin(evidence: Evidence) -> tuple[Verdict, tuple[str, ...]]:
    """Judge the origin by what the clients got of it."""
    known = streaming_share(evidence)
    share = 1.0 if known is None else known
    requests = evidence.segment_requests
    rate = evidence.segment_failures / requests if requests else 0.0
    reasons = [
        f"{evidence.ever_streamed} of {evidence.started} clients streamed, "
        f"{share:.1%} of their time."
    ]
    if evidence.segment_failures:
        reasons.append(f"{evidence.segment_failures} of {requests} segment requests failed.")
    if evidence.restarts:
        reasons.append(f"Clients had to be restarted {evidence.restarts} times.")
    if evidence.ramp_lateness_p99_seconds > LATENESS_TOLD_SECONDS:
        late = evidence.ramp_lateness_p99_seconds
        reasons.append(f"The ramp was up to {late:.1f} s late: this machine was busy.")
    if evidence.oom_kills:
        reasons.append(f"{evidence.oom_kills} of the processes ran out of memory (oom-kill).")
    if evidence.finished:
        reasons.append(f"{evidence.finished} clients played to the end.")
    if share < FAILING_SHARE or rate > FAILING_FAILURE_RATE:
        return Verdict.FAILING, tuple(reasons)
    many_restarts = evidence.restarts > _chance(evidence)
    too_few = evidence.ever_streamed < evidence.started * HEALTHY_SHARE
    if share < HEALTHY_SHARE or rate > HEALTHY_FAILURE_RATE or many_restarts or too_few:
        return Verdict.AT_LIMIT, tuple(reasons)
    return Verdict.HEALTHY, tuple(reasons)
