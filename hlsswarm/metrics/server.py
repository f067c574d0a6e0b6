"""Serves `/metrics` and `/healthz` within the controller's event loop.

HTTP is h11's business; this reads one request after the other and writes the answers. A client
that is slow or sends too much is cut off, and where there are too many the one that has been
there longest goes, so that the next scrape always gets in.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from http import HTTPStatus

import h11
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from hlsswarm.core.plan import Address
from hlsswarm.errors import PreflightError

_READ_BYTES = 16 * 1024
_REQUEST_SECONDS = 30.0
"""For one whole request to arrive, the wait for it included, and for its answer to be taken."""
_CONNECTIONS_MAX = 64
_METHODS = (b"GET", b"HEAD")
_TEXT = "text/plain; charset=utf-8"

Registries = Sequence[CollectorRegistry]
"""All series that a page has."""


def bind(address: Address) -> socket.socket:
    """A listening socket. Raises PreflightError when the port is taken or not ours to have."""
    try:
        family = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((address.host, address.port), family=family, backlog=64)
    except (OSError, ValueError) as error:
        raise PreflightError(
            f"The metrics address {address} cannot be used: {_reason(error)}.",
            hint="Choose another with --metrics HOST:PORT, or --metrics off.",
        ) from None


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, socket.gaierror):
        return error.strerror or "the host name cannot be resolved"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)  # its own text repeats the address
    return "this is no host name"


def exposition(registries: Registries) -> tuple[str, bytes]:
    """All series as Prometheus reads them: the content type, and the text."""
    return CONTENT_TYPE_LATEST, b"".join(generate_latest(registry) for registry in registries)


class MetricsServer:
    """Answers GET and HEAD on two paths."""

    def __init__(
        self,
        listener: socket.socket,
        registries: Registries,
        healthy: Callable[[], bool],
    ) -> None:
        self._listener = listener
        self._registries = registries
        self._healthy = healthy
        self._server: asyncio.Server | None = None
        self._handlers: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

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
        handlers = tuple(self._handlers)
        for task in handlers:
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
        self._listener.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            writer.transport.abort()
            return
        if len(self._handlers) >= _CONNECTIONS_MAX:
            oldest = next(iter(self._handlers))
            self._handlers.pop(oldest).transport.abort()
            oldest.cancel()
        self._handlers[task] = writer
        try:
            await self._converse(reader, writer)
            writer.close()
        except (OSError, TimeoutError, asyncio.CancelledError):
            # Not close(): it would wait for a client that does not read.
            writer.transport.abort()
        finally:
            self._handlers.pop(task, None)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests until the client has no more, or makes no sense."""
        connection = h11.Connection(h11.SERVER)
        while connection.our_state is not h11.MUST_CLOSE:
            try:
                async with asyncio.timeout(_REQUEST_SECONDS):
                    request = await _next_request(connection, reader)
                    if request is None:
                        return
                    writer.write(_encode(connection, request, *self._answer(request)))
                    await writer.drain()
            except h11.RemoteProtocolError as error:
                writer.write(_refusal(connection, error))
                return
            if connection.our_state is h11.DONE:
                connection.start_next_cycle()

    def _answer(self, request: h11.Request) -> tuple[HTTPStatus, str, bytes]:
        path = request.target.split(b"?")[0]
        if request.method not in _METHODS:
            return HTTPStatus.METHOD_NOT_ALLOWED, _TEXT, b"only GET and HEAD\n"
        if path == b"/metrics":
            return HTTPStatus.OK, *exposition(self._registries)
        if path == b"/healthz":
            if self._healthy():
                return HTTPStatus.OK, _TEXT, b"ok\n"
            return HTTPStatus.SERVICE_UNAVAILABLE, _TEXT, b"systemd is not heard\n"
        if path == b"/":
            return HTTPStatus.OK, _TEXT, b"hlsswarm: /metrics /healthz\n"
        return HTTPStatus.NOT_FOUND, _TEXT, b"there are /metrics and /healthz\n"


async def _next_request(
    connection: h11.Connection, reader: asyncio.StreamReader
) -> h11.Request | None:
    """The next request with nothing left of it to read; None when there is none any more.

    The body of a request that is refused is not waited for. Raises RemoteProtocolError.
    """
    request: h11.Request | None = None
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_READ_BYTES))
        elif isinstance(event, h11.Request):
            request = event
            if request.method not in _METHODS:
                return request
        elif isinstance(event, h11.EndOfMessage):
            return request
        elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
            return None


def _refusal(connection: h11.Connection, error: h11.RemoteProtocolError) -> bytes:
    """The answer to what is not HTTP, or too large; nothing where none can be given."""
    if connection.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
        return b""
    status = HTTPStatus(error.error_status_hint)
    headers = [("Content-Length", "0"), ("Connection", "close")]
    head = connection.send(
        h11.Response(status_code=status, headers=headers, reason=status.phrase.encode())
    )
    return (head or b"") + (connection.send(h11.EndOfMessage()) or b"")


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
