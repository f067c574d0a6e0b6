"""What a manager can do, found out by asking it: its properties, and a probe unit.

The probe unit has limits, an IP filter and a stderr socket. The kernel's own files say whether
the limits are there, and the probe itself says whether it could send a packet.
"""

from __future__ import annotations

import asyncio
import dataclasses
import re
import secrets
import socket
import sys
from pathlib import Path

from hlsswarm.core.limits import LIMIT_KINDS, READ_RATE
from hlsswarm.core.unit_specs import (
    MICROSECONDS,
    Abilities,
    Limits,
    Property,
    UnitSpec,
    exec_start,
)
from hlsswarm.errors import UnitError
from hlsswarm.units.manager import SystemdManager
from hlsswarm.units.sandbox_probe import sandbox_parts

_PROBE_TIMEOUT_SECONDS = 5.0

# Runs in the probe unit: says on stderr whether a packet could be sent, and stays.
_PROBE_PROGRAM = """
import signal, socket, sys
try:
    # A filtered datagram is refused at once, where a filtered connection would time out.
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", ("127.0.0.1", int(sys.argv[1])))
    sys.stderr.write("open\\n")
except OSError:
    sys.stderr.write("filtered\\n")
sys.stderr.flush()
signal.pause()
"""


def _version_number(text: str) -> int:
    match = re.match(r"\d+", text)
    return int(match[0]) if match else 0


def by_properties(manager: SystemdManager) -> Abilities:
    """What the manager's properties tell, without starting anything: no limits are claimed."""
    known = manager.service_property_names()
    return Abilities(
        version=_version_number(manager.version()),
        restart_steps="RestartSteps" in known,
        restart_jitter="RestartRandomizedDelayUSec" in known,
    )


async def probe(manager: SystemdManager, directory: Path) -> Abilities:
    """Ask the manager what it can; `directory` is ours for a socket. Needs listen().

    Raises UnitError when it cannot even run the probe.
    """
    bare = by_properties(manager)
    said: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readline()).decode(errors="replace").strip()
        if not said.done():
            said.set_result(line)
        writer.close()

    # A name of its own: a controller that was killed may have left its probe.
    unit = f"hlsswarm-probe-{secrets.token_hex(4)}.service"
    path = directory / "probe.sock"
    server = await asyncio.start_unix_server(hear, path)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target:
        target.bind(("127.0.0.1", 0))
        try:
            await manager.start_and_wait(_probe_spec(unit, path, target.getsockname()[1]))
            limits = _limits_there(manager, unit)
            word = await asyncio.wait_for(said, _PROBE_TIMEOUT_SECONDS)
        except TimeoutError:
            raise UnitError("The probe unit did not say a word.") from None
        finally:
            await manager.stop_and_wait([unit], timeout_seconds=_PROBE_TIMEOUT_SECONDS)
            server.close()
            path.unlink(missing_ok=True)
    return dataclasses.replace(
        bare,
        ip_filter=word == "filtered",
        sandbox=await sandbox_parts(manager, directory),
        memory_limit="memory-max" in limits,
        cpu_limit="cpu-quota" in limits,
        tasks_limit="tasks-max" in limits,
        held_limits=limits,
    )


def _probe_spec(unit: str, stderr_socket: Path, port: int) -> UnitSpec:
    command = (sys.executable, "-I", "-S", "-c", _PROBE_PROGRAM, str(port))
    limits = Limits(
        memory_max_bytes=64 << 20,
        cpu_quota=0.5,
        tasks_max=7,
        memory_high_bytes=63 << 20,
        cpu_weight=50,
        io_weight=50,
    )
    return UnitSpec(
        unit,
        (
            Property("Description", "s", "hlsswarm asks what this systemd can do"),
            Property("Type", "s", "exec"),
            exec_start(command),
            Property("CollectMode", "s", "inactive-or-failed"),
            Property("StandardOutput", "s", "null"),
            Property("StandardErrorFile", "s", str(stderr_socket)),
            Property("IPAddressDeny", "a(iayu)", [(2, [0, 0, 0, 0], 0)]),
            Property("TimeoutStopUSec", "t", 1_000_000),
            Property("KillSignal", "i", 9),
            Property("RuntimeMaxUSec", "t", round(2 * _PROBE_TIMEOUT_SECONDS * MICROSECONDS)),
            *limits.properties(),
        ),
    )


def _limits_there(manager: SystemdManager, unit: str) -> frozenset[str]:
    """Names of the limits of the probe that the kernel has."""
    cgroup = manager.control_group(unit)
    held = set()
    for kind in LIMIT_KINDS:
        found = manager.accounting.limit_of(cgroup, kind)
        if found is not None and found.value not in {None, kind.neutral}:
            held.add(kind.name)
    if manager.accounting.is_v2("memory", cgroup):
        held.add("oom-policy")  # systemd hears of it by memory.events, which v1 lacks
    if manager.accounting.limit_of(cgroup, READ_RATE) is not None:
        held.add(READ_RATE.name)  # not tried: which device there is, and may be slowed, differs
    return frozenset(held)
