"""What happens in a rig, for whoever listens; the last of it is kept.

A thousand clients that fail at once are no thousand events: of a kind and an item so many are
passed on at once and then a second, and what was left out is told as a number.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from hlsswarm.core.token_bucket import TokenBucket

KEPT_EVENTS = 500
_WAITING_EVENTS = 1000
"""What a listener may lag behind; a slower one loses the oldest."""
AT_ONCE = 30
PER_SECOND = 1.0
LEFT_OUT = "left-out"
_QUIET_SECONDS = 10.0
"""How often it is told what was left out."""


@dataclass(frozen=True)
class Event:
    """Something that happened: `kind` is a word, `item` what it happened to.

    `number` grows, also from one daemon to the next (microseconds since 1970, or one more than the
    event before), so that who was cut off can ask for what came after the last that he has.
    """

    number: int
    unix_time: float
    kind: str
    item: str
    message: str
    role: str = ""
    """What the item is, as the configuration has it: swarm, origin, …; `rig` for all of it."""
    client: int | None = None
    """Of a swarm, the client that it is about."""

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "number": self.number,
            "time": round(self.unix_time, 3),
            "kind": self.kind,
            "item": self.item,
            "message": self.message,
            "role": self.role,
            "client": self.client,
        }


class Events:
    """Takes in events and passes them on; never waits for a listener."""

    def __init__(self, tell: Callable[[Event], None] = lambda _: None) -> None:
        """`tell` is given each event at once, for the journal."""
        self._tell = tell
        self.recent: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._listeners: set[asyncio.Queue[Event]] = set()
        self._buckets: dict[tuple[str, str, str], TokenBucket] = {}
        self._told_left_out = 0.0

    def add(
        self, kind: str, item: str, message: str, *, role: str = "", client: int | None = None
    ) -> None:
        """Something has happened just now; what happens too often is only counted."""
        now = time.monotonic()
        bucket = self._buckets.get((kind, item, role))
        if bucket is None:
            bucket = TokenBucket(burst=AT_ONCE, per_second=PER_SECOND)
            self._buckets[kind, item, role] = bucket
        if bucket.take(now):
            self._pass_on(kind, item, message, role, client)

    def tell_left_out(self) -> None:
        """Tell how many were left out; to be called every second or so."""
        now = time.monotonic()
        if now - self._told_left_out < _QUIET_SECONDS:
            return
        for (kind, item, role), bucket in list(self._buckets.items()):
            count = bucket.told()
            if count:
                self._told_left_out = now
                self._pass_on(LEFT_OUT, item, f"{count} more of {kind!r} were left out", role, None)
            elif bucket.is_full(now):
                del self._buckets[kind, item, role]

    def _pass_on(self, kind: str, item: str, message: str, role: str, client: int | None) -> None:
        now = time.time()
        last = self.recent[-1].number if self.recent else 0
        number = max(last + 1, int(now * 1_000_000))
        event = Event(number, now, kind, item, message, role, client)
        self.recent.append(event)
        self._tell(event)
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)

    def since(self, number: int) -> list[Event]:
        """Events that are kept, after the one of this number."""
        return [event for event in self.recent if event.number > number]

    async def follow(self, *, after: int) -> AsyncIterator[Event]:
        """Events that are kept, after the one of this number, and all from now on."""
        queue: asyncio.Queue[Event] = asyncio.Queue(_WAITING_EVENTS)
        self._listeners.add(queue)
        try:
            for event in self.since(after):
                yield event
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)
