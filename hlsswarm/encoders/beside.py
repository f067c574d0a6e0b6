"""Work that goes on beside a loop, at most one piece for each name. Knows asyncio alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any


class Beside:
    """Runs coroutines; `told` hears of one that failed."""

    def __init__(self, told: Callable[[str], None]) -> None:
        self._told = told
        self._tasks: dict[Hashable, asyncio.Task[None]] = {}

    def __contains__(self, name: Hashable) -> bool:
        return name in self._tasks

    def do(self, name: Hashable, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin this, unless something of that name goes on."""
        if name not in self._tasks:
            task = asyncio.create_task(work())
            self._tasks[name] = task
            task.add_done_callback(lambda done: self._done(name, done))

    def _done(self, name: Hashable, task: asyncio.Task[None]) -> None:
        del self._tasks[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._told(f"{name}: {error}")

    async def close(self) -> None:
        """End what goes on, and wait for that."""
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
