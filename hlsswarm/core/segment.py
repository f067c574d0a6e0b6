"""One machine's share of a plan that several machines run, each by itself. Pure.

    clients     1  2  3  4  5  6  7  8  9 10 11 12
    --segment  1/5 2/5 3/5 4/5 5/5 1/5 2/5 …          dealt out in turn, like cards

Nobody has to coordinate: what a machine does follows from the plan and its own K/N. A client keeps
its number, and with it its User-Agent, its jitter and its time to start, whichever machine has it:
N machines together start whom one machine would, when it would. As shares are interleaved, each
machine's ramp is even, and shares differ by one client at most (k6's execution segments stripe
their virtual users in the same way).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hlsswarm.core.kinds import Kind, reads

SEGMENTS_MAX = 10_000


@dataclass(frozen=True)
class Segment:
    """Share `number` (from 1) of `of` equal ones."""

    number: int = 1
    of: int = 1

    def __post_init__(self) -> None:
        """Raise ValueError unless 1 <= number <= of <= SEGMENTS_MAX."""
        if not 1 <= self.number <= self.of <= SEGMENTS_MAX:
            raise ValueError(f"{self} is no share")

    def __str__(self) -> str:
        """As the flag has it: `2/5`."""
        return f"{self.number}/{self.of}"

    @property
    def is_whole(self) -> bool:
        """Whether it is everything."""
        return self.of == 1

    def numbers(self, clients: int) -> range:
        """Whom of `clients` clients, counted from 1, it has."""
        return range(self.number, clients + 1, self.of)

    def places(self, count: int) -> range:
        """Where its first `count` clients stand in the whole plan's order, counted from 0."""
        return range(self.number - 1, self.number - 1 + count * self.of, self.of)


WHOLE = Segment()
"""All of a plan on one machine."""


@reads(Kind("segment", pattern=r"[1-9][0-9]{0,4}/[1-9][0-9]{0,4}", example="2/5"))
def parse_segment(text: str) -> Segment:
    """`K/N`, K from 1. Raises ValueError."""
    match = re.fullmatch(r"([0-9]{1,5})/([0-9]{1,5})", text.strip())
    if match is None or not text.isascii():
        raise ValueError(f"{text!r} is not K/N")
    return Segment(int(match[1]), int(match[2]))
