"""Reads the machine's figures for the doctor: /proc, limits, cgroups, ffmpeg, the clock.

What cannot be read, as in a container that hides parts of /proc/sys, is None and never an error.
Judges nothing. Sources: proc(5), cgroups(7), the kernel's ip-sysctl and cgroup-v2 documents.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
import os
import resource
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from hlsswarm.core.commands import parse_demuxers, parse_protocols
from hlsswarm.core.doctor import Machine
from hlsswarm.core.resolve import HOSTS_PATH, tls_verifies_by_default
from hlsswarm.core.unit_specs import Abilities, Property, UnitSpec, exec_start
from hlsswarm.errors import PreflightError, UnitError
from hlsswarm.telemetry.ffmpeg_program import FFmpegProgram, find_client_ffmpeg
from hlsswarm.units import cgroups
from hlsswarm.units.bus import BusLostError
from hlsswarm.units.manager import SystemdManager

_PROC = Path("/proc")
_CLOCK_SECONDS = 0.2
_ASK_TIMEOUT_SECONDS = 20.0
_PROBE_TIMEOUT_SECONDS = 5.0
_V1_UNLIMITED = 1 << 60


def read_machine(ffmpeg: str | None = None, *, proc: Path = _PROC) -> Machine:
    """All figures that need no systemd; takes about 0.4 s. `ffmpeg` as in find_client_ffmpeg()."""
    limits = _CgroupLimits.of_this_process()
    machine = Machine(
        cpus=min(float(len(os.sched_getaffinity(0))), limits.cpus),
        memory_available_bytes=_meminfo(proc, "MemAvailable"),
        memory_limit_bytes=limits.memory_free_bytes,
        open_files_limit=_rlimit(resource.RLIMIT_NOFILE),
        system_files_free=_system_files_free(proc),
        # The kernel does not hold root to it (setrlimit(2), RLIMIT_NPROC).
        user_processes_limit=math.inf if os.geteuid() == 0 else _rlimit(resource.RLIMIT_NPROC),
        threads_free=_threads_free(proc),
        cgroup_tasks_free=limits.tasks_free,
        ports=_ports(proc),
        time_wait_reuse=_number(proc / "sys/net/ipv4/tcp_tw_reuse"),
        conntrack_free=_conntrack_free(proc),
        somaxconn=_number(proc / "sys/net/core/somaxconn"),
    )
    return _with_clock(_with_ffmpeg(machine, ffmpeg))


def with_manager(machine: Machine, kind: str, abilities: Abilities) -> Machine:
    """The same with what a manager was found to lack."""
    return dataclasses.replace(machine, manager=kind, manager_lacks=abilities.lacks())


def _with_ffmpeg(machine: Machine, name: str | None) -> Machine:
    try:
        program = find_client_ffmpeg(name)
    except PreflightError:
        return machine
    protocols, demuxers = (ask(program, word) for word in ("-protocols", "-demuxers"))
    return dataclasses.replace(
        machine,
        ffmpeg_version=program.version.text,
        ffmpeg_known=program.version.is_known,
        ffmpeg_minimal=program.minimal,
        ffmpeg_protocols=None if protocols is None else parse_protocols(protocols),
        ffmpeg_demuxers=None if demuxers is None else parse_demuxers(demuxers),
    )


def ask(program: FFmpegProgram, *words: str) -> str | None:
    """What ffmpeg answers to `-protocols`, `-h protocol=tls` and the like; None if it does not."""
    try:
        answer = subprocess.run(
            [program.path, "-hide_banner", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_ASK_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.decode(errors="replace") if answer.returncode == 0 else None


def checks_certificates(program: FFmpegProgram) -> bool:
    """Whether this ffmpeg verifies certificates unasked (9.0 does; 5.1 and 7.1 do not)."""
    return tls_verifies_by_default(ask(program, "-h", "protocol=tls") or "")


def _with_clock(machine: Machine) -> Machine:
    wall, even = time.time(), time.monotonic()
    time.sleep(_CLOCK_SECONDS)
    ratio = (time.time() - wall) / (time.monotonic() - even)
    return dataclasses.replace(machine, clock_ratio=ratio, clock_year=time.gmtime().tm_year)


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return None


def _numbers(path: Path) -> list[int]:
    """The whole numbers in a file; none where it cannot be read."""
    return [int(word) for word in (_text(path) or "").split() if word.lstrip("-").isdecimal()]


def _number(path: Path) -> int | None:
    return next(iter(_numbers(path)), None)


def _rlimit(which: int) -> float:
    hard = resource.getrlimit(which)[1]
    return math.inf if hard == resource.RLIM_INFINITY else float(hard)


def _meminfo(proc: Path, field: str) -> float | None:
    for line in (_text(proc / "meminfo") or "").splitlines():
        name, _, rest = line.partition(":")
        if name == field:
            return float(rest.split()[0]) * 1024
    return None


def _system_files_free(proc: Path) -> float | None:
    figures = _numbers(proc / "sys/fs/file-nr")  # allocated, free, maximum
    if len(figures) != 3:
        return None
    return math.inf if figures[2] >= _V1_UNLIMITED else float(figures[2] - figures[0])


def _threads_free(proc: Path) -> float | None:
    limits = [_number(proc / "sys/kernel" / name) for name in ("threads-max", "pid_max")]
    known = [limit for limit in limits if limit is not None]
    words = (_text(proc / "loadavg") or "").split()  # 0.1 0.2 0.3 RUNNING/ALL LAST
    used = words[3].partition("/")[2] if len(words) > 3 else ""
    return float(min(known) - int(used)) if known and used.isdecimal() else None


def _ports(proc: Path) -> int | None:
    first_and_last = _numbers(proc / "sys/net/ipv4/ip_local_port_range")
    return first_and_last[1] - first_and_last[0] + 1 if len(first_and_last) == 2 else None


def _conntrack_free(proc: Path) -> float | None:
    netfilter = proc / "sys/net/netfilter"
    most, used = (_number(netfilter / f"nf_conntrack_{name}") for name in ("max", "count"))
    if most is not None:
        return math.inf if most == 0 else float(most - (used or 0))
    # Not there although its neighbours are: the module is not loaded.
    return math.inf if (proc / "sys/net/ipv4").is_dir() else None


# --- cgroups --------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _CgroupLimits:
    """The tightest limits of our cgroup and those above it; `inf` where there is none."""

    cpus: float = math.inf
    memory_free_bytes: float = math.inf
    tasks_free: float = math.inf

    @classmethod
    def of_this_process(cls) -> _CgroupLimits:
        try:
            directories = list(_own_directories())
        except OSError:
            return cls()
        return limits_of(directories)


def _own_directories() -> Iterator[Path]:
    """Directories of our cgroups in all trees, each with all above it that can be seen."""
    ours = cgroups.membership()
    for tree in cgroups.hierarchies():
        with contextlib.suppress(OSError, KeyError):
            directory = tree.directory(ours[tree.controllers])
            while directory.is_relative_to(tree.mount):
                yield directory
                directory = directory.parent


def limits_of(directories: list[Path]) -> _CgroupLimits:
    """The tightest of the limits of these cgroups, v1 or v2."""
    return _CgroupLimits(
        cpus=min(map(_cpus, directories), default=math.inf),
        memory_free_bytes=min(map(_memory_free, directories), default=math.inf),
        tasks_free=min(
            (_free(d / "pids.max", d / "pids.current") for d in directories), default=math.inf
        ),
    )


def _cpus(directory: Path) -> float:
    quota, period = _number(directory / "cpu.cfs_quota_us"), directory / "cpu.cfs_period_us"
    if quota is None:
        both = _numbers(directory / "cpu.max")  # `max 100000` without a limit
        return both[0] / both[1] if len(both) == 2 else math.inf
    return quota / (_number(period) or 100_000) if quota > 0 else math.inf


def _memory_free(directory: Path) -> float:
    v1 = _free(directory / "memory.limit_in_bytes", directory / "memory.usage_in_bytes")
    free = min(v1, _free(directory / "memory.max", directory / "memory.current"))
    if math.isinf(free):
        return free
    # Page cache that nobody needs is given back before anybody is killed.
    stat = dict(
        line.split(" ", 1)
        for line in (_text(directory / "memory.stat") or "").splitlines()
        if " " in line
    )
    # v1 tells those of the cgroups below apart, v2 has them in the one figure.
    cache = stat.get("total_inactive_file", stat.get("inactive_file", ""))
    return free + int(cache) if cache.isdecimal() else free


def _free(limit_file: Path, used_file: Path) -> float:
    limit = _number(limit_file)
    if limit is None or limit < 0 or limit >= _V1_UNLIMITED:
        return math.inf
    return float(max(0, limit - (_number(used_file) or 0)))


# --- what a manager gives -------------------------------------------------------------------------


async def gives_mount_namespaces(manager: SystemdManager, directory: Path) -> bool:
    """Whether a unit can have an /etc/hosts of its own; needs listen(). 10 to 30 ms.

    A manager without the right to namespaces fails the unit (226/NAMESPACE) or, a user's, may
    run it without: so the unit itself reads the file. `directory` is ours.
    """
    word = secrets.token_hex(8)
    hosts, heard = directory / "probe.hosts", directory / "probe.heard"
    hosts.write_text(f"{word}\n")
    unit = f"hlsswarm-probe-{secrets.token_hex(4)}.service"
    try:
        await manager.start_and_wait(_mount_probe(unit, hosts, heard))
        return (_text(heard) or "").strip() == word
    except UnitError as error:
        if isinstance(error, BusLostError):
            raise
        return False
    finally:
        with contextlib.suppress(UnitError):
            await manager.stop_and_wait([unit], timeout_seconds=_PROBE_TIMEOUT_SECONDS)
        for file in (hosts, heard):
            await asyncio.to_thread(file.unlink, missing_ok=True)


def _mount_probe(unit: str, hosts: Path, heard: Path) -> UnitSpec:
    return UnitSpec(
        unit,
        (
            Property("Description", "s", "hlsswarm asks whether units can have mounts"),
            # The job ends when the program has, so there is nothing to wait for afterwards.
            Property("Type", "s", "oneshot"),
            exec_start(("/bin/cat", HOSTS_PATH)),
            Property("CollectMode", "s", "inactive-or-failed"),
            Property("StandardOutputFileToTruncate", "s", str(heard)),
            Property("StandardError", "s", "null"),
            Property("BindReadOnlyPaths", "a(ssbt)", [(str(hosts), HOSTS_PATH, False, 0)]),
            Property("TimeoutStartUSec", "t", round(_PROBE_TIMEOUT_SECONDS * 1_000_000)),
        ),
    )
