"""What can go wrong for a user, and the exit status each ends with.

    HlsSwarmError                 a sentence, a hint, an exit status
    ├── UsageError                2    flags or arguments that cannot be meant
    ├── ConfigurationError        104  values that do not fit together
    ├── PreflightError            106  the run cannot begin: URL, ffmpeg, port, limits
    │   └── ManagerError          106  no systemd manager of the wanted kind
    └── UnitError                 107  systemd refused or lost a unit of ours

Only these reach the user as one sentence; anything else is a bug and shows a traceback.
"""

from __future__ import annotations

import enum


class ExitStatus(enum.IntEnum):
    """Exit statuses of every `hlsswarm` command."""

    OK = 0
    """The command did what was asked; of `run`: verdict healthy or at_limit."""
    USAGE = 2
    """Flags or arguments that cannot be meant."""
    FAILED = 99
    """The run ended, and its verdict is failing (or a threshold failed)."""
    CONFIGURATION = 104
    """A configuration that does not hold together."""
    ABORTED = 105
    """Ended early by a signal; the summary was still printed."""
    PREFLIGHT = 106
    """The run was not begun: something it stands on is missing."""
    VOID = 107
    """The measurement is worth nothing, because our own side broke."""


class HlsSwarmError(Exception):
    """A user's mistake or a machine's lack, told in one sentence with a hint."""

    status = ExitStatus.VOID

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(HlsSwarmError):
    """Flags or arguments that cannot be meant."""

    status = ExitStatus.USAGE


class ConfigurationError(HlsSwarmError):
    """Values that do not fit together."""

    status = ExitStatus.CONFIGURATION


class PreflightError(HlsSwarmError):
    """The run cannot begin; nothing was started."""

    status = ExitStatus.PREFLIGHT


class ManagerError(PreflightError):
    """No systemd manager of the wanted kind can be reached."""


class UnitError(HlsSwarmError):
    """systemd refused a unit of ours, or lost it."""
