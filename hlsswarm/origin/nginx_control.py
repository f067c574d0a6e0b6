"""A running nginx of ours: gives it another configuration, and sees when it serves by that.

    write ─► nginx -t ─► rename ─► SIGHUP ─► the control socket tells the new generation,
                                             and no worker of the old one listens any more

Knows files and signals of one nginx in a run's directory. Must not know what is different in the
new configuration, nor units.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from hlsswarm.core.nginx import GENERATION_PATH, nginx_command
from hlsswarm.errors import PreflightError, UnitError

__all__ = ["CONTROL_SOCKET", "RunningNginx", "check_configuration"]

CONTROL_SOCKET = "nginx.sock"
"""In the run's directory: where nginx tells its generation."""
_POLL_SECONDS = 0.02
_SHUTTING_DOWN = b"worker process is shutting down"
"""Title of a worker that has closed its listening sockets (ngx_process_cycle.c)."""


@dataclass(frozen=True, slots=True)
class RunningNginx:
    """The nginx `program` whose configuration and pid file are in `directory`."""

    program: Path
    directory: Path

    @property
    def configuration(self) -> Path:
        """The file that it reads."""
        return self.directory / "nginx.conf"

    def replace(self, text: str, *, generation: int, timeout_seconds: float = 10.0) -> bool:
        """Have it serve by another configuration; False when it runs no more.

        Raises PreflightError when nginx refuses the text, and the file stays as it was; UnitError
        when it does not serve by it in time.
        """
        new = self.directory / "nginx.conf.new"
        new.write_text(text)
        try:
            check_configuration(self.program, new, self.directory)
            new.replace(self.configuration)
        finally:
            new.unlink(missing_ok=True)
        master = self._master()
        if master is None:
            return False
        before = _workers(master)
        os.kill(master, signal.SIGHUP)
        deadline = time.monotonic() + timeout_seconds
        while self.generation() != generation or any(map(_listens, before & _workers(master))):
            if self._master() != master:
                return False
            if time.monotonic() > deadline:
                raise UnitError("nginx does not take its new configuration: see its log.")
            time.sleep(_POLL_SECONDS)
        return True

    def generation(self) -> int | None:
        """Which configuration it serves by; None when it does not answer."""
        connection = _UnixConnection(self.directory / CONTROL_SOCKET)
        try:
            connection.request("GET", GENERATION_PATH)
            return int(connection.getresponse().read(32))
        except (OSError, ValueError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _master(self) -> int | None:
        """Its process; None when it runs no more (another process may have the number)."""
        try:
            pid = int((self.directory / "nginx.pid").read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if os.fsencode(self.configuration) in command else None


class _UnixConnection(http.client.HTTPConnection):
    """http.client over a socket in the file system."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=2)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def check_configuration(nginx: Path, configuration: Path, directory: Path) -> None:
    """Have nginx read its configuration. Raises PreflightError when it refuses."""
    command = nginx_command(nginx, configuration, directory, check_only=True)
    checked = subprocess.run(command, capture_output=True, check=False, timeout=30)
    if checked.returncode != 0:
        said = checked.stderr.decode(errors="replace").strip().splitlines()
        raise PreflightError(f"nginx refuses its configuration: {said[-1] if said else '?'}")


def _workers(master: int) -> set[int]:
    with contextlib.suppress(OSError, ValueError):
        return set(map(int, Path(f"/proc/{master}/task/{master}/children").read_text().split()))
    return set()


def _listens(worker: int) -> bool:
    """Whether a worker still takes connections."""
    try:
        return _SHUTTING_DOWN not in Path(f"/proc/{worker}/cmdline").read_bytes()
    except OSError:
        return False
