"""From the plan to unit properties: D-Bus name, signature and value side by side.

Pure: says what systemd is to be asked for, and opens no bus. Sources: systemd.service(5),
systemd.exec(5), systemd.resource-control(5), org.freedesktop.systemd1(5).
"""

from __future__ import annotations

import math
import shlex
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from hlsswarm.core import names
from hlsswarm.core.backoff import Backoff
from hlsswarm.core.limits import LIMIT_KINDS, Bandwidth, LimitKind

MICROSECONDS = 1_000_000
FFMPEG_INTERRUPTED = 255
"""ffmpeg's exit status after SIGINT or SIGTERM (fftools/ffmpeg.c): an orderly end."""


class Property(NamedTuple):
    """One property of a unit as D-Bus carries it."""

    name: str
    signature: str
    value: Any


@dataclass(frozen=True)
class UnitSpec:
    """A unit to be made: its name and what it is made of."""

    name: str
    properties: tuple[Property, ...]


@dataclass(frozen=True)
class Abilities:
    """What a manager was found able to do, by asking it; what was not asked is not claimed."""

    version: int
    restart_steps: bool = False
    restart_jitter: bool = False
    memory_limit: bool = False
    cpu_limit: bool = False
    tasks_limit: bool = False
    held_limits: frozenset[str] = frozenset()
    """Names of the limits (core.limits) that the kernel was seen to have."""
    ip_filter: bool = False
    sandbox: frozenset[str] = frozenset()
    """Parts of core.sandbox's profiles that work."""

    def lacks(self) -> tuple[str, ...]:
        """What a run does without on this manager, in words; empty when nothing."""
        lacking = []
        limits = {
            "memory": self.memory_limit,
            "CPU": self.cpu_limit,
            "tasks": self.tasks_limit,
        }
        missing = [name for name, there in limits.items() if not there]
        if missing:
            what = " and ".join([", ".join(missing[:-1]), missing[-1]] if missing[1:] else missing)
            lacking.append(f"enforced {what} limits (controllers not delegated)")
        if not self.restart_steps:
            lacking.append(
                "restart steps in systemd (the waits grow only while the controller lives)"
            )
        if not self.ip_filter:
            lacking.append("IP address filters")
        return tuple(lacking)

    def does_not_hold(self, limits: Limits) -> tuple[str, ...]:
        """Which of the less common limits are asked for, and not enforced here: their names.

        Those of memory, CPU time and tasks are lacks().
        """
        common = {"memory-max", "cpu-quota", "tasks-max"}
        return tuple(
            kind.name for kind in limits.given() if kind.name not in self.held_limits | common
        )


@dataclass(frozen=True)
class Limits:
    """Limits of one unit or slice (core.limits says what each is); None leaves the manager's own.

    `oom_policy` is for services: a slice has none.
    """

    memory_max_bytes: int | None = None
    cpu_quota: float | None = None
    """Share of one processor: 1.5 is one and a half."""
    tasks_max: int | None = None
    memory_high_bytes: int | None = None
    cpu_weight: int | None = None
    io_weight: int | None = None
    io_read_max: Bandwidth | None = None
    oom_policy: str | None = None

    def given(self) -> tuple[LimitKind, ...]:
        """The kinds of limits that are set."""
        return tuple(kind for kind in LIMIT_KINDS if getattr(self, kind.field) is not None)

    def properties(self) -> list[Property]:
        """Accounting on, and the limits that are set."""
        result = [
            Property("CPUAccounting", "b", True),
            Property("MemoryAccounting", "b", True),
            Property("TasksAccounting", "b", True),
        ]
        for kind in self.given():
            value = kind.encoded(getattr(self, kind.field))
            result.append(Property(kind.bus_name, kind.signature, value))
        return result

    def changes(self, before: Limits) -> list[Property]:
        """What makes these limits of those that a unit runs with: what is not set any more is
        lifted.
        """
        return [
            Property(kind.bus_name, kind.signature, kind.encoded(getattr(self, kind.field)))
            for kind in LIMIT_KINDS
            if kind.is_live and getattr(self, kind.field) != getattr(before, kind.field)
        ]


UNLIMITED = Limits()
"""Accounting alone."""
CLIENT_LIMITS = Limits(memory_max_bytes=256 << 20, tasks_max=64)
"""One client: Debian's ffmpeg needs 10 to 16 MB; a runaway one must not take the rest along."""
_CLIENT_ENVIRONMENT = ["MALLOC_ARENA_MAX=1"]
"""mallopt(3): the threads of a client (ffmpeg from 7.0 on; before, with two inputs) share one heap.
They wait for each other anyway; 0.5 MB less (docs/client-flags.md).
"""


@dataclass(frozen=True)
class RestartPolicy:
    """How systemd restarts a client: always, or (`on-failure`) not after a finished VOD."""

    backoff: Backoff
    seed: int
    when: str = "always"

    def properties(self, abilities: Abilities, client: int, *, failures: int = 1) -> list[Property]:
        """Restart properties for `client` after `failures` failures in a row.

        With restart steps systemd itself makes the waits grow. Without, the unit has the one
        wait that is due now, and the controller makes the unit anew when a longer one is.
        """
        result = [
            Property("Restart", "s", self.when),
            # Else systemd gives a client up for good after 5 starts in 10 s.
            Property("StartLimitIntervalUSec", "t", 0),
        ]
        if self.when == "on-failure":
            # Else systemd forgets a client that has played to the end, and how it ended.
            result.append(Property("RemainAfterExit", "b", True))
        if not abilities.restart_steps:
            delay = self.backoff.delay_seconds(failures, client, self.seed)
            return [*result, usec("RestartUSec", delay)]
        factor = 1.0 if abilities.restart_jitter else self.backoff.factor(client, self.seed)
        result.append(usec("RestartUSec", self.backoff.minimum_seconds * factor))
        if self.backoff.steps > 0:
            result.append(Property("RestartSteps", "u", self.backoff.steps))
            result.append(usec("RestartMaxDelayUSec", self.backoff.maximum_seconds * factor))
        if abilities.restart_jitter:
            result.append(usec("RestartRandomizedDelayUSec", self.backoff.minimum_seconds * 0.4))
        return result


def usec(name: str, seconds: float) -> Property:
    """A span of time; never 0, which means for ever in many of them."""
    return Property(name, "t", max(1, math.ceil(seconds * MICROSECONDS)))


def exec_start(command: Sequence[str]) -> Property:
    """The command, so that each argument reaches the program byte for byte.

    ExecStart expands `$VAR` and `$$` (systemd.service(5), COMMAND LINES). ExecStartEx could be told
    not to, but systemd 252 writes a transient unit's file with that name, which it does not know
    when it reads it again at a daemon-reload: the unit is `bad-setting` from then on. `%` is
    special in unit files only, never over D-Bus. Raises ValueError for an empty command, a program
    that is not an absolute path, or a NUL byte.
    """
    if not command or not Path(command[0]).is_absolute():
        raise ValueError("the program of a unit needs an absolute path")
    if any("\0" in argument for argument in command):
        raise ValueError("an argument holds a NUL byte")
    return Property("ExecStart", "a(sasb)", [escaped(command)])


def survives_reload(command: Sequence[str]) -> bool:
    """Whether the command is the same after a daemon-reload. systemd 252 writes `$` and `;` into a
    transient unit's file with a backslash before them that it does not take away when it reads it.
    """
    return not any("$" in argument or ";" in argument for argument in command)


def script_of(command: Sequence[str]) -> str:
    """A shell script that becomes the command (exec): for one that does not survive a reload."""
    return f"#!/bin/sh\nexec {shlex.join(command)}\n"


def escaped(command: Sequence[str], *, may_fail: bool = False) -> tuple[str, list[str], bool]:
    """A command for the form of ExecStart and its like that expands variables: none is expanded.

    `may_fail` is systemd's leading `-`: its failure does not count.
    """
    return (command[0], [argument.replace("$", "$$") for argument in command], may_fail)


def service_properties(description: str, slice_name: str, command: Property) -> list[Property]:
    """What every service of ours has."""
    return [
        Property("Description", "s", description),
        Property("Slice", "s", slice_name),
        # `exec`: the start job ends when the program runs, so a start's lateness is the truth.
        Property("Type", "s", "exec"),
        command,
        Property("CollectMode", "s", "inactive-or-failed"),
        Property("KillMode", "s", "control-group"),
        Property("SendSIGKILL", "b", True),
        Property("StandardInput", "s", "null"),
        Property("StandardOutput", "s", "null"),
        Property("NoNewPrivileges", "b", True),
        Property("UMask", "u", 0o022),
        Property("LimitCORE", "t", 0),
    ]


def client_spec(
    run: str,
    client: int,
    command: Sequence[str],
    *,
    abilities: Abilities,
    telemetry_socket: Path,
    restart: RestartPolicy,
    failures: int = 1,
    limits: Limits = CLIENT_LIMITS,
    stop_timeout_seconds: float = 2.0,
    more: Sequence[Property] = (),
) -> UnitSpec:
    """The unit of one client. `telemetry_socket` listens for ffmpeg's stderr; `more` are properties
    of this run's clients alone.
    """
    properties = service_properties(
        f"hlsswarm client {client} of run {run}",
        names.clients_slice(run),
        exec_start(command),
    )
    properties += [
        Property("StandardErrorFile", "s", str(telemetry_socket)),
        Property("Environment", "as", _CLIENT_ENVIRONMENT),
        Property("SuccessExitStatus", "(aiai)", ([FFMPEG_INTERRUPTED], [])),
        Property("KillSignal", "i", int(signal.SIGTERM)),
        usec("TimeoutStopUSec", stop_timeout_seconds),
        # Where memory runs out, a client goes before the controller and the machine's own.
        Property("OOMScoreAdjust", "i", 500),
    ]
    properties += restart.properties(abilities, client, failures=failures)
    properties += limits.properties()
    properties += more
    return UnitSpec(names.client_unit(run, client), tuple(properties))


def slice_spec(name: str, description: str, limits: Limits) -> UnitSpec:
    """A slice with the limits of all that is in it."""
    return UnitSpec(name, (Property("Description", "s", description), *limits.properties()))
