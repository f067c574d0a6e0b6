"""A connection to a systemd manager: calls, properties, and how long they took.

The only file that imports pystemd. What it knows of pystemd 0.15: `peer_to_peer` for private
sockets, no automatic introspection (1.8 ms a unit), `close()` exactly once, and errors whose
class, not text, tells the D-Bus error's name.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from pystemd import dbusexc
from pystemd.dbuslib import DBus, DBusAddress, DBusRemote, apply_signature, path_encode

from hlsswarm.core.managers import remote_host
from hlsswarm.core.unit_specs import Property
from hlsswarm.errors import ManagerError, UnitError

SYSTEMD = b"org.freedesktop.systemd1"
MANAGER_PATH = b"/org/freedesktop/systemd1"
UNIT_PREFIX = b"/org/freedesktop/systemd1/unit"
MANAGER_INTERFACE = b"org.freedesktop.systemd1.Manager"
UNIT_INTERFACE = b"org.freedesktop.systemd1.Unit"
SERVICE_INTERFACE = b"org.freedesktop.systemd1.Service"
JOB_INTERFACE = b"org.freedesktop.systemd1.Job"
SLICE_INTERFACE = b"org.freedesktop.systemd1.Slice"

_ARRAY, _STRUCT, _STRING, _VARIANT = ord("a"), ord("r"), ord("s"), ord("v")
_CLOSE = (-1, None)


class NoSuchUnitError(UnitError):
    """systemd does not know the unit (any more)."""


class UnitExistsError(UnitError):
    """A unit of that name is loaded already."""


class UnknownPropertyError(UnitError):
    """This systemd has no such property."""


class BusLostError(ManagerError):
    """The connection to systemd broke."""


@dataclass(frozen=True)
class Endpoint:
    """Where a manager's bus is: the system bus, the user's, a private socket, or another host."""

    kind: str
    """`system`, `user`, `embedded` or `ssh:HOST`."""
    socket_path: str | None = None

    def open(self) -> Bus:
        """A new connection. Raises ManagerError."""
        if self.kind == "embedded":
            raw = DBusAddress(f"unix:path={self.socket_path}".encode(), peer_to_peer=True)
        elif (host := remote_host(self.kind)) is not None:
            # sd-bus runs `ssh HOST systemd-stdio-bridge`: HOST's system bus, as that user.
            raw = DBusRemote(host.encode())
        else:
            raw = DBus(user_mode=self.kind == "user")
        try:
            raw.open()
        except dbusexc.DBusBaseError as error:
            raise ManagerError(
                f"The {self.kind} manager of systemd cannot be reached: {_message(error)}"
            ) from error
        return Bus(raw)


def _message(error: dbusexc.DBusBaseError) -> str:
    text: str | bytes = error.err_message
    return text.decode(errors="replace") if isinstance(text, bytes) else text


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
_LOST = ("Disconnected", "NoReply", "IOError")
_KINDS: tuple[tuple[str, type[UnitError]], ...] = (
    ("NoSuchUnit", NoSuchUnitError),
    ("UnknownObject", NoSuchUnitError),
    ("UnitExists", UnitExistsError),
    ("UnknownProperty", UnknownPropertyError),
    ("PropertyReadOnly", UnknownPropertyError),
)


def _raise(error: dbusexc.DBusBaseError, what: str) -> NoReturn:
    """Our exception for pystemd's: its class or err_name holds the D-Bus error's name."""
    name = type(error).__name__ + str(error.err_name)
    message = f"systemd did not accept {what}: {_message(error)}"
    if any(lost in name for lost in _LOST) or error.errno in (-32, -104, -107):
        raise BusLostError(f"The connection to systemd broke during {what}.") from error
    for part, kind in _KINDS:
        if part in name:
            raise kind(message) from error
    if "already exists" in message or "was already loaded" in message:
        raise UnitExistsError(message) from error
    raise UnitError(message) from error


@contextlib.contextmanager
def _unbroken() -> Iterator[None]:
    """Have signals wait for the end of a call: sd-bus gives up a call that one breaks (EINTR), and
    nobody knows then whether systemd has heard it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass
class Bus:
    """One open connection. Calls are synchronous: 0.2 ms as a rule, more while systemd is busy.

    `on_call` is told the seconds of each call.
    """

    raw: DBus
    on_call: Callable[[float], None] | None = None
    _callbacks: list[Callable[..., None]] = field(default_factory=list)
    _closed: bool = False
    _descriptor: int | None = None

    def call(self, member: str, signature: str = "", *values: Any) -> Any:
        """Call a method of the manager; the reply's body. Raises UnitError, BusLostError."""
        return self._call(MANAGER_PATH, MANAGER_INTERFACE, member, signature, *values)

    def _call(
        self, path: bytes, interface: bytes, member: str, signature: str, *values: Any
    ) -> Any:
        arguments = apply_signature(signature.encode(), list(values)) if signature else []
        return self._send(path, interface, member, arguments)

    def _send(
        self, path: bytes, interface: bytes, member: str, arguments: list[tuple[int, Any]]
    ) -> Any:
        began = time.perf_counter()
        try:
            with _unbroken():
                return self.raw.call_method(
                    SYSTEMD, path, interface, member.encode(), arguments
                ).body
        except dbusexc.DBusBaseError as error:
            _raise(error, member)
        finally:
            if self.on_call is not None:
                self.on_call(time.perf_counter() - began)

    def start_transient(self, name: str, properties: tuple[Property, ...]) -> str:
        """StartTransientUnit with mode `fail`; the job's object path."""
        arguments: list[tuple[int, Any]] = apply_signature(b"ss", [name.encode(), b"fail"])
        arguments += _properties(properties)
        arguments += [(_ARRAY, b"(sa(sv))"), _CLOSE]
        body = self._send(MANAGER_PATH, MANAGER_INTERFACE, "StartTransientUnit", arguments)
        return str(body.decode())

    def set_properties(self, name: str, properties: tuple[Property, ...]) -> None:
        """SetUnitProperties, for as long as the unit lives."""
        arguments: list[tuple[int, Any]] = apply_signature(b"sb", [name.encode(), True])
        arguments += _properties(properties)
        self._send(MANAGER_PATH, MANAGER_INTERFACE, "SetUnitProperties", arguments)

    def get(self, path: bytes, interface: bytes, name: str, signature: str) -> Any:
        """One property. Raises NoSuchUnitError, UnknownPropertyError, BusLostError."""
        began = time.perf_counter()
        try:
            with _unbroken():
                return self.raw.get_property(
                    SYSTEMD, path, interface, name.encode(), signature.encode()
                )
        except dbusexc.DBusBaseError as error:
            _raise(error, name)
        finally:
            if self.on_call is not None:
                self.on_call(time.perf_counter() - began)

    def introspect(self, path: bytes) -> str:
        """The introspection document of an object."""
        body = self._call(path, b"org.freedesktop.DBus.Introspectable", "Introspect", "")
        return str(body.decode())

    def on_signal(self, member: str, callback: Callable[[tuple[Any, ...]], None]) -> None:
        """Call `callback` with the body of each signal `member` of the manager."""

        def handle(message: Any, **_: Any) -> None:
            message.process_reply(False)
            callback(message.body)

        # sd-bus holds a borrowed reference: the callback must live as long as the connection.
        self._callbacks.append(handle)
        self.raw.match_signal(None, MANAGER_PATH, MANAGER_INTERFACE, member.encode(), handle)

    def fileno(self) -> int:
        """Descriptor to wait on for signals; the same after the connection broke."""
        if self._descriptor is None:
            self._descriptor = int(self.raw.get_fd())  # a negative errno once it is broken
        return self._descriptor

    def process(self) -> None:
        """Handle everything that has arrived. Raises BusLostError."""
        try:
            # One empty round can mean that a reply was read and more is queued behind it.
            empty = 0
            while empty < 2:
                empty = empty + 1 if self.raw.process().is_empty() else 0
        except (dbusexc.DBusBaseError, SystemError) as error:
            if isinstance(error.__cause__, Exception) and not isinstance(
                error.__cause__, dbusexc.DBusBaseError
            ):
                raise error.__cause__ from None
            raise BusLostError("The connection to systemd broke.") from error
        if int(self.raw.get_fd()) < 0:
            # sd-bus takes in the other side's end like a message, and closes the descriptor.
            raise BusLostError("The connection to systemd broke.")

    def close(self) -> None:
        """Close the connection; a second call does nothing (pystemd would abort)."""
        if not self._closed:
            self._closed = True
            self.raw.close()


def _properties(properties: tuple[Property, ...]) -> list[tuple[int, Any]]:
    """Properties as an a(sv) of pystemd's message items."""
    items: list[tuple[int, Any]] = [(_ARRAY, b"(sv)")]
    for name, signature, value in properties:
        items += [(_STRUCT, b"sv"), (_STRING, name.encode()), (_VARIANT, signature.encode())]
        items += apply_signature(signature.encode(), [_encoded(value)])
        items += [_CLOSE, _CLOSE]
    items.append(_CLOSE)
    return items


def _encoded(value: Any) -> Any:
    """Text as the bytes that D-Bus carries, within tuples and lists too.

    Raises UnitError for text that is not UTF-8: D-Bus has no string for it (D-Bus
    Specification, Basic types).
    """
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise UnitError(f"systemd takes text in UTF-8 only, and not {value!a}.") from None
    if isinstance(value, (list, tuple)):
        return type(value)(_encoded(item) for item in value)
    return value


def unit_path(name: str) -> bytes:
    """Object path of a unit (sd_bus_path_encode(3))."""
    return bytes(path_encode(UNIT_PREFIX, name.encode()))
