"""Several things at once, until one of them ends the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence


async def until_one_ends(beginning: Awaitable[object], waits: Sequence[Awaitable[object]]) -> None:
    """Wait until one of `waits` ends; `beginning` goes on beside them, and may end before.

    Raises what any of them raises. Whatever has not ended then is cancelled.
    """
    first = asyncio.ensure_future(beginning)
    ends = [asyncio.ensure_future(wait) for wait in waits]
    try:
        waiting = {first, *ends}
        while True:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if done != {first}:
                return
    finally:
        for task in (first, *ends):
            task.cancel()
        await asyncio.gather(first, *ends, return_exceptions=True)
