"""Takes in ffmpeg's stderr: a listening socket that systemd connects each client's process to.

The pid that connected (SO_PEERCRED, unix(7)) is the process that becomes ffmpeg; its cgroup
names the unit. Everything that arrives is read at once, so that a client never waits for us;
what is kept of it is bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from hlsswarm.core.commands import Measure
from hlsswarm.telemetry.client import ClientTelemetry, TelemetryTotals
from hlsswarm.telemetry.parser import FFmpegLogParser

_UNIT = re.compile(r"/([^/\n]+\.service)$", re.MULTILINE)
_READ_BYTES = 64 * 1024
_BACKLOG = 4096


class Observer(Protocol):
    """Who is told that processes of clients come and go."""

    def telemetry_of(self, unit: str) -> ClientTelemetry | None:
        """Where the lines of this unit's process belong; None when it is not ours."""

    def process_started(self, unit: str, pid: int) -> None:
        """A process of the unit has connected."""

    def process_ended(self, unit: str, pid: int) -> None:
        """The connection of that process is gone: it has ended, or is about to."""


def unit_of_process(pid: int) -> str | None:
    """The service that a process belongs to, by its cgroup; None when it is gone already."""
    try:
        text = Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return None
    match = _UNIT.search(text)
    return match[1] if match else None


class TelemetryServer:
    """Listens on a socket path for the processes of one run."""

    def __init__(
        self, path: Path, totals: TelemetryTotals, observer: Observer, *, measure: Measure
    ) -> None:
        self.path = path
        self.totals = totals
        self._observer = observer
        self._measure: Measure = measure
        self._socket: socket.socket | None = None
        self._connections: set[_Connection] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    def start(self) -> None:
        """Begin to listen in the running loop. The path must not exist yet."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        listener.bind(str(self.path))
        # Units may run as another user; the directory above keeps strangers out.
        self.path.chmod(0o666)
        listener.listen(_BACKLOG)
        self._socket = listener
        asyncio.get_running_loop().add_reader(listener.fileno(), self._accept)

    def _accept(self) -> None:
        listener = self._socket
        while listener is not None:
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                return
            except OSError:  # EMFILE and the like: the next round tries again
                return
            self._connections.add(_Connection(self, connection))
            self._idle.clear()

    def forget(self, connection: _Connection) -> None:
        """A connection has ended."""
        self._connections.discard(connection)
        if not self._connections:
            self._idle.set()

    async def drained(self, *, timeout_seconds: float) -> bool:
        """Wait until no process is connected, so that all that was said has been heard."""
        try:
            await asyncio.wait_for(self._idle.wait(), timeout_seconds)
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Stop to listen and remove the socket; what is connected is closed."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
        for connection in tuple(self._connections):
            connection.end()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    def observer(self) -> Observer:
        """Who is told of processes."""
        return self._observer

    def parser_for(self, sink: ClientTelemetry) -> FFmpegLogParser:
        """A parser for one process."""
        return FFmpegLogParser(sink, measure=self._measure)


class _Connection:
    """One process's stderr."""

    def __init__(self, server: TelemetryServer, connection: socket.socket) -> None:
        self._server = server
        self._socket = connection
        self._loop = asyncio.get_running_loop()
        self._clock: Callable[[], float] = self._loop.time
        connection.setblocking(False)
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        self._pid: int = struct.unpack("iII", credentials)[0]
        self._unit = unit_of_process(self._pid)
        sink = server.observer().telemetry_of(self._unit) if self._unit else None
        if sink is None:
            self._unit = None
            server.totals.unattributed_connections += 1
            sink = ClientTelemetry(server.totals)
        self._sink = sink
        self._parser = server.parser_for(sink)
        self._counted = (0, 0, 0)
        sink.process_started(self._clock())
        if self._unit is not None:
            server.observer().process_started(self._unit, self._pid)
        self._loop.add_reader(connection.fileno(), self._readable)

    def _readable(self) -> None:
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.end()
            return
        self._parser.feed(data, self._clock())
        self._count()

    def _count(self) -> None:
        parser, totals = self._parser, self._server.totals
        lines, recognised, dropped = self._counted
        totals.lines += parser.lines - lines
        totals.recognised_lines += parser.recognised - recognised
        totals.dropped_bytes += parser.dropped_bytes - dropped
        self._counted = (parser.lines, parser.recognised, parser.dropped_bytes)

    def end(self) -> None:
        """The process closed its stderr, or we no longer listen."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        self._parser.close(self._clock())
        self._count()
        self._sink.process_ended(self._clock())
        self._server.forget(self)
        if self._unit is not None:
            self._server.observer().process_ended(self._unit, self._pid)
