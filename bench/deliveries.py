"""Did every client receive every segment? From nginx's access log alone. Pure.

A client has to have each segment from the first that it asked for until `until`, a moment shortly
before the swarm was stopped: what was new then may have been on its way. A segment counts when all
of its bytes were sent; its size is the most that any client got of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_CLIENT = re.compile(r"/client-(\d+)$")
_NUMBER = re.compile(r"(\d+)\.(?:ts|m4s)$")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a Media Segment; `time` is when its answer ended (seconds since 1970)."""

    client: int
    segment: int
    time: float
    status: int
    body_bytes: int


@dataclass(frozen=True)
class Delivery:
    """What came of a swarm, by the origin's log.

    `full_seconds` is the time from the first client's first segment until the last one's; None
    when not all clients got one.
    """

    clients: int
    seen: int
    complete: int
    """Clients that have every segment that they had to have."""
    expected: int
    delivered: int
    """Segments, of those expected."""
    full_seconds: float | None

    @property
    def is_whole(self) -> bool:
        """Whether every client received every segment."""
        return self.complete == self.clients and self.expected > 0


def asked(lines: Iterable[str], agent: str) -> Iterator[Asked]:
    """The requests for segments of user agents AGENT/client-N; a torn line is left out."""
    mark = f'"{agent}/client-'
    for line in lines:
        if mark not in line or not line.endswith("}"):
            continue
        fields = json.loads(line)
        number = _NUMBER.search(fields["uri"].partition("?")[0])
        client = _CLIENT.search(fields["user_agent"])
        if number and client:
            yield Asked(
                int(client[1]),
                int(number[1]),
                fields["time"],
                fields["status"],
                fields["body_bytes"],
            )


def delivery(requests: Sequence[Asked], clients: int, *, until: float) -> Delivery:
    """What `clients` clients received of what was there at `until` (seconds since 1970)."""
    sizes: dict[int, int] = {}
    published: dict[int, float] = {}
    for one in requests:
        if one.status in {200, 206}:
            sizes[one.segment] = max(sizes.get(one.segment, 0), one.body_bytes)
            published[one.segment] = min(published.get(one.segment, one.time), one.time)
    whole: dict[int, set[int]] = {}
    first_asked: dict[int, int] = {}
    first_got: dict[int, float] = {}
    for one in requests:
        first_asked[one.client] = min(first_asked.get(one.client, one.segment), one.segment)
        if one.status in {200, 206} and one.body_bytes == sizes[one.segment]:
            whole.setdefault(one.client, set()).add(one.segment)
            first_got[one.client] = min(first_got.get(one.client, one.time), one.time)
    due = {segment for segment, time in published.items() if time <= until}
    complete = expected = delivered = 0
    for client, first in first_asked.items():
        wanted = {segment for segment in due if segment >= first}
        had = wanted & whole.get(client, set())
        expected += len(wanted)
        delivered += len(had)
        complete += bool(wanted) and had == wanted
    everybody = len(first_got) >= clients > 0
    full = max(first_got.values()) - min(first_got.values()) if everybody else None
    return Delivery(clients, len(first_asked), complete, expected, delivered, full)
