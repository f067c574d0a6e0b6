"""When each client is to start: a pure, seeded function.

    clients
      N ┤              ┌──────────────
        │         ┌────┘
        │    ┌────┘            one start each 1/rate seconds, each start
      1 ┼────┘                 moved by its own jitter, not the ones after it
        └────┴────┴────┴──────────────► seconds since the run began

Client i (counted from 0) is due at i/rate + jitter_i, where jitter_i is uniform in [0, jitter], and
jitter never more than the 1/rate between two starts. The offsets do not add up: the last client is
due at (N-1)/rate + at most one jitter, so jitter spreads the starts and leaves the rate as it was
asked for. Nor do they clump: with 0.2 s at 50 a second, ten starts could fall together, and what a
start takes of the processors is then taken from the clients that play and are measured. A segment
has the starts of its own clients, at the times that they have in the whole ramp.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from hlsswarm.core.segment import WHOLE, Segment

_LEAST_RATE = 1e-9
"""Below it 1/rate could be infinite."""


@dataclass(frozen=True)
class Start:
    """One planned start: `due_seconds` since the run began, `client` counted from 1."""

    due_seconds: float
    client: int


def ramp_schedule(
    clients: int,
    *,
    rate_per_second: float,
    jitter_seconds: float,
    seed: int,
    segment: Segment = WHOLE,
) -> tuple[Start, ...]:
    """All starts of a segment's `clients` clients in the order of time, numbered as in the plan.

    `rate_per_second` 0 starts everybody at once (spread by the jitter alone). The same arguments
    give the same schedule. Raises ValueError for a negative number of clients, rate or jitter.
    """
    if clients < 0 or rate_per_second < 0 or jitter_seconds < 0:
        raise ValueError("clients, rate and jitter must not be negative")
    if rate_per_second:
        jitter_seconds = min(jitter_seconds, 1 / max(rate_per_second, _LEAST_RATE))
    rng = random.Random(f"ramp {seed}")
    starts = []
    before = 0
    for index in segment.places(clients):
        for _ in range(before, index):  # the jitter of others' clients
            rng.random()
        before = index + 1
        # Divided, not multiplied by 1/rate: that would be infinite for the smallest rates.
        plain = index / rate_per_second if rate_per_second else 0.0
        starts.append(Start(plain + rng.uniform(0, jitter_seconds), index + 1))
    return tuple(sorted(starts, key=lambda start: start.due_seconds))
