"""One client while the run goes: where its unit stands, and what its ffmpeg has told."""

from __future__ import annotations

from dataclasses import dataclass

from hlsswarm.core.states import ClientState, Phase, client_state
from hlsswarm.telemetry.client import ClientTelemetry

STABLE_AFTER_SECONDS = 30.0
"""A process that has streamed for so long starts the next back-off from the short wait."""


@dataclass
class Client:
    """Run-time state of client `number`; times are of the loop's clock, in seconds."""

    number: int
    unit: str
    telemetry: ClientTelemetry
    phase: Phase = Phase.WAITING
    pid: int | None = None
    """Process that talks to us now."""
    failures: int = 0
    """Ends in a row without a good stretch between them."""
    wait_in_unit_seconds: float = 0.0
    """RestartUSec that the unit was made with (managers without restart steps)."""
    restarts: int = 0
    counter_reset: bool = False
    """Whether systemd's restart counter was reset for the present process."""
    played_to_end: bool = False
    leaving: bool = False
    """Whether the swarm was made smaller by this client: its end is ours."""
    stopped_outside: bool = False
    """Whether somebody stopped its unit, which stays stopped then."""
    last_end: str = ""
    """How the process ended last, in words."""

    def state(self, now: float) -> ClientState:
        """What the client does now."""
        streams = self.telemetry.first_segment_at is not None
        return client_state(
            self.phase,
            waited_seconds=0.0 if streams else self.seconds_without_segment(now),
            streams=streams,
            stalled=streams and self.telemetry.stalled_for(now) > 0,
        )

    def is_stable(self, now: float) -> bool:
        """Whether the present process has streamed for a good stretch."""
        first = self.telemetry.first_segment_at
        return first is not None and now - first >= STABLE_AFTER_SECONDS

    def seconds_without_segment(self, now: float) -> float:
        """Time since the last segment (or since the start) of the present process."""
        since = self.telemetry.last_segment_at or self.telemetry.connected_at
        return 0.0 if since is None else now - since
