"""A small GET within the event loop, for status pages and metrics of an origin."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from urllib.parse import urlsplit

import h11

_BODY_MAX_BYTES = 16 << 20


class GetError(Exception):
    """The answer could not be had; the text says why in words."""


async def get(
    url: str,
    *,
    timeout_seconds: float,
    address: str | None = None,
    context: ssl.SSLContext | None = None,
) -> bytes:
    """The body behind an http or https URL, from `address` if that is given. Raises GetError.

    `context` says which certificates are accepted; None: those that the machine trusts.
    """
    try:
        return await asyncio.wait_for(_get(url, address, context), timeout_seconds)
    except TimeoutError:
        raise GetError("no answer in time") from None
    except OSError as error:
        raise GetError(error.strerror or str(error)) from None
    except h11.ProtocolError as error:
        raise GetError(f"no proper HTTP: {error}") from None


async def _get(url: str, address: str | None, context: ssl.SSLContext | None) -> bytes:
    parts = urlsplit(url)
    tls = (context or ssl.create_default_context()) if parts.scheme == "https" else None
    port = parts.port or (443 if tls else 80)
    host = parts.hostname or ""
    name = host if tls and address else None
    reader, writer = await asyncio.open_connection(
        address or host, port, ssl=tls, server_hostname=name
    )
    try:
        connection = h11.Connection(h11.CLIENT)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = [("Host", parts.netloc.rpartition("@")[2]), ("Connection", "close")]
        headers.append(("User-Agent", "hlsswarm/origin-metrics"))
        request = h11.Request(method="GET", target=target, headers=headers)
        for event in (request, h11.EndOfMessage()):
            writer.write(connection.send(event) or b"")
        return await _answer(connection, reader)
    finally:
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()


async def _answer(connection: h11.Connection, reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(65_536))
        elif isinstance(event, h11.Response):
            if event.status_code != 200:
                raise GetError(f"it answers {event.status_code}")
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > _BODY_MAX_BYTES:
                raise GetError("the answer is too large")
        elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
            return bytes(body)
