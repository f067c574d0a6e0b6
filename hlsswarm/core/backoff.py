"""How long a failed client waits before it starts again.

The wait doubles with each failure in a row, from `minimum` to `maximum`, and each client has a
jitter of its own, so that a swarm that was thrown out together does not come back together.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

JITTER = 0.2
"""A client's waits lie within ±20 % of the doubling series."""


@dataclass(frozen=True)
class Backoff:
    """Waits in seconds: the first, and the longest."""

    minimum_seconds: float = 0.5
    maximum_seconds: float = 30.0

    def __post_init__(self) -> None:
        """Raise ValueError unless 0 < minimum <= maximum."""
        if not 0 < self.minimum_seconds <= self.maximum_seconds:
            raise ValueError("the shortest wait must be above 0 and at most the longest")

    @property
    def steps(self) -> int:
        """Doublings from the first wait to the longest (`RestartSteps=`, systemd.service(5))."""
        return math.ceil(math.log2(self.maximum_seconds / self.minimum_seconds))

    def factor(self, client: int, seed: int) -> float:
        """This client's own jitter, 1 ± JITTER, the same at each call."""
        return random.Random(f"backoff {seed} {client}").uniform(1 - JITTER, 1 + JITTER)

    def delay_seconds(self, failures: int, client: int, seed: int) -> float:
        """Wait after the `failures`-th failure in a row (from 1) of `client`."""
        doublings = min(max(failures, 1) - 1, self.steps)
        plain = min(self.minimum_seconds * 2.0**doublings, self.maximum_seconds)
        return plain * self.factor(client, seed)
