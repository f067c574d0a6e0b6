"""Events as a stream: Server-Sent Events (HTML Living Standard, 9.2).

A reader that is cut off says with Last-Event-ID which event was its last. One that is slow loses
the oldest events (rig.events), and one that reads nothing is cut off (server).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

from hlsswarm.api.routes import Call
from hlsswarm.rig.events import Event

_ALIVE_SECONDS = 15.0


def number_before(call: Call) -> int:
    """The number of the last event that the caller has; 0 for none."""
    last = call.headers.get("Last-Event-ID", "")
    if last.isascii() and last.isdigit() and len(last) <= 20:
        return int(last)
    return int(call.query.get("after", 0))


async def event_stream(call: Call) -> AsyncIterator[bytes]:
    """Events as they come; a comment when there are none for a while, so that an end is noticed."""
    events = call.controls.steering.rig.events.follow(after=number_before(call))
    yield b"retry: 2000\n\n"
    coming: asyncio.Future[Event] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(events))
            await asyncio.wait({coming}, timeout=_ALIVE_SECONDS)
            if coming.done():
                yield encoded(coming.result())
                coming = None
            else:
                yield b": alive\n\n"
    finally:
        if coming is not None:
            coming.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await coming
        await events.aclose()  # type: ignore[attr-defined]


def encoded(event: Event) -> bytes:
    """One event; JSON has no line breaks."""
    data = json.dumps(event.as_dict(), ensure_ascii=False)
    return f"id: {event.number}\ndata: {data}\n\n".encode()
