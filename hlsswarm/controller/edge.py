"""Follows a live stream's Media Playlist, to know when each segment was made.

One request each Target Duration from the controller, for all clients together; a playlist that
does not answer is left out, and a stream without dates is followed no further.
"""

from __future__ import annotations

import asyncio
import ssl

from hlsswarm.core.live_edge import LiveEdge
from hlsswarm.metrics.http_get import GetError, get

_TIMEOUT_SECONDS = 5.0


async def follow_edge(
    edge: LiveEdge,
    url: str,
    *,
    interval_seconds: float,
    address: str | None,
    context: ssl.SSLContext | None = None,
) -> None:
    """Read the playlist again and again until cancelled."""
    while True:
        try:
            body = await get(
                url, timeout_seconds=_TIMEOUT_SECONDS, address=address, context=context
            )
        except GetError:
            body = b""
        if body and not edge.read(body.decode("utf-8", errors="replace")):
            # Not a stream with dates: nothing to learn, and the origin is spared the requests.
            await asyncio.Event().wait()
        await asyncio.sleep(max(interval_seconds, 1.0))
