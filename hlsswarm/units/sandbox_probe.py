"""Which parts of the sandbox a manager can give: a probe unit has them, and the kernel's own files
say of the process whether they hold. A property alone proves nothing: a user's manager takes some
of them and does nothing about them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import shutil
from pathlib import Path

from hlsswarm.core.sandbox import CANDIDATES, Part, Sandbox
from hlsswarm.core.unit_specs import Property, UnitSpec, exec_start, usec
from hlsswarm.errors import UnitError
from hlsswarm.units.bus import BusLostError
from hlsswarm.units.manager import SystemdManager

_TIMEOUT_SECONDS = 5.0
_SECCOMP_FILTER = "2"  # proc(5), Seccomp


async def sandbox_parts(manager: SystemdManager, directory: Path) -> frozenset[Part]:
    """The best set of parts that works; `directory` is ours for a file. Needs listen().

    20 to 40 ms where all works. Raises BusLostError.
    """
    for parts in CANDIDATES:
        held = await _held(manager, directory, parts)
        if parts <= held:
            return parts | (held & {"processes"})
    return frozenset()


async def _held(
    manager: SystemdManager, directory: Path, parts: frozenset[Part]
) -> frozenset[Part]:
    """The parts that hold in a probe unit that has these; none where it does not even start."""
    unit = f"hlsswarm-probe-{secrets.token_hex(4)}.service"
    heard = directory / f"{unit}.heard"
    try:
        await manager.start_and_wait(_probe(unit, heard, parts))
        return facts(await asyncio.to_thread(heard.read_text), manager_user=os.geteuid())
    except (UnitError, OSError) as error:
        if isinstance(error, BusLostError):
            raise
        return frozenset()
    finally:
        with contextlib.suppress(UnitError):
            await manager.stop_and_wait([unit], timeout_seconds=_TIMEOUT_SECONDS)
        await asyncio.to_thread(heard.unlink, missing_ok=True)


def facts(text: str, *, manager_user: int) -> frozenset[Part]:
    """The parts that hold by /proc/self/status and /proc/self/mountinfo, one after the other."""
    status = dict(re.findall(r"^(\w+):\s*(\S+)", text, re.MULTILINE))
    root = re.search(r"^\S+ \S+ \S+ \S+ / (\S+)", text, re.MULTILINE)
    found: set[Part] = set()
    if status.get("Uid", str(manager_user)) != str(manager_user):
        found.add("user")
    if root is not None and "ro" in root[1].split(","):
        found.add("mounts")
        if re.search(r"^\S+ \S+ \S+ / /proc .* - proc \S+ \S*hidepid=", text, re.MULTILINE):
            found.add("processes")
    if status.get("CapBnd", "1").strip("0") == "":
        found.add("capabilities")
    if status.get("Seccomp") == _SECCOMP_FILTER and status.get("NoNewPrivs") == "1":
        found.add("seccomp")
    return frozenset(found)


def _probe(unit: str, heard: Path, parts: frozenset[Part]) -> UnitSpec:
    cat = shutil.which("cat") or "/bin/cat"
    return UnitSpec(
        unit,
        (
            Property("Description", "s", "hlsswarm asks what its sandbox can be made of"),
            # The job ends when the program has, so there is nothing to wait for afterwards.
            Property("Type", "s", "oneshot"),
            exec_start((cat, "/proc/self/status", "/proc/self/mountinfo")),
            Property("CollectMode", "s", "inactive-or-failed"),
            Property("StandardOutputFileToTruncate", "s", str(heard)),
            Property("StandardError", "s", "null"),
            usec("TimeoutStartUSec", _TIMEOUT_SECONDS),
            *Sandbox(profile="client").properties(parts),
        ),
    )
