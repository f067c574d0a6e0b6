"""How a manager's units are told of a mount of the machine's that may be newer than the manager.

An embedded manager has a mount namespace of its own, in which /run has what was mounted there when
it was started. Its keeper is outside, and is there for as long as it: by way of the keeper's root
(proc(5), /proc/PID/root) units reach the machine's mounts as they are now.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from hlsswarm.units import embedded
from hlsswarm.units.embedded_keeper import KIND
from hlsswarm.units.manager import SystemdManager
from hlsswarm.units.runtime_directory import runtime_directory

_PARENT = re.compile(r"^PPid:\s+(\d+)$", re.MULTILINE)
_PROC = Path("/proc")


def path_for_units(manager: SystemdManager, path: str) -> str:
    """The absolute path as the manager's units have to be told it."""
    if manager.kind != KIND:
        return path
    keeper = _keeper()
    return path if keeper is None else f"/proc/{keeper}/root{path}"


def _keeper() -> int | None:
    """The process that keeps the embedded manager: its parent."""
    for pid in _processes():
        with contextlib.suppress(OSError):
            if (_PROC / pid / "comm").read_text().strip() != "systemd":
                continue
            parent = _PARENT.search((_PROC / pid / "status").read_text())
            if parent is not None:
                return int(parent[1])
    return None


def _processes() -> Iterator[str]:
    """What is in the manager's own cgroups, not in its units'."""
    for directory in embedded.recorded_cgroups(embedded.directory_in(runtime_directory())):
        for own in (directory / "init.scope", directory):
            with contextlib.suppress(OSError):
                yield from (own / "cgroup.procs").read_text().split()
