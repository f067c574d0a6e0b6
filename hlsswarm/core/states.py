"""The states of a client, from what its unit does and what its ffmpeg tells.

             start          first segment           no segment for long
idle ───────────► starting ─────────────► streaming ◄──────────────────► buffering
 ▲                   ▲                        │                              │
 │ finished          └────── backoff ◄────────┴── the process ended ─────────┘
"""

from __future__ import annotations

import enum


class ClientState(enum.StrEnum):
    """What a client does now."""

    STARTING = "starting"
    """Its process runs, and no Media Segment has come yet."""
    STREAMING = "streaming"
    """Media Segments arrive."""
    BUFFERING = "buffering"
    """It runs, but no Media Segment has come for longer than the stream allows."""
    BACKOFF = "backoff"
    """Its process ended, and systemd waits before it starts another."""
    IDLE = "idle"
    """Not started yet, or finished."""


class Phase(enum.Enum):
    """What systemd does with a client's unit."""

    WAITING = "waiting"
    RUNNING = "running"
    BACKOFF = "backoff"
    FINISHED = "finished"


DEFAULT_TARGET_DURATION_SECONDS = 6.0
"""Assumed where the playlist was not looked at: the value that Apple's authoring rules name."""
START_GRACE_SECONDS = 10.0
"""A client without its first segment for longer than this is buffering, not starting."""


def stall_after_seconds(target_duration_seconds: float) -> float:
    """Longest time without a segment that is still normal.

    A live Media Segment comes each Target Duration (RFC 8216bis, 6.2.2: a playlist is renewed
    within 1.5 of them); two of them and a second are no accident of timing any more.
    """
    return max(2 * target_duration_seconds + 1, 4.0)


def client_state(
    phase: Phase,
    *,
    connected_at: float | None,
    last_segment_at: float | None,
    now: float,
    stall_after: float,
) -> ClientState:
    """The state of a client; times are seconds of one monotonic clock."""
    if phase is Phase.BACKOFF:
        return ClientState.BACKOFF
    if phase is not Phase.RUNNING:
        return ClientState.IDLE
    if last_segment_at is not None:
        stalled = now - last_segment_at > stall_after
        return ClientState.BUFFERING if stalled else ClientState.STREAMING
    if connected_at is not None and now - connected_at > START_GRACE_SECONDS:
        return ClientState.BUFFERING
    return ClientState.STARTING
