"""What the service manager above the daemon is told, and keeps for it.

sd_notify(3): READY, RELOADING, STATUS, WATCHDOG; FDSTORE for descriptors that outlive the daemon
(systemd.service(5), FileDescriptorStoreMax=), which come back as sd_listen_fds(3) has it. The
sdnotify library says words; descriptors need ancillary data, which it does not send.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator, Mapping

import sdnotify

_FIRST_DESCRIPTOR = 3  # SD_LISTEN_FDS_START
_USEC = 1_000_000


class ServiceManager:
    """The manager that started this process, if one did; without, nothing is said or kept."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        env = os.environ if environment is None else environment
        self._address = env.get("NOTIFY_SOCKET", "")
        self._notifier = sdnotify.SystemdNotifier()
        self.watchdog_seconds = _watchdog_seconds(env)

    @property
    def is_there(self) -> bool:
        """Whether this process is a service."""
        return bool(self._address)

    def ready(self, status: str) -> None:
        """All is started that the configuration names."""
        self._say(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """A reload begins; ready() ends it."""
        self._say(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str) -> None:
        """The end begins."""
        self._say(f"STOPPING=1\nSTATUS={status}")

    def alive(self, status: str) -> None:
        """The loop goes round."""
        self._say(f"WATCHDOG=1\nSTATUS={status}")

    def longer(self, seconds: float) -> None:
        """Starting or stopping takes so much longer (EXTEND_TIMEOUT_USEC)."""
        self._say(f"EXTEND_TIMEOUT_USEC={round(seconds * _USEC)}")

    def _say(self, words: str) -> None:
        if self._address:
            self._notifier.notify(words)

    def keep(self, name: str, descriptor: int) -> None:
        """Have the manager keep a copy of a descriptor; what it does not take is not kept."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.connect(address)
            socket.send_fds(out, [f"FDSTORE=1\nFDNAME={name}".encode()], [descriptor])

    def drop(self, name: str) -> None:
        """Have the manager close what it keeps under a name."""
        self._say(f"FDSTOREREMOVE=1\nFDNAME={name}")


def _watchdog_seconds(env: Mapping[str, str]) -> float | None:
    """Time within which the manager wants to hear of us; None when it does not."""
    with contextlib.suppress(ValueError, KeyError):
        if env.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid()):
            return int(env["WATCHDOG_USEC"]) / _USEC
    return None


class KeptSockets:
    """The sockets that came back from the manager, each taken by who knows its name."""

    def __init__(self, found: Mapping[str, socket.socket]) -> None:
        self._left = dict(found)

    @classmethod
    def received(cls) -> KeptSockets:
        """Those of this process; a second call has none."""
        return cls(dict(_received(os.environ)))

    def take(self, prefix: str) -> dict[str, socket.socket]:
        """All whose name begins with `prefix`, under the rest of their names."""
        names = [name for name in self._left if name.startswith(prefix)]
        return {name[len(prefix) :]: self._left.pop(name) for name in names}

    def close(self) -> list[str]:
        """Close what nobody took; its names."""
        for left in self._left.values():
            left.close()
        names, self._left = list(self._left), {}
        return names


def _received(env: os._Environ[str]) -> Iterator[tuple[str, socket.socket]]:
    if env.get("LISTEN_PID") != str(os.getpid()):
        return
    count = int(env.get("LISTEN_FDS", "0"))
    names = env.get("LISTEN_FDNAMES", "").split(":")
    for key in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        env.pop(key, None)
    for number in range(count):
        descriptor = _FIRST_DESCRIPTOR + number
        name = names[number] if number < len(names) else "unknown"
        os.set_inheritable(descriptor, False)
        try:
            yield name, socket.socket(fileno=descriptor)
        except OSError:
            os.close(descriptor)


class SwarmKeeper:
    """Keeps the sockets of one swarm; a name within the manager's store is RUN.NAME."""

    def __init__(self, manager: ServiceManager, run: str) -> None:
        self._manager = manager
        self._run = run

    @staticmethod
    def prefix(run: str) -> str:
        """What the names of a run's sockets begin with."""
        return f"{run}."

    def keep(self, name: str, descriptor: int) -> None:
        """Keep a copy of a socket."""
        self._manager.keep(self.prefix(self._run) + name, descriptor)

    def drop(self, name: str) -> None:
        """Keep it no longer."""
        self._manager.drop(self.prefix(self._run) + name)
