"""Servers that see everything: web servers that log each connection, and traps for other ways out.

A trap proves that something did not happen: nobody opened the file, nobody connected to the
sockets. Tests have to show that it would have sprung.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import socket
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Answer = tuple[int, dict[str, str], bytes]
_IN_ACCESS, _IN_OPEN = 1, 0x20  # inotify(7)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.headers.append(str(self.headers))
        status, headers, body = self.server.answer(self.path.partition("?")[0])
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing: what was asked for is in `connections`."""


class _Server(ThreadingHTTPServer):
    answer: Callable[[str], Answer]
    connections: list[str]
    headers: list[str]

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.connections.append(str(address))
        return connection, address


@dataclass
class Web:
    """A web server: what it answers by path, and every connection that it was ever given."""

    host: str
    port: int
    pages: dict[str, Answer] = field(default_factory=dict)
    connections: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    """Of each request, all of them."""

    def url(self, path: str) -> str:
        """URL of a path."""
        return f"http://{self.host}:{self.port}{path}"

    def answer(self, path: str) -> Answer:
        """What it answers."""
        self.asked.append(path)
        return self.pages.get(path, (404, {}, b"no\n"))


@contextlib.contextmanager
def web(host: str = "127.0.0.1", port: int = 0) -> Iterator[Web]:
    """A web server on an address of its own."""
    with _Server((host, port), _Handler) as server:
        made = Web(host, server.server_address[1])
        server.answer, server.connections = made.answer, made.connections
        server.headers = made.headers
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


class Traps:
    """A file that nobody may open, and sockets that nobody may connect to or send to."""

    def __init__(self, directory: Path, content: bytes) -> None:
        self.file = directory / "canary.ts"
        self.file.write_bytes(content)
        self.unix_path = directory / "trap.sock"
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        watched = self._libc.inotify_add_watch(
            self._inotify, bytes(self.file), _IN_ACCESS | _IN_OPEN
        )
        assert watched >= 0, os.strerror(ctypes.get_errno())
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self.port = self._tcp.getsockname()[1]
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.port))
        self._unix = socket.socket(socket.AF_UNIX)
        self._unix.bind(str(self.unix_path))
        self._unix.listen()

    def sprung(self) -> list[str]:
        """What somebody has touched since the last look."""
        names = {self._inotify: "file", self._tcp: "tcp", self._udp: "udp", self._unix: "unix"}
        ready, _, _ = select.select(list(names), [], [], 0)
        for source in ready:
            if source is self._inotify:
                os.read(self._inotify, 64 * struct.calcsize("iIII"))
            elif source is self._udp:
                self._udp.recv(65536)
            else:
                source.accept()[0].close()
        return [names[source] for source in ready]

    def close(self) -> None:
        """Take them away."""
        os.close(self._inotify)
        for listener in (self._tcp, self._udp, self._unix):
            listener.close()


@contextlib.contextmanager
def traps(content: bytes) -> Iterator[Traps]:
    """Traps; the file holds `content`."""
    with tempfile.TemporaryDirectory(prefix="hlst-") as directory:
        made = Traps(Path(directory), content)
        try:
            yield made
        finally:
            made.close()
