"""A listening socket that systemd connects the output of each process of a run's units to.

The pid that connected (SO_PEERCRED, unix(7)) is the process that becomes ffmpeg; its cgroup
names the unit. Everything that arrives is read, so that a process never waits for us.
What it says is a Hearer's: this knows only who speaks, and when.

All connections are in one epoll(7) of their own, and the event loop waits for that one alone: a
thousand processes that speak cost it one event, not a thousand.

Where a Keeper is given (systemd's store of file descriptors), the listener and the connections
outlive this process: the next one takes them over, and no process has noticed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import select
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

_UNIT = re.compile(r"/([^/\n]+\.service)$", re.MULTILINE)
_READ_BYTES = 64 * 1024
_BACKLOG = 4096
_ACCEPT_AGAIN_SECONDS = 0.1


class Hearer(Protocol):
    """Takes in what one process says; `now` is the running loop's time."""

    def feed(self, data: bytes, now: float) -> None:
        """The next piece, of any size."""

    def close(self, now: float) -> None:
        """The process has closed its end, or we no longer listen."""


class Keeper(Protocol):
    """Keeps descriptors while no controller runs; each has a name."""

    def keep(self, name: str, descriptor: int) -> None:
        """Keep a copy. A connection's goes by itself when its other side closes."""


LISTENER = "listener"
"""Name of the listening socket among the kept descriptors; a connection has its unit's."""


class Nobody:
    """Hears who is none of ours."""

    def feed(self, data: bytes, now: float) -> None:
        """Forget it."""

    def close(self, now: float) -> None:
        """Nothing was kept."""


def unit_of_process(pid: int) -> str | None:
    """The service that a process belongs to, by its cgroup; None when it is gone already."""
    try:
        text = Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return None
    match = _UNIT.search(text)
    return match[1] if match else None


class ProcessSocket:
    """Listens on a path; `hear(unit, pid)` gives the hearer of a process that has connected.

    What is said is read when it comes, or with `gather_seconds` so much later at most, together
    with what has come from everybody else meanwhile: cheaper, and times are as coarse as that.
    """

    def __init__(
        self,
        path: Path,
        hear: Callable[[str | None, int], Hearer],
        *,
        keeper: Keeper | None = None,
    ) -> None:
        self.path = path
        self.hear = hear
        self._keeper = keeper
        self.gather_seconds = 0.0
        self._socket: socket.socket | None = None
        self._speaking: select.epoll | None = None
        self._connections: dict[int, _Connection] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    def start(self, kept: socket.socket | None = None) -> None:
        """Begin to listen in the running loop, on a listener that was kept or on a new one.

        A path that nobody listens on any more is taken over.
        """
        listener = kept or self._bound()
        listener.setblocking(False)
        self._socket = listener
        if self._keeper is not None and kept is None:
            self._keeper.keep(LISTENER, listener.fileno())
        self._speaking = select.epoll()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._speaking.fileno(), self._spoken)
        loop.add_reader(listener.fileno(), self._accept)

    def _bound(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.path.unlink(missing_ok=True)
        listener.bind(str(self.path))
        # Units may run as another user; the directory above keeps strangers out.
        self.path.chmod(0o666)
        listener.listen(_BACKLOG)
        return listener

    def take_over(self, unit: str, kept: socket.socket) -> None:
        """Go on with the connection of a process that another controller has listened to."""
        self._add(_Connection(self, kept, unit=unit))

    def _add(self, connection: _Connection) -> None:
        self._connections[connection.fileno()] = connection
        self._idle.clear()
        if self._speaking is not None:
            self._speaking.register(connection.fileno(), select.EPOLLIN)

    def _accept(self) -> None:
        listener = self._socket
        while listener is not None:
            try:
                # With the last descriptor nobody could look whose the connection is.
                spare = os.dup(listener.fileno())
                try:
                    connection, _ = listener.accept()
                finally:
                    os.close(spare)
            except BlockingIOError:
                return
            except OSError:  # EMFILE and the like: a loop that tries at once does nothing else
                self._pause(listener)
                return
            made = _Connection(self, connection)
            self._add(made)
            if self._keeper is not None and made.unit is not None:
                self._keeper.keep(made.unit, connection.fileno())

    def _pause(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(listener.fileno())
        loop.call_later(_ACCEPT_AGAIN_SECONDS, self._go_on, listener)

    def _go_on(self, listener: socket.socket) -> None:
        if self._socket is listener:
            asyncio.get_running_loop().add_reader(listener.fileno(), self._accept)

    def _spoken(self) -> None:
        """Somebody has said something."""
        if self.gather_seconds and self._speaking is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._speaking.fileno())
            loop.call_later(self.gather_seconds, self._gathered)
        else:
            self._hear_speaking()

    def _gathered(self) -> None:
        """Hear what was gathered. Where many speak, gather on: a turn of the loop for each."""
        loop = asyncio.get_running_loop()
        if self._hear_speaking() and self.gather_seconds:
            loop.call_later(self.gather_seconds, self._gathered)
        elif self._speaking is not None:
            loop.add_reader(self._speaking.fileno(), self._spoken)

    def _hear_speaking(self) -> bool:
        """Whether anybody has spoken."""
        if self._speaking is None:
            return False
        spoken = self._speaking.poll(0)
        for descriptor, _ in spoken:
            # One that was heard a moment ago may have ended another's connection.
            if (connection := self._connections.get(descriptor)) is not None:
                connection.hear()
        return bool(spoken)

    def forget(self, descriptor: int) -> None:
        """A connection has ended, or is left to others; its descriptor is still open."""
        self._connections.pop(descriptor, None)
        if self._speaking is not None:
            self._speaking.unregister(descriptor)
        if not self._connections:
            self._idle.set()

    def hear_all(self) -> None:
        """Take in at once what all processes have said by now."""
        self._accept()
        for connection in tuple(self._connections.values()):
            connection.hear_all()

    async def drained(self, *, timeout_seconds: float) -> bool:
        """Wait until no process is connected, so that all that was said has been heard."""
        try:
            await asyncio.wait_for(self._idle.wait(), timeout_seconds)
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Stop to listen and remove the socket; what is connected is closed."""
        for connection in tuple(self._connections.values()):
            connection.end()
        self._leave()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    def let_go(self) -> None:
        """Stop to listen, as if this process had been killed: what is kept goes on elsewhere."""
        for connection in tuple(self._connections.values()):
            connection.leave()
        self._leave()

    def _leave(self) -> None:
        loop = asyncio.get_running_loop()
        for descriptor in (self._socket, self._speaking):
            if descriptor is not None:
                loop.remove_reader(descriptor.fileno())
                descriptor.close()
        self._socket = self._speaking = None


class _Connection:
    """The output of one process."""

    def __init__(
        self, server: ProcessSocket, connection: socket.socket, *, unit: str | None = None
    ) -> None:
        """`unit` is given for a connection that was taken over: its process may be gone."""
        self._server = server
        self._socket = connection
        self._loop = asyncio.get_running_loop()
        connection.setblocking(False)
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        pid: int = struct.unpack("iII", credentials)[0]
        self.unit = unit or unit_of_process(pid)
        self._hearer = server.hear(self.unit, pid)

    def fileno(self) -> int:
        """Its descriptor."""
        return self._socket.fileno()

    def hear(self) -> bool:
        """Take in what there is; whether there was anything, and may be more."""
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self.end()
            return False
        self._hearer.feed(data, self._loop.time())
        return True

    def hear_all(self) -> None:
        """Read until there is nothing more, or the end."""
        while self.hear():
            pass

    def leave(self) -> None:
        """Listen no more; for the process nothing has happened."""
        self._server.forget(self.fileno())
        self._socket.close()

    def end(self) -> None:
        """The process closed its end, or we no longer listen."""
        self.leave()
        self._hearer.close(self._loop.time())
