"""Where the API listens: a unix socket, and a TCP port that needs a token and may have TLS."""

from __future__ import annotations

import contextlib
import hmac
import ipaddress
import os
import shutil
import socket
import ssl
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hlsswarm.core.plan import Address
from hlsswarm.errors import PreflightError
from hlsswarm.metrics.server import bind
from hlsswarm.units.runtime_directory import api_socket

GROUP = "hlsswarm"
_SOCKET_MODE = 0o660
_TOKEN_CHARACTERS_MIN = 16
_TOKEN_BYTES_MAX = 4096


@dataclass(frozen=True)
class Token:
    """What callers over TCP must have."""

    secret: bytes

    def fits(self, authorization: str | None) -> bool:
        """Whether a header is `Bearer TOKEN` (RFC 6750); takes the same time in any case."""
        scheme, _, given = (authorization or "").partition(" ")
        same = hmac.compare_digest(given.strip().encode("utf-8", "replace"), self.secret)
        return same and scheme.lower() == "bearer"


def read_token(path: Path) -> Token:
    """The token of a file, which others must not read. Raises PreflightError."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(_TOKEN_BYTES_MAX).strip()
    except OSError as error:
        raise PreflightError(
            f"The API's token cannot be read: {path}: {error.strerror}.",
            hint=f"Make one: (umask 077; openssl rand -hex 32 > {path})",
        ) from None
    if not stat.S_ISREG(mode) or mode & (stat.S_IROTH | stat.S_IWOTH):
        raise PreflightError(
            f"Everybody can read the API's token in {path}.", hint=f"chmod 600 {path}"
        )
    if len(text) < _TOKEN_CHARACTERS_MIN or not text.isascii() or len(text.split()) != 1:
        raise PreflightError(
            f"{path} has no token of at least {_TOKEN_CHARACTERS_MIN} characters.",
            hint=f"Make one: (umask 077; openssl rand -hex 32 > {path})",
        )
    return Token(text)


def unix_listener(path: Path | None) -> tuple[Path, socket.socket]:
    """A listening socket for members of the group `hlsswarm`. Raises PreflightError.

    It gets its name only when it listens with the right mode, in the place of what was left there.
    """
    path = path or api_socket()
    fresh = path.with_name(f".{path.name}.new")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.exists() and not path.is_socket():
            raise PreflightError(f"{path} is there already, and is no socket.")
        fresh.unlink(missing_ok=True)
        before = os.umask(0o777 & ~_SOCKET_MODE)
        try:
            listener.bind(str(fresh))
        finally:
            os.umask(before)
        with contextlib.suppress(LookupError, PermissionError):
            shutil.chown(fresh, group=GROUP)
        listener.listen()
        fresh.replace(path)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise PreflightError(f"The API's socket {path} cannot be made: {reason}.") from None
    return path, listener


def tcp_listener(address: Address) -> socket.socket:
    """A listening socket. Raises PreflightError."""
    try:
        return bind(address)
    except PreflightError as error:
        raise PreflightError(
            error.message.replace("metrics", "API's"), hint="Choose another [api] listen."
        ) from None


def tls_context(api: Mapping[str, Any]) -> ssl.SSLContext | None:
    """TLS by the files that are configured, None without. Raises PreflightError."""
    certificate, key = api.get("tls_cert"), api.get("tls_key")
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or error.args[0]
        raise PreflightError(
            f"The API's TLS files cannot be used: {reason}.", hint=f"{certificate}, {key}"
        ) from None
    return context


class Hosts:
    """By which names the TCP side may be called.

    A page of elsewhere may have its name resolved to this machine (DNS rebinding); an address
    cannot be had that way.
    """

    def __init__(self, address: Address) -> None:
        own = {"localhost", address.host, socket.gethostname(), socket.getfqdn()}
        self._names = {name.lower().rstrip(".") for name in own if name}

    def allows(self, host: str | None) -> bool:
        """Whether a request's Host header names this machine."""
        if not host:
            return False
        name, colon, port = host.rpartition(":")
        if not colon or not port.isdigit():
            name = host
        name = name.removeprefix("[").removesuffix("]").lower().rstrip(".")
        return name in self._names or _is_address(name)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
