"""The settings of a run, in one table: flag, meaning, default, and how its text is read.

Flags and help come from here today; TOML keys, the JSON Schema and the Nix options are to come
from the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hlsswarm.core.plan import Address, parse_address
from hlsswarm.core.quantities import parse_duration, parse_percent, parse_size


@dataclass(frozen=True)
class Setting:
    """One setting. `name` is the flag without dashes; `parse` reads its text (ValueError)."""

    name: str
    group: str
    help: str
    parse: Callable[[str], Any]
    default: Any = None
    metavar: str = ""
    wanted: str = ""
    """What a right value looks like, for the error message."""
    single_dash: bool = True
    """Whether `-name` works as well, as the older tools' command lines have it."""

    @property
    def key(self) -> str:
        """The name as an identifier."""
        return self.name.replace("-", "_")


def _integer(text: str) -> int:
    return int(text, 10)


def _metrics(text: str) -> Address | None:
    return None if text in {"off", "none", ""} else parse_address(text)


_DURATION = "a duration such as 30m, 90s or 1.5h"
_SIZE = "a size such as 512M or 2G"

RUN_SETTINGS: tuple[Setting, ...] = (
    Setting("clients", "swarm", "clients to run at the same time", _integer, 10, "N", "a number"),
    Setting(
        "ramp-rate",
        "swarm",
        "clients to start per second; 0: all at once",
        float,
        5.0,
        "RATE",
        "a number per second",
    ),
    Setting(
        "ramp-jitter",
        "swarm",
        "spread of each start; it does not lower the rate",
        parse_duration,
        0.2,
        "TIME",
        _DURATION,
    ),
    Setting(
        "duration",
        "swarm",
        "length of the run from the first start; 0: until stopped",
        parse_duration,
        0.0,
        "TIME",
        _DURATION,
    ),
    Setting(
        "seed",
        "swarm",
        "seed of all jitter: the same seed, the same schedule",
        _integer,
        1,
        "N",
        "a whole number",
    ),
    Setting("run-id", "swarm", "name of the run (default: a new one)", str, None, "NAME"),
    Setting("user-agent", "clients", "User-Agent; /client-N is added", str, "hlsswarm/1.0", "TEXT"),
    Setting(
        "timeout", "clients", "network timeout of a client", parse_duration, 15.0, "TIME", _DURATION
    ),
    Setting(
        "backoff-min",
        "clients",
        "first wait after a failure",
        parse_duration,
        0.5,
        "TIME",
        _DURATION,
    ),
    Setting(
        "backoff-max",
        "clients",
        "longest wait after failures",
        parse_duration,
        30.0,
        "TIME",
        _DURATION,
    ),
    Setting("ffmpeg", "clients", "ffmpeg program (default: the one in PATH)", str, None, "PATH"),
    Setting(
        "manager", "systemd", "which systemd: auto, system, user or embedded", str, "auto", "KIND"
    ),
    Setting(
        "memory-max", "systemd", "memory limit of the whole swarm", parse_size, None, "SIZE", _SIZE
    ),
    Setting(
        "cpu-quota",
        "systemd",
        "CPU limit of the whole swarm, 100%% is one processor",
        parse_percent,
        None,
        "PERCENT",
        "a share such as 150%",
    ),
    Setting(
        "tasks-max",
        "systemd",
        "limit of processes and threads of the whole swarm",
        _integer,
        None,
        "N",
        "a whole number",
    ),
    Setting(
        "client-memory-max",
        "systemd",
        "memory limit of one client",
        parse_size,
        256 << 20,
        "SIZE",
        _SIZE,
    ),
    Setting(
        "metrics",
        "output",
        "Prometheus address, or `off`",
        _metrics,
        Address("127.0.0.1", 9090),
        "HOST:PORT",
        "HOST:PORT, or off",
    ),
    Setting(
        "summary-interval",
        "output",
        "time between two lines of progress",
        parse_duration,
        5.0,
        "TIME",
        _DURATION,
    ),
    Setting("json", "output", "write the summary as JSON to this file", Path, None, "FILE"),
    Setting("out", "output", "keep the results in this directory", Path, None, "DIR"),
)
"""Every setting of a run that takes a value."""
