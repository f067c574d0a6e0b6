"""Connections of the API: how many there are, and how long one may stay without asking anything.

aiohttp waits for a request for ever. Here one that is not begun, or whose answer is not taken, in
time is cut off, and where there are too many the one that has been quiet for longest goes, so that
the next caller always gets in.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable

CONNECTIONS_MAX = 512
"""Of one listener; fewer where this process may have few descriptors."""
QUIET_SECONDS = 30.0
"""For a request's head to arrive, the wait for it included."""
ANSWER_SECONDS = 120.0
"""For a request's body to arrive, for what it asks to be done, and for the answer to be taken."""


class Connections:
    """All connections of all listeners. `make` makes what speaks HTTP on one of them."""

    def __init__(self, make: Callable[[], asyncio.Protocol]) -> None:
        self._make = make
        self._there: dict[asyncio.BaseTransport, Connection] = {}
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        few = files != resource.RLIM_INFINITY and files // 8 < CONNECTIONS_MAX
        self._most = max(8, files // 8) if few else CONNECTIONS_MAX

    def __call__(self) -> Connection:
        """What asyncio calls for each new connection."""
        return Connection(self, self._make())

    def __len__(self) -> int:
        return len(self._there)

    def came(self, transport: asyncio.Transport, connection: Connection) -> None:
        """One more; where there are too many, one less."""
        if len(self._there) >= self._most:
            quiet = (each for each in self._there.values() if not each.is_answered)
            oldest = next(quiet, next(iter(self._there.values())))
            oldest.cut()
        self._there[transport] = connection

    def went(self, transport: asyncio.BaseTransport) -> None:
        """One less."""
        self._there.pop(transport, None)

    def asks(self, transport: asyncio.BaseTransport | None) -> None:
        """A whole head of a request has come on this connection."""
        if transport is not None and transport in self._there:
            connection = self._there.pop(transport)
            self._there[transport] = connection  # the last to go
            connection.allow(ANSWER_SECONDS, answered=True)

    def answered(self, transport: asyncio.BaseTransport | None) -> None:
        """What it asked for was done."""
        if transport is not None and transport in self._there:
            self._there[transport].allow(ANSWER_SECONDS, answered=False)

    def streams(self, transport: asyncio.BaseTransport | None) -> None:
        """This connection is to stay."""
        if transport is not None and transport in self._there:
            self._there[transport].allow(None, answered=True)


class Connection(asyncio.Protocol):
    """Passes on what comes to what speaks HTTP, and ends the connection in time."""

    def __init__(self, all_of_them: Connections, http: asyncio.Protocol) -> None:
        self._all = all_of_them
        self._http = http
        self._transport: asyncio.Transport | None = None
        self._end: asyncio.TimerHandle | None = None
        self.is_answered = False
        """Whether a request is being answered."""

    def allow(self, seconds: float | None, *, answered: bool) -> None:
        """So much time from now on; None: any."""
        self.is_answered = answered
        if self._end is not None:
            self._end.cancel()
        loop = asyncio.get_running_loop()
        self._end = None if seconds is None else loop.call_later(seconds, self.cut)

    def cut(self) -> None:
        """End the connection at once; close() would wait for a caller that does not read."""
        if self._transport is not None:
            self._all.went(self._transport)
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            self._all.came(transport, self)
            self.allow(QUIET_SECONDS, answered=False)
        self._http.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        if self._end is not None:
            self._end.cancel()
        if self._transport is not None:
            self._all.went(self._transport)
        self._http.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self._http.data_received(data)

    def eof_received(self) -> bool | None:
        """No more will come."""
        return self._http.eof_received()

    def pause_writing(self) -> None:
        """The caller does not take what is written."""
        self._http.pause_writing()

    def resume_writing(self) -> None:
        """It does again."""
        self._http.resume_writing()
