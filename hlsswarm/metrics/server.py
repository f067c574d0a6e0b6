"""Serves `/metrics` and `/healthz` within the controller's event loop.

HTTP is h11's business; this reads one request after the other and writes the answers. A client
that is slow or sends too much is cut off, and can hold up nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from http import HTTPStatus

import h11
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from hlsswarm.core.plan import Address
from hlsswarm.errors import PreflightError

_READ_BYTES = 16 * 1024
_IDLE_SECONDS = 30.0
_CONNECTIONS_MAX = 64
_TEXT = "text/plain; charset=utf-8"


def bind(address: Address) -> socket.socket:
    """A listening socket. Raises PreflightError when the port is taken or not ours to have."""
    try:
        family = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((address.host, address.port), family=family, backlog=64)
    except OSError as error:
        reason = error.strerror or str(error)
        raise PreflightError(
            f"The metrics address {address} cannot be used: {reason}.",
            hint="Choose another with --metrics HOST:PORT, or --metrics off.",
        ) from None


class MetricsServer:
    """Answers GET and HEAD on two paths."""

    def __init__(
        self,
        listener: socket.socket,
        registries: Sequence[CollectorRegistry],
        healthy: Callable[[], bool],
    ) -> None:
        self._listener = listener
        self._registries = registries
        self._healthy = healthy
        self._server: asyncio.Server | None = None
        self._handlers: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """`host:port` as bound."""
        host, port = self._listener.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def start(self) -> None:
        """Begin to answer."""
        self._server = await asyncio.start_server(self._connected, sock=self._listener)

    async def close(self) -> None:
        """Stop to answer; open connections are cut."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._handlers):
            task.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)
        self._listener.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._handlers) >= _CONNECTIONS_MAX:
            writer.close()
            return
        self._handlers.add(task)
        try:
            with contextlib.suppress(OSError, TimeoutError, h11.ProtocolError):
                await self._converse(reader, writer)
        finally:
            self._handlers.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                data = await asyncio.wait_for(reader.read(_READ_BYTES), _IDLE_SECONDS)
                connection.receive_data(data)
            elif isinstance(event, h11.Request):
                status, kind, body = self._answer(event)
                writer.write(_encode(connection, event, status, kind, body))
                await asyncio.wait_for(writer.drain(), _IDLE_SECONDS)
            elif isinstance(event, h11.EndOfMessage):
                if connection.our_state is h11.MUST_CLOSE:
                    return
                connection.start_next_cycle()
            elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
                return

    def _answer(self, request: h11.Request) -> tuple[HTTPStatus, str, bytes]:
        path = request.target.split(b"?")[0]
        if request.method not in {b"GET", b"HEAD"}:
            return HTTPStatus.METHOD_NOT_ALLOWED, _TEXT, b"only GET and HEAD\n"
        if path == b"/metrics":
            body = b"".join(generate_latest(registry) for registry in self._registries)
            return HTTPStatus.OK, CONTENT_TYPE_LATEST, body
        if path == b"/healthz":
            if self._healthy():
                return HTTPStatus.OK, _TEXT, b"ok\n"
            return HTTPStatus.SERVICE_UNAVAILABLE, _TEXT, b"systemd is not heard\n"
        if path == b"/":
            return HTTPStatus.OK, _TEXT, b"hlsswarm: /metrics /healthz\n"
        return HTTPStatus.NOT_FOUND, _TEXT, b"there are /metrics and /healthz\n"


def _encode(
    connection: h11.Connection, request: h11.Request, status: HTTPStatus, kind: str, body: bytes
) -> bytes:
    headers = [("Content-Type", kind), ("Content-Length", str(len(body)))]
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        # A request that is refused may bring a body that nobody reads.
        headers += [("Allow", "GET, HEAD"), ("Connection", "close")]
    response = h11.Response(status_code=status, headers=headers, reason=status.phrase.encode())
    parts = [connection.send(response)]
    if request.method != b"HEAD":
        parts.append(connection.send(h11.Data(data=body)))
    parts.append(connection.send(h11.EndOfMessage()))
    return b"".join(part for part in parts if part)
