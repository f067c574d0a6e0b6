"""Whether this machine can carry N clients: figures in, one sentence for each thing that matters.

Reads nothing; controller.machine fills a Machine, with None for what cannot be told (a container
without parts of /proc/sys). Costs of a client are those measured on Debian 12 with 2 cores.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from hlsswarm.core.quantities import format_size

MEMORY_PER_CLIENT_BYTES = 16 << 20
"""Peak of a client's cgroup with Debian's ffmpeg 5.1."""
MEMORY_PER_MINIMAL_CLIENT_BYTES = 6 << 20
"""The same with the one that `hlsswarm ffmpeg build` makes: 3 to 5 MB were seen, and 6 at first."""
START_CPU_SECONDS = 0.100
"""CPU of a client's start: loader, probe, first segments. docs/performance.md has 93 ms in the
strict sandbox, and 5 ms of systemd."""
START_CPU_MINIMAL_SECONDS = 0.030
"""The same with the minimal ffmpeg."""
STEADY_CPU_SECONDS = 0.0012
"""CPU of a running client per second, its share of systemd's and ours included."""
TASKS_PER_CLIENT = 4
"""Threads, each a task (systemd.resource-control(5)): 5.1 has 1 or 2, 7.1 and 9.0 have 3 or 4."""
CONNECTIONS_PER_CLIENT = 4
"""Open at once: playlists, and segments of which ffmpeg fetches two."""
FILES_PER_CLIENT = 1
"""Descriptors of ours: a client's stderr."""
FILES_SPARE = 100
TIME_WAIT_SECONDS = 60
"""How long a closed connection keeps its port (Linux: TCP_TIMEWAIT_LEN, fixed)."""
LIVE_REQUESTS_PER_TARGET_DURATION = 2
"""A Media Segment and a Media Playlist."""
CONTROLLER_MEMORY_BYTES = 200 << 20
NEEDED_PROTOCOLS = ("http", "https", "tcp", "tls", "crypto")
_CLOCK_DRIFT_MAX = 0.01
_YEAR_MIN = 2024


class Level(enum.StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Needs:
    """What a run asks of the machine."""

    clients: int
    ramp_rate_per_second: float = 5.0
    target_duration_seconds: float = 6.0
    kept_alive: bool = False
    """Measuring `light`: connections are used again, so few ports wait."""
    network_namespaces: int = 1
    """Those that clients are spread over, each with ephemeral ports of its own."""
    https: bool = False

    @property
    def starts_per_second(self) -> float:
        """Clients that start in the busiest second; a rate of 0 starts all at once."""
        rate = self.ramp_rate_per_second
        return float(self.clients) if rate == 0 else min(rate, float(self.clients))

    @property
    def requests_per_second(self) -> float:
        """Of all clients of a live stream, together."""
        each = LIVE_REQUESTS_PER_TARGET_DURATION / max(self.target_duration_seconds, 0.1)
        return self.clients * each


@dataclass(frozen=True)
class Machine:
    """Figures of the machine; None is unknown, `inf` is without limit."""

    cpus: float | None = None
    """Processors that we may use, quotas of our cgroup included."""
    memory_available_bytes: float | None = None
    memory_limit_bytes: float | None = None
    """Free room below the tightest memory limit of our cgroup and those above it."""
    open_files_limit: float | None = None
    """Hard limit of this process."""
    system_files_free: float | None = None
    user_processes_limit: float | None = None
    """RLIMIT_NPROC; without force for root."""
    threads_free: float | None = None
    """Below kernel.threads-max and kernel.pid_max."""
    cgroup_tasks_free: float | None = None
    """Below the tightest pids limit of our cgroup and those above it."""
    ports: int | None = None
    """net.ipv4.ip_local_port_range."""
    time_wait_reuse: int | None = None
    """net.ipv4.tcp_tw_reuse: 1 everywhere, 2 on loopback only."""
    conntrack_free: float | None = None
    """`inf` where connections are not tracked."""
    somaxconn: int | None = None
    ffmpeg_version: str | None = None
    ffmpeg_known: bool = False
    ffmpeg_minimal: bool = False
    ffmpeg_protocols: frozenset[str] | None = None
    ffmpeg_demuxers: frozenset[str] | None = None
    manager: str | None = None
    manager_lacks: tuple[str, ...] = ()
    clock_ratio: float | None = None
    """Realtime seconds that went by in a monotonic one."""
    clock_year: int | None = None


@dataclass(frozen=True)
class Check:
    """One thing looked at. `needed` and `found` are its figures for this N, in `unit`."""

    name: str
    level: Level
    sentence: str
    needed: float | None = None
    found: float | None = None
    unit: str = ""
    command: str | None = None
    """What mends it."""


def checks(machine: Machine, needs: Needs) -> tuple[Check, ...]:
    """All checks, in the order in which they are shown."""
    return (
        _ffmpeg(machine),
        _protocols(machine, needs),
        _manager(machine),
        _open_files(machine, needs),
        _system_files(machine, needs),
        *_tasks(machine, needs),
        _memory(machine, needs),
        _ports(machine, needs),
        _conntrack(machine, needs),
        _somaxconn(machine, needs),
        *_cpu(machine, needs),
        _clock(machine),
    )


def worst(found: Iterable[Check]) -> Level:
    """FAIL before WARN before the rest; what is unknown does no harm."""
    levels = {check.level for check in found}
    for level in (Level.FAIL, Level.WARN):
        if level in levels:
            return level
    return Level.OK


def _limit(
    name: str, what: str, needed: float, found: float | None, *, unit: str, command: str | None
) -> Check:
    """A need that must not be more than what there is, with a warning from 80 % on."""
    needs = f"needs {needed:.0f} {unit}"
    if found is None:
        return Check(name, Level.UNKNOWN, f"{what} {needs}; the limit is unknown here.", needed)
    there = "there is no limit" if math.isinf(found) else f"there are {found:.0f}"
    if needed > found:
        level, end = Level.FAIL, "too few"
    elif needed > 0.8 * found:
        level, end = Level.WARN, "hardly enough"
    else:
        level, end = Level.OK, "enough"
    sentence = f"{what} {needs}; {there}: {end}."
    mends = None if level is Level.OK else command
    return Check(name, level, sentence, needed, found, unit, mends)


def _ffmpeg(machine: Machine) -> Check:
    if machine.ffmpeg_version is None:
        return Check("ffmpeg", Level.FAIL, "There is no ffmpeg.", command="apt-get install ffmpeg")
    if not machine.ffmpeg_known:
        return Check(
            "ffmpeg",
            Level.WARN,
            f"ffmpeg {machine.ffmpeg_version} has not been tried; a run will show whether its "
            "messages are understood.",
        )
    tried = f"ffmpeg {machine.ffmpeg_version} has been tried."
    if machine.ffmpeg_minimal:
        return Check("ffmpeg", Level.OK, tried)
    better = "A minimal one needs a quarter of the memory and a fifth of the CPU at the start."
    return Check("ffmpeg", Level.OK, f"{tried} {better}", command="hlsswarm ffmpeg build")


def _protocols(machine: Machine, needs: Needs) -> Check:
    name = "ffmpeg's protocols"
    if machine.ffmpeg_protocols is None or machine.ffmpeg_demuxers is None:
        return Check(name, Level.UNKNOWN, "ffmpeg's protocols could not be asked for.")
    missing = [p for p in NEEDED_PROTOCOLS if p not in machine.ffmpeg_protocols]
    if "hls" not in machine.ffmpeg_demuxers:
        missing.insert(0, "the hls demuxer")
    if not missing:
        return Check(name, Level.OK, "ffmpeg has the hls demuxer, http, https and crypto.")
    vital = {"the hls demuxer", "http", "tcp"} | ({"https", "tls"} if needs.https else set())
    level = Level.FAIL if vital & set(missing) else Level.WARN
    return Check(
        name,
        level,
        f"This ffmpeg was built without {', '.join(missing)}.",
        command="apt-get install ffmpeg, and --ffmpeg /usr/bin/ffmpeg",
    )


def _manager(machine: Machine) -> Check:
    if machine.manager is None:
        return Check("systemd", Level.UNKNOWN, "No manager runs that could be asked.")
    if machine.manager_lacks:
        lacks = "; ".join(machine.manager_lacks)
        return Check("systemd", Level.WARN, f"The {machine.manager} manager is without: {lacks}.")
    return Check("systemd", Level.OK, f"The {machine.manager} manager has all that is used.")


def _open_files(machine: Machine, needs: Needs) -> Check:
    needed = needs.clients * FILES_PER_CLIENT + FILES_SPARE
    return _limit(
        "open files",
        f"The controller of {needs.clients} clients",
        needed,
        machine.open_files_limit,
        unit="open files",
        command=f"ulimit -Hn {_round_up(needed)}",
    )


def _system_files(machine: Machine, needs: Needs) -> Check:
    # A client holds its libraries only as mappings: sockets, epoll, stdin, stdout, stderr.
    needed = needs.clients * 10
    return _limit(
        "open files of the system",
        f"A swarm of {needs.clients} clients",
        needed,
        machine.system_files_free,
        unit="open files",
        command=f"sysctl -w fs.file-max={_round_up(4 * needed)}",
    )


def _tasks(machine: Machine, needs: Needs) -> tuple[Check, ...]:
    needed = needs.clients * TASKS_PER_CLIENT + 50
    more = _round_up(2 * needed)
    kernel = f"sysctl -w kernel.threads-max={more} kernel.pid_max={more}"
    cgroup = f"systemctl set-property --runtime UNIT TasksMax={more}   (container: --pids-limit)"
    rows = (
        ("tasks of the system", machine.threads_free, "tasks", kernel),
        ("tasks of the cgroup", machine.cgroup_tasks_free, "tasks", cgroup),
        ("processes of the user", machine.user_processes_limit, "processes", f"ulimit -Hu {more}"),
    )
    who = f"A swarm of {needs.clients} clients"
    return tuple(
        _limit(name, who, needed, found, unit=unit, command=command)
        for name, found, unit, command in rows
    )


def _memory(machine: Machine, needs: Needs) -> Check:
    each = MEMORY_PER_MINIMAL_CLIENT_BYTES if machine.ffmpeg_minimal else MEMORY_PER_CLIENT_BYTES
    needed = needs.clients * each + CONTROLLER_MEMORY_BYTES
    known = [
        figure
        for figure in (machine.memory_available_bytes, machine.memory_limit_bytes)
        if figure is not None and math.isfinite(figure)
    ]
    what = f"{needs.clients} clients of {format_size(each)} each need {format_size(needed)}"
    if not known:
        return Check("memory", Level.UNKNOWN, f"{what}; what there is, is unknown.", needed)
    found = min(known)
    fitting = int(max(0.0, found - CONTROLLER_MEMORY_BYTES) // each)
    sentence = f"{what}; {format_size(found)} are free, for {fitting} clients."
    if needed > found:
        less = "" if machine.ffmpeg_minimal else "   (or `hlsswarm ffmpeg build`: half of that)"
        mends = f"--clients {fitting}{less}"
        return Check("memory", Level.FAIL, sentence, needed, found, "bytes", mends)
    level = Level.WARN if needed > 0.8 * found else Level.OK
    return Check("memory", level, sentence, needed, found, "bytes")


def _connections(needs: Needs) -> tuple[float, float]:
    """Connections that are open at once, and those that closed within the last minute."""
    closed = 0.0 if needs.kept_alive else needs.requests_per_second * TIME_WAIT_SECONDS
    return needs.clients * CONNECTIONS_PER_CLIENT, closed


def _ports(machine: Machine, needs: Needs) -> Check:
    """A port is taken for each pair of our address and the origin's address and port.

    With a connection for each request the origin closes it (nginx: 45 of 51), and so keeps the
    TIME_WAIT. One that leaves it to the client lets our ports wait: a warning.
    """
    who = f"A swarm of {needs.clients} clients"
    if needs.network_namespaces > 1:
        share = math.ceil(needs.clients / needs.network_namespaces)
        who = f"Each network namespace, with {share} clients,"
        needs = replace(needs, clients=share)
    is_open, closed = _connections(needs)
    waiting = needs.requests_per_second if machine.time_wait_reuse == 1 else closed
    mends = 'sysctl -w net.ipv4.ip_local_port_range="1024 65535" net.ipv4.tcp_tw_reuse=1'
    unit = "ports to one origin"
    check = _limit("ephemeral ports", who, is_open, machine.ports, unit=unit, command=mends)
    all_of_them = is_open + waiting
    if check.level is not Level.OK or machine.ports is None or all_of_them <= machine.ports:
        return check
    sentence = (
        f"{who} needs {is_open:.0f} {unit}, and up to {all_of_them:.0f} with one that does not "
        f"close connections itself; there are {machine.ports}."
    )
    mends += "   (or --measure light, or --network-namespace)"
    return Check(check.name, Level.WARN, sentence, all_of_them, machine.ports, unit, mends)


def _conntrack(machine: Machine, needs: Needs) -> Check:
    if machine.conntrack_free is not None and math.isinf(machine.conntrack_free):
        return Check("conntrack", Level.OK, "Connections are not tracked here.")
    is_open, closed = _connections(needs)
    needed = is_open + 2 * closed  # nf_conntrack_tcp_timeout_time_wait is 120 s
    return _limit(
        "conntrack",
        f"A swarm of {needs.clients} clients",
        needed,
        machine.conntrack_free,
        unit="tracked connections",
        command=f"sysctl -w net.netfilter.nf_conntrack_max={_round_up(4 * needed)}",
    )


def _somaxconn(machine: Machine, needs: Needs) -> Check:
    """The telemetry socket's queue: clients that start while the controller is busy."""
    return _limit(
        "somaxconn",
        "A busy second of the ramp",
        math.ceil(needs.starts_per_second),
        machine.somaxconn,
        unit="waiting connections",
        command=f"sysctl -w net.core.somaxconn={_round_up(2 * needs.starts_per_second)}",
    )


def _cpu(machine: Machine, needs: Needs) -> tuple[Check, ...]:
    one = START_CPU_MINIMAL_SECONDS if machine.ffmpeg_minimal else START_CPU_SECONDS
    start = needs.starts_per_second * one
    steady = needs.clients * STEADY_CPU_SECONDS
    slower = 0.0 if machine.cpus is None else 0.7 * machine.cpus / one
    return (
        _cores("CPU of the ramp", "The ramp", start, machine.cpus, f"--ramp-rate {slower:.0f}"),
        _cores("CPU of the clients", "The clients", steady, machine.cpus, None),
    )


def _cores(name: str, what: str, needed: float, found: float | None, command: str | None) -> Check:
    """CPU that is short delays and falsifies, and ends nothing: a warning."""
    need = f"{what} will keep {needed:.2g} processors busy"
    if found is None:
        return Check(name, Level.UNKNOWN, f"{need}; how many there are is unknown.", needed)
    sentence = f"{need}, of {found:g}."
    if needed > 0.8 * found:
        return Check(name, Level.WARN, sentence, needed, found, "processors", command)
    return Check(name, Level.OK, sentence, needed, found, "processors")


def _clock(machine: Machine) -> Check:
    ratio, year = machine.clock_ratio, machine.clock_year
    mends = "timedatectl set-ntp true"
    if ratio is None or year is None:
        return Check("clock", Level.UNKNOWN, "The clock was not looked at.")
    if year < _YEAR_MIN:
        return Check(
            "clock",
            Level.FAIL,
            f"The clock says {year}: certificates and live latency would be judged by it.",
            command=mends,
        )
    if abs(ratio - 1) > _CLOCK_DRIFT_MAX:
        return Check(
            "clock",
            Level.WARN,
            f"The clock is being set: {ratio:.3f} s of it go by in a second.",
            command=mends,
        )
    return Check("clock", Level.OK, "The clock runs evenly.")


def _round_up(number: float) -> int:
    """The next power of two: a figure that one types into a limit."""
    return 1 << max(10, math.ceil(math.log2(max(number, 1))))
