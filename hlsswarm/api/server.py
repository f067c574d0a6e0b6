"""Serves the API: from a request to an operation's answer, or to a refusal. The HTTP is aiohttp's.

    connection ──► Gate (Host, token) ──► Router ──► body ──► operation ──► answer with its headers

Knows HTTP and nothing of rigs. Whatever is sent, the daemon goes on: what is too much or too slow
is cut off, and an error that nobody has thought of is answered with 500 and told on stderr.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
import traceback
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aiohttp import web

from hlsswarm.api.bodies import BODY_BYTES_MAX, read_body
from hlsswarm.api.connections import Connections
from hlsswarm.api.errors import ApiError, api_error
from hlsswarm.api.listeners import Hosts, Token
from hlsswarm.api.routes import JSON, Call, Match, Operation, Reply, Router, Stream, query_values
from hlsswarm.api.table import OPERATIONS
from hlsswarm.errors import HlsSwarmError
from hlsswarm.rig.daemon import Controls

STREAMS_MAX = 64
_THREADS = 4
_BODY_SECONDS = 20.0
_STREAM_WRITE_SECONDS = 60.0
_HEADERS = {
    "Server": "hlsswarm",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}
_QUIET = logging.getLogger("hlsswarm.api")
"""aiohttp's words about connections, which anybody could have it write by the million."""
_QUIET.disabled = True
_HTTP_OPTIONS: Mapping[str, Any] = {
    "keepalive_timeout": 60.0,
    "access_log": None,
    "logger": _QUIET,
    "auto_decompress": False,
}


Answered = Callable[
    [web.BaseRequest, "Gate", Callable[[], None]], Coroutine[Any, Any, web.StreamResponse]
]
"""Answers a request that a gate lets in; calls the last where the connection is to stay."""


@dataclass(frozen=True)
class Gate:
    """Who may come in. A unix socket has its file's mode for that, and neither of these."""

    token: Token | None = None
    hosts: Hosts | None = None

    def check(self, request: web.BaseRequest, operation: Operation | None) -> None:
        """Raises ApiError 403 and 401."""
        if self.hosts is not None and not self.hosts.allows(request.headers.get("Host")):
            raise ApiError(
                HTTPStatus.FORBIDDEN,
                "This is not the name of this machine.",
                "Use its address, or the name that it has itself.",
            )
        if self.token is None or (operation is not None and operation.open):
            return
        if not self.token.fits(request.headers.get("Authorization")):
            raise ApiError(
                HTTPStatus.UNAUTHORIZED, "This needs the token.", "Authorization: Bearer TOKEN"
            )


class ApiServer:
    """Answers requests on any number of listeners."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._router = Router(OPERATIONS)
        self._threads = ThreadPoolExecutor(_THREADS, "api")
        self._streams = 0
        self._listeners: list[tuple[asyncio.Server, web.Server]] = []

    async def listen(self, gate: Gate, create: Callable[[Any], Any]) -> None:
        """Answer what comes by a listener; `create` starts one for a factory of protocols."""
        speaks = Conversation(self._answered, gate)
        http = web.Server(speaks.answer, request_factory=_request)
        loop = asyncio.get_running_loop()
        speaks.connections = Connections(lambda: _Http(http, loop=loop, **_HTTP_OPTIONS))
        self._listeners.append((await create(speaks.connections), http))

    async def close(self) -> None:
        """Answer no more; what is open is cut."""
        for listener, http in self._listeners:
            listener.close()
            await http.shutdown(0.5)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _answered(
        self, request: web.BaseRequest, gate: Gate, stays: Callable[[], None]
    ) -> web.StreamResponse:
        match = self._matched(request, gate)
        operation = match.operation
        query = query_values(operation, request.query)
        body = await _body(request, operation)
        call = Call(
            self._controls, self._threads, match.path, query, request.headers, read_body(body)
        )
        answer = await operation.handler(call)
        if isinstance(answer, Reply):
            return _response(answer)
        stays()
        return await self._streamed(request, answer)

    def _matched(self, request: web.BaseRequest, gate: Gate) -> Match:
        """The operation. Who may not come in does not learn what there is. Raises ApiError."""
        try:
            match = self._router.find(request.method, request.rel_url.raw_path)
        except ApiError:
            gate.check(request, None)
            raise
        gate.check(request, match.operation)
        return match

    async def _streamed(self, request: web.BaseRequest, stream: Stream) -> web.StreamResponse:
        """Write parts as they come; a reader that takes nothing is cut off."""
        if self._streams >= STREAMS_MAX:
            raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "Too many follow the events already.")
        response = web.StreamResponse(headers=_HEADERS)
        response.headers["Content-Type"] = stream.content_type
        self._streams += 1
        try:
            async with contextlib.aclosing(stream.parts) as parts:  # type: ignore[type-var]
                await response.prepare(request)
                if request.method == "HEAD":
                    return response
                async for part in parts:
                    async with asyncio.timeout(_STREAM_WRITE_SECONDS):
                        await response.write(part)
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        finally:
            self._streams -= 1
        return response


class Conversation:
    """Requests of one listener's connections, each answered whatever happens."""

    connections: Connections

    def __init__(self, answered: Answered, gate: Gate) -> None:
        self._answered = answered
        self._gate = gate

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to one request."""
        transport = request.transport
        self.connections.asks(transport)
        try:
            return await self._answered(
                request, self._gate, lambda: self.connections.streams(transport)
            )
        except ApiError as error:
            return _refusal(error, request)
        except HlsSwarmError as error:
            return _refusal(api_error(error), request)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:
            # A bug: the caller learns that it is one, and our log which.
            traceback.print_exc(file=sys.stderr)
            bug = ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "This should not have happened.")
            return _refusal(bug, request)
        finally:
            self.connections.answered(transport)


class _Http(web.RequestHandler):
    """HTTP on one connection; what is no request is refused in our words, and told nobody."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what cannot be read."""
        if request.writer.output_size > 0:
            raise ConnectionError("part of another answer was sent already")
        response = _refusal(ApiError(HTTPStatus(status), "This is no request."), request)
        response.force_close()
        return response


def _request(*parts: Any) -> web.BaseRequest:
    """A request as aiohttp makes it, with a bound of ours for its body."""
    message, payload, protocol, writer, task = parts
    loop = asyncio.get_running_loop()
    return web.BaseRequest(
        message, payload, protocol, writer, task, loop, client_max_size=BODY_BYTES_MAX
    )


async def _body(request: web.BaseRequest, operation: Operation) -> bytes:
    """The body of an operation that takes one. Raises ApiError."""
    too_large = ApiError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body has {BODY_BYTES_MAX} bytes at most."
    )
    if (request.content_length or 0) > BODY_BYTES_MAX:
        raise too_large
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            data = await request.read()
    except TimeoutError:
        raise ApiError(HTTPStatus.REQUEST_TIMEOUT, "The body did not come in time.") from None
    except web.HTTPRequestEntityTooLarge:
        raise too_large from None
    except web.RequestPayloadError:
        raise ApiError(HTTPStatus.BAD_REQUEST, "The body is broken.") from None
    if operation.body is None:
        return b""
    encoding = request.headers.get("Content-Encoding", "identity")
    if data and (request.content_type != JSON or encoding != "identity"):
        raise ApiError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body is no JSON.", f"Content-Type: {JSON}"
        )
    return data


def _response(reply: Reply) -> web.Response:
    data = reply.body
    if not isinstance(data, bytes):
        text = json.dumps(data, ensure_ascii=False, allow_nan=False)
        data = text.encode("utf-8", "replace") + b"\n"
    headers = {**_HEADERS, "Content-Type": reply.content_type}
    return web.Response(status=reply.status, body=data, headers=headers)


def _refusal(error: ApiError, request: web.BaseRequest) -> web.Response:
    response = _response(Reply(error.document(), error.status))
    if error.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if error.status == HTTPStatus.METHOD_NOT_ALLOWED:
        path = request.rel_url.raw_path
        response.headers["Allow"] = ", ".join(Router(OPERATIONS).methods(path))
    if not request.body_exists or request.content.is_eof():
        return response
    response.force_close()  # nobody reads the rest of the body
    return response
