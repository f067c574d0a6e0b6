"""The settings of a run, in one table: flag, meaning, default, and how its text is read.

Flags and help come from here today; TOML keys, the JSON Schema and the Nix options are to come
from the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hlsswarm.core.headers import parse_header
from hlsswarm.core.plan import Address, parse_address
from hlsswarm.core.quantities import parse_duration, parse_percent, parse_size
from hlsswarm.core.resolve import parse_address as parse_ip
from hlsswarm.core.thresholds import parse as parse_threshold
from hlsswarm.core.variants import parse_wish


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
    repeat: bool = False
    """Whether it may be given several times; its value is then a list."""
    flag: bool = False
    """Whether it takes no value: given is True."""
    single_dash: bool = True
    """Whether `-name` works as well, as the older tools' command lines have it."""

    @property
    def key(self) -> str:
        """The name as an identifier."""
        return self.name.replace("-", "_")


def _integer(text: str) -> int:
    return int(text, 10)


_Number = TypeVar("_Number", int, float)


def _bounded(parse: Callable[[str], _Number], most: _Number) -> Callable[[str], _Number]:
    """`parse`, with a ValueError for more than systemd's and ffmpeg's 64 bits can carry."""

    def read(text: str) -> _Number:
        value = parse(text)
        if value > most:
            raise ValueError(f"{text!r} is too much")
        return value

    return read


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise ValueError(f"{text!r} is not a port")
    return int(text)


def _metrics(text: str) -> Address | None:
    return None if text in {"off", "none", ""} else parse_address(text)


_duration = _bounded(parse_duration, 3650 * 86400.0)
_percent = _bounded(parse_percent, 1e6)
_tasks = _bounded(_integer, 1 << 31)
_size = _bounded(parse_size, 1 << 62)
_DURATION = "a duration such as 30m, 90s or 1.5h"
_SIZE = "a size such as 512M or 2G"


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(text)
        return text

    return read


def _switch(text: str) -> bool:
    return {"on": True, "off": False, "1": True, "0": False}[_one_of("on", "off", "1", "0")(text)]


def _few(text: str) -> int:
    number = _integer(text)
    if not 0 <= number <= 3600:
        raise ValueError(text)
    return number


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
        _duration,
        0.2,
        "TIME",
        _DURATION,
    ),
    Setting(
        "duration",
        "swarm",
        "length of the run from the first start; 0: until stopped",
        _duration,
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
        "timeout", "clients", "network timeout of a client", _duration, 15.0, "TIME", _DURATION
    ),
    Setting(
        "backoff-min",
        "clients",
        "first wait after a failure",
        _duration,
        0.5,
        "TIME",
        _DURATION,
    ),
    Setting(
        "backoff-max",
        "clients",
        "longest wait after failures",
        _duration,
        30.0,
        "TIME",
        _DURATION,
    ),
    Setting("ffmpeg", "clients", "ffmpeg program (default: the one in PATH)", str, None, "PATH"),
    Setting(
        "manager", "systemd", "which systemd: auto, system, user or embedded", str, "auto", "KIND"
    ),
    Setting("memory-max", "systemd", "memory limit of the whole swarm", _size, None, "SIZE", _SIZE),
    Setting(
        "cpu-quota",
        "systemd",
        "CPU limit of the whole swarm, 100%% is one processor",
        _percent,
        None,
        "PERCENT",
        "a share such as 150%",
    ),
    Setting(
        "tasks-max",
        "systemd",
        "limit of processes and threads of the whole swarm",
        _tasks,
        None,
        "N",
        "a whole number",
    ),
    Setting(
        "client-memory-max",
        "systemd",
        "memory limit of one client",
        _size,
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
        "per-client-metrics",
        "output",
        "series for each client too: their number grows with the swarm",
        bool,
        False,
        flag=True,
    ),
    Setting(
        "summary-interval",
        "output",
        "time between two lines of progress",
        _duration,
        5.0,
        "TIME",
        _DURATION,
    ),
    Setting(
        "variant",
        "stream",
        "which Variant Stream is played: all, highest, lowest or first",
        parse_wish,
        "all",
        "WHICH",
    ),
    Setting(
        "probe-failure",
        "stream",
        "when the variant cannot be chosen: fallback (play everything) or fail",
        _one_of("fallback", "fail"),
        "fallback",
        "WHAT",
        "fallback or fail",
    ),
    Setting(
        "resolve",
        "stream",
        "address that the URL's host name stands for, for the clients alone",
        parse_ip,
        None,
        "IP",
    ),
    Setting(
        "dangerous",
        "stream",
        "allow --resolve to give up the check of certificates where there is no other way",
        bool,
        False,
        flag=True,
    ),
    Setting(
        "header",
        "clients",
        "header of every request, 'Name: value' (may be repeated)",
        parse_header,
        (),
        "HEADER",
        repeat=True,
    ),
    Setting(
        "header-file",
        "clients",
        "file with a secret header; it appears in no command line, log or report",
        Path,
        None,
        "FILE",
    ),
    Setting(
        "headers-in-command-line",
        "clients",
        "allow secret headers where everybody on this machine can read them",
        bool,
        False,
        flag=True,
    ),
    Setting("no-cache", "clients", "ask caches to pass requests on", bool, False, flag=True),
    Setting(
        "pace",
        "clients",
        "max: fetch as fast as can be; realtime: as fast as it is played",
        _one_of("max", "realtime"),
        "max",
        "HOW",
        "max or realtime",
    ),
    Setting(
        "reconnect",
        "clients",
        "whether ffmpeg itself tries again when a connection breaks: on or off",
        _switch,
        True,
        "on|off",
        "on or off",
    ),
    Setting(
        "reconnect-delay",
        "clients",
        "longest wait between such tries, in seconds",
        _few,
        5,
        "N",
        "a whole number",
    ),
    Setting(
        "seg-retry",
        "clients",
        "tries for a Media Segment, where ffmpeg has that",
        _few,
        3,
        "N",
        "a whole number",
    ),
    Setting(
        "measure",
        "clients",
        "exact: one request a connection, every download timed; light: kept-alive connections",
        _one_of("exact", "light"),
        "exact",
        "HOW",
        "exact or light",
    ),
    Setting(
        "threshold",
        "verdict",
        "what has to hold, such as 'segment_seconds: p(95)<0.5' (may be repeated)",
        parse_threshold,
        (),
        "CONDITION",
        repeat=True,
    ),
    Setting(
        "nginx-metrics", "origin", "the origin's nginx status page (stub_status)", str, None, "URL"
    ),
    Setting("origin-metrics", "origin", "a node exporter on the origin", str, None, "URL"),
    Setting("json", "output", "write the summary as JSON to this file", Path, None, "FILE"),
    Setting("out", "output", "keep the results in this directory", Path, None, "DIR"),
)
"""Every setting of a run that takes a value."""

ORIGIN_SETTINGS: tuple[Setting, ...] = (
    Setting("profile", "origin", "what stream it plays", str, "default", "NAME"),
    Setting("port", "origin", "port", _port, 8080, "PORT", "a number from 1 to 65535"),
    Setting("listen", "origin", "address", str, "127.0.0.1", "ADDRESS"),
    Setting("nginx", "origin", "nginx program (default: the one in PATH)", str, None, "PATH"),
    Setting("access-log", "origin", "write a JSON line for each request", Path, None, "FILE"),
)
"""Every setting of a test origin that takes a value, besides `ffmpeg` and `manager`."""
