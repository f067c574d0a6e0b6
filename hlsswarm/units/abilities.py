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

_PROBE_TIMEOUT_SECONDS = 5.0
_NO_LIMIT = ("max", "-1")
_V1_MEMORY_UNLIMITED = 1 << 60

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
        exec_start_ex="ExecStartEx" in known,
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
            await manager.start_and_wait(_probe_spec(unit, bare, path, target.getsockname()[1]))
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
        memory_limit=limits["memory"],
        cpu_limit=limits["cpu"],
        tasks_limit=limits["pids"],
    )


def _probe_spec(unit: str, abilities: Abilities, stderr_socket: Path, port: int) -> UnitSpec:
    command = (sys.executable, "-I", "-S", "-c", _PROBE_PROGRAM, str(port))
    limits = Limits(memory_max_bytes=64 << 20, cpu_quota=0.5, tasks_max=7)
    return UnitSpec(
        unit,
        (
            Property("Description", "s", "hlsswarm asks what this systemd can do"),
            Property("Type", "s", "exec"),
            exec_start(command, abilities),
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


def _limits_there(manager: SystemdManager, unit: str) -> dict[str, bool]:
    """For each controller, whether the kernel has the probe's limit."""
    cgroup = manager.control_group(unit)
    files = {
        "memory": ("memory.limit_in_bytes", "memory.max"),
        "cpu": ("cpu.cfs_quota_us", "cpu.max"),
        "pids": ("pids.max", "pids.max"),
    }
    result = {}
    for controller, (v1_file, v2_file) in files.items():
        text = manager.accounting.limit(cgroup, controller, v1_file, v2_file) or "max"
        first = text.split()[0]
        result[controller] = first not in _NO_LIMIT and int(first) < _V1_MEMORY_UNLIMITED
    return result
