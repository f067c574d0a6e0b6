"""What happens in a rig, for whoever listens; the last of it is kept."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

KEPT_EVENTS = 500
_WAITING_EVENTS = 1000
"""What a listener may lag behind; a slower one loses the oldest."""


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

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "number": self.number,
            "time": round(self.unix_time, 3),
            "kind": self.kind,
            "item": self.item,
            "message": self.message,
        }


class Events:
    """Takes in events and passes them on; never waits for a listener."""

    def __init__(self, tell: Callable[[Event], None] = lambda _: None) -> None:
        """`tell` is given each event at once, for the journal."""
        self._tell = tell
        self.recent: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._listeners: set[asyncio.Queue[Event]] = set()

    def add(self, kind: str, item: str, message: str) -> Event:
        """Something has happened just now."""
        now = time.time()
        last = self.recent[-1].number if self.recent else 0
        event = Event(max(last + 1, int(now * 1_000_000)), now, kind, item, message)
        self.recent.append(event)
        self._tell(event)
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)
        return event

    def since(self, number: int) -> list[Event]:
        """Events that are kept, after the one of this number."""
        return [event for event in self.recent if event.number > number]

    async def follow(self, *, after: int) -> AsyncIterator[Event]:
        """Events that are kept, after the one of this number, and all from now on."""
        queue: asyncio.Queue[Event] = asyncio.Queue(_WAITING_EVENTS)
        self._listeners.add(queue)
        with contextlib.closing(_Leaving(self._listeners, queue)):
            for event in self.since(after):
                yield event
            while True:
                yield await queue.get()


@dataclass(frozen=True)
class _Leaving:
    """Takes a listener out."""

    listeners: set[asyncio.Queue[Event]]
    queue: asyncio.Queue[Event]

    def close(self) -> None:
        self.listeners.discard(self.queue)
