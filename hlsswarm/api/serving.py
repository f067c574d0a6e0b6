"""Opens and closes the API as a rig is configured: a unix socket always, TCP where it is wanted."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sys
from collections.abc import AsyncIterator
from typing import Any

from hlsswarm.api.listeners import Hosts, read_token, tcp_listener, tls_context, unix_listener
from hlsswarm.api.server import ApiServer, Gate
from hlsswarm.core.rig import RigConfig
from hlsswarm.rig.daemon import Controls

_HANDSHAKE_SECONDS = 10.0
_ACCEPTED_AT_ONCE = 64
"""asyncio accepts so many before the first of them can be cut off."""
_BACKLOG = 1024
_QUIET_SECONDS = 10.0
_ABOUT_ACCEPT = ("socket.accept() out of system resource", "_start_serving")
_FILES = 16_384
"""Descriptors that are allowed at least, where the system gives so many."""


class Complaints:
    """What the event loop complains of; that nobody can be let in is told now and then.

    For want of a descriptor asyncio complains once for each place in its backlog, with a
    traceback, every second: that alone could fill a disk.
    """

    def __init__(self) -> None:
        self._told_at = -_QUIET_SECONDS

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """As asyncio calls it."""
        words = f"{context.get('message')} {context.get('handle')}"
        if not any(each in words for each in _ABOUT_ACCEPT):
            loop.default_exception_handler(context)
        elif loop.time() - self._told_at >= _QUIET_SECONDS:
            self._told_at = loop.time()
            reason = context.get("exception")
            print(f"The API can let nobody in just now: {reason}.", file=sys.stderr, flush=True)


def _allow_files() -> None:
    """Callers must not take the descriptors that the rig needs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft not in {resource.RLIM_INFINITY, wanted} and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextlib.asynccontextmanager
async def api_served(config: RigConfig, controls: Controls) -> AsyncIterator[str]:
    """Serve the API as it is configured; where, in words. Raises PreflightError."""
    _allow_files()
    api, server = config.api, ApiServer(controls)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(Complaints())
    path, listener = unix_listener(api["socket"])
    where = [f"API: {path}"]
    try:
        await server.listen(
            Gate(),
            lambda made: loop.create_unix_server(made, sock=listener, backlog=_ACCEPTED_AT_ONCE),
        )
        listener.listen(_BACKLOG)
        address = api["listen"]
        if address is not None:
            token, tls = read_token(api["token_file"]), tls_context(api)
            gate = Gate(token, Hosts(address))
            tcp = tcp_listener(address)
            handshake = None if tls is None else _HANDSHAKE_SECONDS
            await server.listen(
                gate,
                lambda made: loop.create_server(
                    made,
                    sock=tcp,
                    backlog=_ACCEPTED_AT_ONCE,
                    ssl=tls,
                    ssl_handshake_timeout=handshake,
                ),
            )
            tcp.listen(_BACKLOG)
            where.append(f"{'http' if tls is None else 'https'}://{address}")
        yield " and ".join(where)
    finally:
        await server.close()
        with contextlib.suppress(OSError):
            path.unlink()
