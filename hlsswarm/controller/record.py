"""Keeps the record of a run: client time by state, ends of processes, peaks and lateness.

Sampled once a second by the swarm; the verdict's evidence is made from it. No I/O.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hlsswarm.controller.client import Client
from hlsswarm.core.exits import OOM_KILL
from hlsswarm.core.saturation import Saturation
from hlsswarm.core.states import ClientState

RECENT_ERRORS = 5


@dataclass(frozen=True)
class ProcessEnd:
    """A process of a client has ended by itself before it should."""

    client: int
    label: str
    """As it is counted (core.exits)."""
    words: str


@dataclass
class RunRecord:
    """Everything that is counted over a run besides telemetry's totals."""

    started: int = 0
    active: int = 0
    """Processes that run now."""
    peak_active: int = 0
    restarts: int = 0
    own_failures: int = 0
    exits: Counter[str] = field(default_factory=Counter)
    lateness_seconds: list[float] = field(default_factory=list)
    first_start_at: float | None = None
    last_start_at: float | None = None
    streaming_seconds: float = 0.0
    lost_seconds: float = 0.0
    saturation: Saturation = field(default_factory=Saturation)
    tell: Callable[[ProcessEnd], None] = lambda _: None
    """Who wants to hear of every end of a process (-v)."""
    recent_errors: deque[str] = field(default_factory=lambda: deque(maxlen=RECENT_ERRORS))
    _sampled_at: float | None = None

    @property
    def oom_kills(self) -> int:
        """Processes that ran out of memory."""
        return self.exits[OOM_KILL]

    def start_done(self, due: float, now: float) -> None:
        """A client's first process runs; it was due at `due`."""
        self.started += 1
        self.lateness_seconds.append(max(0.0, now - due))
        if self.first_start_at is None:
            self.first_start_at = now
        self.last_start_at = now

    def process_up(self) -> None:
        """One more process runs."""
        self.active += 1
        self.peak_active = max(self.peak_active, self.active)

    def process_down(self) -> None:
        """One process less runs."""
        self.active -= 1

    def process_ended(self, client: Client, label: str, words: str) -> None:
        """A process ended by itself before it should, as systemd tells it."""
        self.exits[label] += 1
        client.telemetry.totals.measured.sessions.failed += 1
        client.last_end = words
        said = client.telemetry.last_error
        event = f"#{client.number} {words}" + (f": {said}" if said else "")
        self.recent_errors.append(event)
        self.tell(ProcessEnd(client.number, label, event))

    def played_to_end(self, client: Client) -> None:
        """A process has played a finished presentation to its end."""
        self.exits["0"] += 1
        client.played_to_end = True
        client.last_end = "played to the end"

    def sample(self, clients: Iterable[Client], now: float) -> Counter[ClientState]:
        """Count clients by state, and add the time since the last sample to each state's."""
        seconds = 0.0 if self._sampled_at is None else now - self._sampled_at
        self._sampled_at = now
        counts: Counter[ClientState] = Counter()
        for client in clients:
            state = client.state(now)
            counts[state] += 1
            if state is ClientState.STREAMING:
                self.streaming_seconds += seconds
            elif state in {ClientState.BUFFERING, ClientState.BACKOFF}:
                self.lost_seconds += seconds
            elif state is ClientState.STARTING and client.restarts:
                # A start after a failure is time that a viewer sees nothing, from its beginning.
                self.lost_seconds += seconds
        return counts


def count_states(clients: Iterable[Client], now: float) -> dict[ClientState, int]:
    """Clients by state, every state named."""
    counts = dict.fromkeys(ClientState, 0)
    for client in clients:
        counts[client.state(now)] += 1
    return counts


def ever_streamed(clients: Iterable[Client]) -> int:
    """Clients that received at least one Media Segment."""
    return sum(1 for client in clients if client.telemetry.segments)


def finished(clients: Iterable[Client]) -> int:
    """Clients that played a finished presentation to its end."""
    return sum(1 for client in clients if client.played_to_end)
