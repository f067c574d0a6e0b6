"""One setting: flag, meaning, default, and how its text is read; and the readers of common kinds.

The tables of settings (`settings` for a run, `origin_settings`, …) are made of these. Flags, help
and TOML keys come from their rows; the JSON Schema and the Nix options are to come from them too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

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


def integer(text: str) -> int:
    """A whole number. Raises ValueError, as all readers here do."""
    return int(text, 10)


_Number = TypeVar("_Number", int, float)


def bounded(parse: Callable[[str], _Number], most: _Number) -> Callable[[str], _Number]:
    """`parse`, with a ValueError for more than systemd's and ffmpeg's 64 bits can carry."""

    def read(text: str) -> _Number:
        value = parse(text)
        if value > most:
            raise ValueError(f"{text!r} is too much")
        return value

    return read


def port(text: str) -> int:
    """A port number."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise ValueError(f"{text!r} is not a port")
    return int(text)


duration = bounded(parse_duration, 3650 * 86400.0)
percent = bounded(parse_percent, 1e6)
tasks = bounded(integer, 1 << 31)
size = bounded(parse_size, 1 << 62)
DURATION = "a duration such as 30m, 90s or 1.5h"
SIZE = "a size such as 512M or 2G"


def one_of(*words: str) -> Callable[[str], str]:
    """A reader that takes one of these words."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(text)
        return text

    return read


def switch(text: str) -> bool:
    """`on` or `off`."""
    return {"on": True, "off": False, "1": True, "0": False}[one_of("on", "off", "1", "0")(text)]


def few(text: str) -> int:
    """A number from 0 to 3600."""
    number = integer(text)
    if not 0 <= number <= 3600:
        raise ValueError(text)
    return number
