"""systemd's journal: whether our stderr is its, and its socket (systemd.exec(5), JOURNAL_STREAM=).

No library: the protocol is a datagram of lines, and those that speak it have to be compiled.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

_WAIT_SECONDS = 0.1
_SLOW_SECONDS = 5.0
JOURNAL_SOCKET = Path("/run/systemd/journal/socket")


def is_journal(descriptor: int, environment: Mapping[str, str] | None = None) -> bool:
    """Whether the journal takes what is written to a descriptor."""
    env = os.environ if environment is None else environment
    try:
        device, inode = map(int, env.get("JOURNAL_STREAM", "").split(":"))
        found = os.fstat(descriptor)
    except (ValueError, OSError):
        return False
    return (found.st_dev, found.st_ino) == (device, inode)


class JournalSocket:
    """Sends records; waits for the journal a moment, and for one that does not answer not again.

    Few records fit into its queue (net.unix.max_dgram_qlen, mostly 10).
    """

    def __init__(self, path: Path = JOURNAL_SOCKET) -> None:
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._slow_until = 0.0

    def send(self, record: bytes) -> bool:
        """Send one record; False when the journal is not there, or takes no more just now."""
        now = time.monotonic()
        self._socket.settimeout(_WAIT_SECONDS if now >= self._slow_until else 0.0)
        try:
            self._socket.sendto(record, self._path)
        except (TimeoutError, BlockingIOError):
            self._slow_until = now + _SLOW_SECONDS
            return False
        except OSError:
            return False
        return True
