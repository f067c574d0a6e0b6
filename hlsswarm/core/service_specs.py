"""Units of what is not a client: encoders, servers, transcoders, publishers, faults.

A `Service` says in our words what such a unit is to do; `service_spec` gives systemd's properties.
Their stderr goes to a file in the run's directory (names.log_file) or to a socket of ours.

How an ffmpeg that writes files is stopped, by unit properties alone (systemd.service(5),
ExecStop=, KillSignal=, TimeoutStopSec=):

    SIGINT ──3 s──► SIGTERM ──2 s──► SIGKILL
    ffmpeg writes its trailer         whatever hangs
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hlsswarm.core.backoff import Backoff
from hlsswarm.core.sandbox import UNWALLED, Sandbox
from hlsswarm.core.unit_specs import (
    FFMPEG_INTERRUPTED,
    UNLIMITED,
    Abilities,
    Limits,
    Property,
    UnitSpec,
    escaped,
    exec_start,
    service_properties,
    usec,
)

_KILL = "/bin/kill"
_TAIL = "/usr/bin/tail"
_TIMEOUT = "/usr/bin/timeout"


@dataclass(frozen=True)
class PlainStop:
    """One signal, and SIGKILL after `seconds`."""

    signal: signal.Signals = signal.SIGTERM
    seconds: float = 3.0

    def properties(self) -> list[Property]:
        """As systemd has it."""
        return [
            Property("KillSignal", "i", int(self.signal)),
            usec("TimeoutStopUSec", self.seconds),
        ]


@dataclass(frozen=True)
class GracefulStop:
    """ffmpeg's own quit signal (SIGINT), then SIGTERM, then SIGKILL.

    systemd has one time-out for each command of ExecStop= and for the time after KillSignal=, so
    the longer first wait is made of two commands: one ends by itself, one is ended by systemd.
    """

    quit_seconds: float = 3.0
    terminate_seconds: float = 2.0

    def __post_init__(self) -> None:
        """Raises ValueError for waits that cannot be expressed."""
        if not 0 < self.terminate_seconds <= self.quit_seconds <= 2 * self.terminate_seconds:
            raise ValueError("the quit wait must be one to two times the wait after SIGTERM")

    def properties(self) -> list[Property]:
        """As systemd has it. $MAINPID is systemd's, and empty when the process has ended by itself:
        each command then fails at once with a line that is_stop_noise() knows.
        """
        gone = [_TAIL, "--pid=${MAINPID}", "-s", "0.05", "-f", "/dev/null"]
        first = self.quit_seconds - self.terminate_seconds
        commands: list[tuple[str, list[str], bool]] = [
            (_KILL, [_KILL, "-s", "INT", "${MAINPID}"], True)
        ]
        if first > 0:
            commands.append((_TIMEOUT, [_TIMEOUT, f"{first:g}", *gone], True))
        commands.append((_TAIL, gone, True))
        return [
            Property("ExecStop", "a(sasb)", commands),
            Property("KillSignal", "i", int(signal.SIGTERM)),
            usec("TimeoutStopUSec", self.terminate_seconds),
        ]


def is_stop_noise(line: str) -> bool:
    """Whether a line of a service's log is of GracefulStop's commands, which found no process."""
    programs = (_KILL, _TAIL, _TIMEOUT)
    said_by = line.partition(": ")[0]
    return said_by in {*programs, *(Path(program).name for program in programs)}


@dataclass(frozen=True)
class ServiceRestart:
    """When systemd starts a service again: `no`, `on-failure` or `always`, and after what wait.

    With restart steps (systemd 254) the wait grows from `minimum_seconds` to `maximum_seconds` of
    the back-off. Without, it is the minimum; a service whose failures have to be spaced out puts
    its longer waits into a command before each start.
    """

    when: Literal["no", "on-failure", "always"] = "always"
    backoff: Backoff = field(default_factory=lambda: Backoff(0.5, 0.5))

    def properties(self, abilities: Abilities) -> list[Property]:
        """As systemd has it."""
        result = [Property("Restart", "s", self.when)]
        if self.when == "no":
            return result
        result += [
            usec("RestartUSec", self.backoff.minimum_seconds),
            Property("StartLimitIntervalUSec", "t", 0),
        ]
        if abilities.restart_steps and self.backoff.steps > 0:
            result.append(Property("RestartSteps", "u", self.backoff.steps))
            result.append(usec("RestartMaxDelayUSec", self.backoff.maximum_seconds))
        return result


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service: what it runs, where its messages go, how it is limited, stopped, restarted.

    `log` is a file that stderr is appended to, or a listening socket that each process's stderr is
    connected to. `output`, likewise a socket or a file, takes stdout. `before` run before each
    start, restarts included; `after` run once the processes are gone, however they ended.
    `keep_failed`: a unit that failed for good stays to be looked at, until it is reset.
    """

    name: str
    slice_name: str
    description: str
    command: Sequence[str]
    log: Path
    log_is_socket: bool = False
    output_socket: Path | None = None
    limits: Limits = UNLIMITED
    before: Sequence[Sequence[str]] = ()
    after: Sequence[Sequence[str]] = ()
    environment: Sequence[str] = ()
    stop: PlainStop | GracefulStop = PlainStop()
    restart: ServiceRestart = ServiceRestart()
    one_shot: bool = False
    """Type=oneshot with RemainAfterExit=: the start is done when the command has ended well."""
    notifies: bool = False
    """Type=notify: the start is done when the service says so (sd_notify(3))."""
    keep_failed: bool = False
    sandbox: Sandbox = UNWALLED
    start_timeout_seconds: float = 90.0
    more: Sequence[Property] = ()


def service_spec(service: Service, abilities: Abilities) -> UnitSpec:
    """The unit of a service. Raises ValueError for a command that no unit can have."""
    properties = service_properties(
        service.description, service.slice_name, exec_start(service.command)
    )
    if service.one_shot:
        properties = _replaced(properties, Property("Type", "s", "oneshot"))
        properties.append(Property("RemainAfterExit", "b", True))
    if service.notifies:
        properties = _replaced(properties, Property("Type", "s", "notify"))
        properties.append(Property("NotifyAccess", "s", "main"))
    if service.keep_failed:
        properties = _replaced(properties, Property("CollectMode", "s", "inactive"))
    if service.output_socket is not None:
        properties = [item for item in properties if item.name != "StandardOutput"]
        properties.append(Property("StandardOutputFile", "s", str(service.output_socket)))
    # A socket is connected to by the very property that opens a file for writing.
    log = "StandardErrorFile" if service.log_is_socket else "StandardErrorFileToAppend"
    properties.append(Property(log, "s", str(service.log)))
    for name, commands in (("ExecStartPre", service.before), ("ExecStopPost", service.after)):
        if commands:
            properties.append(Property(name, "a(sasb)", [escaped(item) for item in commands]))
    if service.environment:
        properties.append(Property("Environment", "as", list(service.environment)))
    properties += [
        Property("SuccessExitStatus", "(aiai)", ([FFMPEG_INTERRUPTED], [])),
        usec("TimeoutStartUSec", service.start_timeout_seconds),
    ]
    properties += service.stop.properties()
    properties += service.restart.properties(abilities)
    properties += service.limits.properties()
    properties += service.sandbox.properties(abilities.sandbox)
    properties += service.more
    return UnitSpec(service.name, tuple(properties))


def _replaced(properties: Sequence[Property], new: Property) -> list[Property]:
    return [new if item.name == new.name else item for item in properties]
