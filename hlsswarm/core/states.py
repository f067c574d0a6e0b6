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
    """It runs, but the picture would stand still: what had arrived is played."""
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
    STOPPED = "stopped"


DEFAULT_TARGET_DURATION_SECONDS = 6.0
"""Assumed where the playlist was not looked at: the value that Apple's authoring rules name."""
START_GRACE_SECONDS = 10.0
"""A client without its first segment for longer than this is buffering, not starting."""


def client_state(
    phase: Phase, *, waited_seconds: float, streams: bool, stalled: bool
) -> ClientState:
    """The state of a client.

    `waited_seconds` since its process began, `streams` when that has received a segment,
    `stalled` when its virtual player's buffer is empty (core.playhead).
    """
    if phase is Phase.BACKOFF:
        return ClientState.BACKOFF
    if phase is not Phase.RUNNING:
        return ClientState.IDLE
    if streams:
        return ClientState.BUFFERING if stalled else ClientState.STREAMING
    return ClientState.BUFFERING if waited_seconds > START_GRACE_SECONDS else ClientState.STARTING
