"""One setting: flag, meaning, default, and how its text is read; and the readers of common kinds.

The tables of settings (`settings` for a run, `origin_settings`, …) are made of these. Flags, help,
TOML keys, the JSON Schema and the Nix options all come from their rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from hlsswarm.core.kinds import (
    BOOLEAN,
    FLAG,
    INTEGER,
    NUMBER,
    STRING,
    Kind,
    Reader,
    described,
    kind_of,
    reads,
)
from hlsswarm.core.quantities import (
    DURATION_PATTERN,
    MOMENT_PATTERN,
    PERCENT_PATTERN,
    SIZE_PATTERN,
    parse_duration,
    parse_moment,
    parse_percent,
    parse_size,
)


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
    live: bool = False
    """Whether a change reaches what runs already; else it has to be started again."""

    @property
    def key(self) -> str:
        """The name as an identifier."""
        return self.name.replace("-", "_")

    @property
    def kind(self) -> Kind:
        """What one value looks like."""
        return FLAG if self.flag else kind_of(self.parse)

    @property
    def default_value(self) -> Any:
        """The value where none is given. A default that is text is read as if it were typed."""
        if self.flag:
            return False
        if self.repeat:
            return ()
        return self.parse(self.default) if isinstance(self.default, str) else self.default


@reads(Kind("integer", (INTEGER,)))
def integer(text: str) -> int:
    """A whole number. Raises ValueError, as all readers here do."""
    return int(text, 10)


_Number = TypeVar("_Number", int, float)


def bounded(parse: Callable[[str], _Number], most: _Number) -> Reader[_Number]:
    """`parse`, with a ValueError for more than systemd's and ffmpeg's 64 bits can carry."""

    def read(text: str) -> _Number:
        value = parse(text)
        if value > most:
            raise ValueError(f"{text!r} is too much")
        return value

    return Reader(read, kind_of(parse))


def within(least: int, most: int) -> Reader[int]:
    """A reader of whole numbers from `least` to `most`."""

    def read(text: str) -> int:
        number = integer(text)
        if not least <= number <= most:
            raise ValueError(f"{text!r} is not from {least} to {most}")
        return number

    return described(Reader(read, integer.kind), minimum=least, maximum=most)


@reads(Kind("port", (INTEGER,), minimum=1, maximum=65535, example=8080))
def port(text: str) -> int:
    """A port number."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise ValueError(f"{text!r} is not a port")
    return int(text)


_DURATION = Kind("duration", (STRING, NUMBER), DURATION_PATTERN, minimum=0, example="30m")
_PERCENT = Kind("share", (STRING, NUMBER), PERCENT_PATTERN, minimum=0, example="150%")
_MOMENT = Kind(
    "moment", (STRING, NUMBER), MOMENT_PATTERN, minimum=0, example="2026-11-21T18:00:00Z"
)
_SIZE = Kind("size", (STRING, INTEGER), SIZE_PATTERN, minimum=1, example="512M")

duration = bounded(Reader(parse_duration, _DURATION), 3650 * 86400.0)
moment = bounded(Reader(parse_moment, _MOMENT), 1e11)
percent = bounded(Reader(parse_percent, _PERCENT), 1e6)
tasks = bounded(integer, 1 << 31)
size = bounded(Reader(parse_size, _SIZE), 1 << 62)
DURATION = "a duration such as 30m, 90s or 1.5h"
SIZE = "a size such as 512M or 2G"


def one_of(*words: str) -> Reader[str]:
    """A reader that takes one of these words."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(text)
        return text

    return Reader(read, Kind("word", choices=words, example=words[0]))


@reads(Kind("switch", (BOOLEAN, STRING), choices=("on", "off"), example=True))
def switch(text: str) -> bool:
    """`on` or `off`."""
    return {"on": True, "off": False, "1": True, "0": False}[one_of("on", "off", "1", "0")(text)]


few = within(0, 3600)
"""A number from 0 to 3600."""
