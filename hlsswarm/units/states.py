"""What systemd tells of units, services and jobs, as values. Asks nobody."""

from __future__ import annotations

from dataclasses import dataclass

_ENDED = frozenset({"inactive", "failed"})
_PASSING = ("dead-before-auto-restart", "failed-before-auto-restart", "auto-restart-queued")


@dataclass(frozen=True)
class UnitStatus:
    """One line of ListUnits: states as systemd names them."""

    name: str
    description: str
    load: str
    active: str
    sub: str

    @property
    def is_running(self) -> bool:
        """Whether a service's main process runs."""
        return self.active == "active"

    @property
    def is_there(self) -> bool:
        """Whether it runs, or is about to, or waits for its next start."""
        return self.active not in _ENDED

    @property
    def waits(self) -> bool:
        """Whether a service has ended, and systemd waits before it starts it again."""
        return self.sub.startswith("auto-restart")


@dataclass(frozen=True)
class ServiceState:
    """What systemd says of one service.

    `exit_code` is ExecMainCode (1 exited, 2 killed, 3 dumped: waitid(2)), `exit_status`
    ExecMainStatus (the status or the signal), of the process that ran last.
    """

    sub: str
    result: str
    main_pid: int
    exit_code: int
    exit_status: int

    @property
    def is_passing(self) -> bool:
        """Whether systemd is about to put the service into another state by itself.

        It starts (`start`), or ends what is left of the last process (`stop-sigterm`, …).
        """
        return self.sub.startswith(("start", "stop", "final")) or self.sub in _PASSING


@dataclass(frozen=True)
class ServiceHistory:
    """How often systemd itself has started a service again, and since when it is in its state
    (seconds since 1970; None when it never changed).
    """

    restarts: int
    since: float | None


@dataclass(frozen=True)
class JobRemoved:
    """A job that ended: `result` is done, failed, canceled, timeout, dependency or skipped."""

    unit: str
    result: str
