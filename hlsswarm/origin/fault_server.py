"""What nginx cannot do by itself: late answers, and bodies that break off.

    client ─► nginx ─► this server, on a socket in the file system
                delay     waits, and sends nginx to the file (X-Accel-Redirect)
                cut       promises the whole body, sends half of it and closes

    python -m hlsswarm.origin.fault_server SOCKET DOCUMENT_ROOT

One request a connection, as nginx makes them. HTTP is h11's; what is to be done stands in the
target (core.nginx_faults). Must not know which faults there are.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, unquote

import h11

from hlsswarm.core.nginx import media_type
from hlsswarm.core.nginx_faults import CUT, SERVED, delay_of, server_word_of

__all__ = ["FaultServer"]

_CONNECTIONS_MAX = 8000
_HEAD_MAX_BYTES = 32 << 10
_HEAD_TIMEOUT_SECONDS = 10.0
_CHUNK_BYTES = 64 << 10
_SPARE_FILES = 64


class FaultServer:
    """Serves requests that nginx passes on; `root` is nginx's document root."""

    def __init__(self, root: Path, *, connections_max: int = _CONNECTIONS_MAX) -> None:
        self._root = root.resolve()
        self._left = connections_max

    async def serve(self, path: Path) -> asyncio.Server:
        """Listen on `path`, which nginx's workers may connect to. Raises OSError."""
        server = await asyncio.start_unix_server(
            self._connected, path, backlog=1024, limit=_HEAD_MAX_BYTES
        )
        path.chmod(0o666)
        return server

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._left <= 0:
                return
            self._left -= 1
            try:
                await self._answer(h11.Connection(h11.SERVER, _HEAD_MAX_BYTES), reader, writer)
            finally:
                self._left += 1
        except (OSError, TimeoutError, h11.ProtocolError):
            pass  # closed, below: who sends what is no HTTP gets no answer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(
        self, http: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        request = await asyncio.wait_for(_request(http, reader), _HEAD_TIMEOUT_SECONDS)
        if request is None:
            return
        found = server_word_of(request.target.decode("ascii", "replace"))
        word, path = found or ("", "")
        seconds = delay_of(word)
        if seconds is not None:
            if await _is_still_there(reader, seconds):
                accel = quote(SERVED + unquote(path))
                _send(http, writer, 200, [("X-Accel-Redirect", accel), ("Content-Length", "0")])
        elif word == CUT:
            await self._cut(http, writer, unquote(path), head=request.method == b"HEAD")
        else:
            _send(http, writer, 404, [("Content-Length", "0")])

    async def _cut(
        self, http: h11.Connection, writer: asyncio.StreamWriter, path: str, *, head: bool
    ) -> None:
        try:
            file = (self._root / path.lstrip("/")).resolve()
            if not file.is_relative_to(self._root):
                raise FileNotFoundError(path)
            with file.open("rb") as body:
                size = file.stat().st_size
                type_ = media_type(file.name)
                _send(http, writer, 200, [("Content-Type", type_), ("Content-Length", str(size))])
                left = 0 if head else size // 2
                while left and (chunk := body.read(min(left, _CHUNK_BYTES))):
                    writer.write(http.send(h11.Data(chunk)) or b"")
                    await writer.drain()
                    left -= len(chunk)
        except (OSError, ValueError):
            if http.our_state is h11.SEND_RESPONSE:
                _send(http, writer, 404, [("Content-Length", "0")])


def _send(
    http: h11.Connection,
    writer: asyncio.StreamWriter,
    status: int,
    headers: list[tuple[str, str]],
) -> None:
    """The head of an answer; the connection ends after it."""
    response = h11.Response(status_code=status, headers=[*headers, ("Connection", "close")])
    writer.write(http.send(response) or b"")


async def _request(http: h11.Connection, reader: asyncio.StreamReader) -> h11.Request | None:
    """The request; None when there is none. Raises h11.ProtocolError."""
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(_CHUNK_BYTES))
        elif isinstance(event, h11.Request):
            return event
        else:
            return None


async def _is_still_there(reader: asyncio.StreamReader, seconds: float) -> bool:
    """Wait; False as soon as the other side has gone."""
    try:
        await asyncio.wait_for(reader.read(1), seconds)
    except TimeoutError:
        return True
    return False


async def _serve(path: Path, root: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _CONNECTIONS_MAX + _SPARE_FILES
    soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    # Half: a body that breaks off has its file open, too.
    server = FaultServer(root, connections_max=(soft - _SPARE_FILES) // 2)
    await (await server.serve(path)).serve_forever()


def main(arguments: Sequence[str]) -> None:
    """Serve until a signal ends the process."""
    socket, root = arguments
    asyncio.run(_serve(Path(socket), Path(root)))


if __name__ == "__main__":
    main(sys.argv[1:])
