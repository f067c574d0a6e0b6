"""Keeps the logs of services small, however long they run and however much they say.

systemd has a service's log open for appending (O_APPEND), as nginx has its own: where it is cut
in place, the next line comes behind what is left. Lines that come while it is cut may be lost.

    RUNTIME_DIRECTORY/RUN/*.log          stderr of services
    RUNTIME_DIRECTORY/RUN/access.json    requests, where a profile asks for them

The rig's daemon looks every few seconds, `hlsswarm status` and `hlsswarm logs` look once.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

LOG_BYTES_MAX = 256 << 10
"""What is kept of a log that is cut."""
_GROWN_BYTES = 1 << 20
"""Where a log is cut."""
_ALL_BYTES = 64 << 20
"""What all logs may take together before each has to do with less."""
_LEAST_BYTES = 32 << 10
_PATTERNS = ("*.log", "access.json")


def shorten(log: Path, *, bytes_max: int = LOG_BYTES_MAX) -> None:
    """Cut a log down to its last whole lines."""
    with contextlib.suppress(FileNotFoundError), log.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        if size <= bytes_max:
            return
        file.seek(size - bytes_max)
        tail = file.read(bytes_max)
        file.seek(0)
        file.write(tail[tail.find(b"\n") + 1 :])
        file.truncate()


def bound_logs(runtime_directory: Path) -> None:
    """Cut the logs of all runs that have grown; what cannot be cut stays as it is."""
    logs = list(_logs(runtime_directory))
    share = max(_LEAST_BYTES, _ALL_BYTES // max(1, len(logs)))
    grown = min(_GROWN_BYTES, share)
    for log in logs:
        with contextlib.suppress(OSError):
            if log.stat().st_size > grown:
                shorten(log, bytes_max=min(LOG_BYTES_MAX, grown // 2))


def log_bytes(runtime_directory: Path) -> dict[str, int]:
    """What the logs of each run take, in bytes."""
    found: dict[str, int] = {}
    for log in _logs(runtime_directory):
        with contextlib.suppress(OSError):
            run = log.parent.name
            found[run] = found.get(run, 0) + log.stat().st_size
    return found


def _logs(runtime_directory: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        for pattern in _PATTERNS:
            for log in runtime_directory.glob(f"*/{pattern}"):
                if log.is_file() and not log.is_symlink():
                    yield log
