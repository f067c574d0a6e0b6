"""Reads the origin's status page and node metrics while a run goes.

A source that does not answer is told once and tried again; it never ends a run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hlsswarm.core.origin_load import OriginLoad, parse_nginx_status, parse_node_metrics
from hlsswarm.metrics.http_get import GetError, get

INTERVAL_SECONDS = 2.0
_TIMEOUT_SECONDS = 5.0


class OriginWatch:
    """Keeps `load` up to date from the sources that were named."""

    def __init__(
        self, *, nginx_url: str | None, node_url: str | None, tell: Callable[[str], None]
    ) -> None:
        self.load = OriginLoad()
        self._tell = tell
        self._sources: list[tuple[str, Callable[[float, str], None]]] = []
        if nginx_url:
            self._sources.append((nginx_url, self._nginx))
        if node_url:
            self._sources.append((node_url, self._node))

    def _nginx(self, now: float, text: str) -> None:
        self.load.nginx(now, parse_nginx_status(text))

    def _node(self, now: float, text: str) -> None:
        self.load.node(now, parse_node_metrics(text))

    async def follow(self) -> None:
        """Read all sources every few seconds until cancelled."""
        failing: set[str] = set()
        while True:
            for url, take in self._sources:
                problem = await self._read(url, take)
                if problem and url not in failing:
                    self._tell(f"The origin's figures at {url} cannot be read: {problem}.")
                failing = failing | {url} if problem else failing - {url}
            await asyncio.sleep(INTERVAL_SECONDS)

    async def _read(self, url: str, take: Callable[[float, str], None]) -> str | None:
        """Read one source; what was wrong with it, if anything."""
        try:
            body = await get(url, timeout_seconds=_TIMEOUT_SECONDS)
            take(asyncio.get_running_loop().time(), body.decode("utf-8", errors="replace"))
        except (GetError, ValueError) as error:
            self.load.problem = str(error)
            return str(error)
        self.load.problem = None
        return None
