"""What a great many viewers take, computed from a bench's largest swarm. Pure.

Nothing here was measured: each figure is a measured one times the number of viewers, and a
machine is filled to FILL_SHARE of what it held, so that a busy second does not void the result.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bench.results import largest, row

VIEWERS: Final = (10_000, 100_000, 1_000_000)
FILL_SHARE: Final = 0.8
STREAM_BITS_PER_SECOND: Final = 1_000_000


@dataclass(frozen=True)
class Needs:
    """Of so many viewers: machines like the one that was measured, and what they need in sum."""

    viewers: int
    machines: int
    processors_busy: float
    memory_bytes: float
    """Of the clients."""
    start_seconds: float
    """Until all machines, side by side, have started their share."""
    bits_per_second: float
    """For a stream of STREAM_BITS_PER_SECOND."""


def needs(document: Mapping[str, Any]) -> list[Needs]:
    """For each of VIEWERS; none where no largest swarm was found."""
    most = largest(document)
    held = row(document, "capacity", clients=most, holds=True) if most else None
    if held is None:
        return []
    each = held["machine_busy_share"] * document["machine"]["processors"] / held["clients"]
    on_one = max(1, int(held["clients"] * FILL_SHARE))
    return [
        Needs(
            viewers,
            math.ceil(viewers / on_one),
            viewers * each,
            viewers * held["pss_bytes"],
            min(viewers, on_one) / held["rate"],
            viewers * STREAM_BITS_PER_SECOND,
        )
        for viewers in VIEWERS
    ]
