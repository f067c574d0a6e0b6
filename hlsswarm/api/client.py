"""Calls a rig's daemon over its unix socket, for commands; the daemon's refusals become errors.

The standard library's HTTP is enough for that: no command waits for an HTTP library to load.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hlsswarm.errors import ConfigurationError, HlsSwarmError, PreflightError, UnitError, UsageError
from hlsswarm.units.runtime_directory import api_socket

_SECONDS = 60.0
_BUSY_WAITS_SECONDS = (0.05, 0.2, 0.5, 1.0, 2.0)
_ERRORS: Mapping[int, type[HlsSwarmError]] = {
    400: ConfigurationError,
    404: UsageError,
    409: PreflightError,
}


class NoDaemonError(PreflightError):
    """No daemon answers."""


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket's file."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        for wait in _BUSY_WAITS_SECONDS:
            # unix(7): where too many wait to be let in, one more is turned away at once.
            with contextlib.suppress(BlockingIOError):
                self.sock.connect(str(self._path))
                return
            time.sleep(wait)
        self.sock.connect(str(self._path))


class ApiClient:
    """A daemon that may be there; each call is a connection of its own."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or api_socket()

    def text(self, path: str) -> str:
        """What a path gives, as text. Raises HlsSwarmError."""
        with self._asked("GET", path, None) as answer:
            return answer.read().decode()

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """What an operation gives, from JSON. Raises HlsSwarmError, NoDaemonError."""
        with self._asked(method, path, body) as answer:
            return json.loads(answer.read())

    def events(self) -> Iterator[dict[str, Any]]:
        """Events as they come, those that are kept first, until the daemon ends."""
        with self._asked("GET", "/v1/events/stream", None) as answer:
            for line in answer:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "data":
                    yield json.loads(value)

    def _asked(
        self, method: str, path: str, body: Mapping[str, Any] | None
    ) -> http.client.HTTPResponse:
        connection = _UnixConnection(self._path)
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            connection.request(
                method,
                path,
                None if body is None else json.dumps(body),
                {**headers, "Connection": "close"},
            )
            answer = connection.getresponse()
        except (FileNotFoundError, ConnectionRefusedError):
            raise NoDaemonError(
                "No rig is kept here: no daemon answers.",
                hint=f"`hlsswarm serve` keeps one; it listens at {self._path}.",
            ) from None
        except PermissionError:
            raise NoDaemonError(
                f"You may not steer this rig: {self._path} is not open to you.",
                hint="Members of the group hlsswarm may, and root.",
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise UnitError(
                f"The rig's daemon does not answer: {error or type(error).__name__}."
            ) from None
        if answer.status >= 400:
            with answer:
                raise _error(answer)
        return answer


def _error(answer: http.client.HTTPResponse) -> HlsSwarmError:
    """A refusal as the error that it is to the user."""
    kind = _ERRORS.get(answer.status, UnitError)
    try:
        document = json.loads(answer.read())
        problems = [each for each in document["problems"] if each["where"]]
        lines = [f"{each['where']}: {each['sentence']} {each['hint']}".strip() for each in problems]
        if lines:
            return kind("\n".join(lines))
        return kind(document["error"], hint=document["hint"])
    except (ValueError, KeyError, TypeError):
        return kind(f"The rig's daemon answers {answer.status}.")


def part(name: str) -> str:
    """A name as a part of a path."""
    return quote(name, safe="")
