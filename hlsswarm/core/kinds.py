"""What a value of a setting looks like, for whoever has to describe it: schema, help of editors.

A reader (`Reader`) is a function from text to a value that carries its `Kind`, so the bounds and
words of a setting stand in one place and the JSON Schema is made of them. Knows nothing of
particular settings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)

STRING, INTEGER, NUMBER, BOOLEAN = "string", "integer", "number", "boolean"
"""JSON's names of types, of which TOML has the same."""


@dataclass(frozen=True)
class Kind:
    """How a value may be written, in TOML and JSON.

    `types` are JSON's; `pattern` is a regular expression (of those that ECMA-262 and Python have
    in common) that the whole of a text has to match; `choices` are the only texts there are;
    `minimum` and `maximum` bound numbers. What a kind allows may still be refused by its reader.
    """

    name: str
    types: tuple[str, ...] = (STRING,)
    pattern: str = ""
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    example: str | int | float | bool | None = None
    may_hide_secret: bool = False
    """Whether a value may hold a password or token, so that it is not written as it is."""


@dataclass(frozen=True)
class Reader(Generic[_T_co]):
    """A function from text to a value, with what such texts look like. Raises what it raises."""

    parse: Callable[[str], _T_co]
    kind: Kind

    def __call__(self, text: str) -> _T_co:
        """The value that `text` means."""
        return self.parse(text)


def described(parse: Callable[[str], _T], name: str = "", **changes: Any) -> Reader[_T]:
    """`parse` with another kind, or with its own kind changed: bounds, an example …"""
    kind = kind_of(parse)
    return Reader(parse, replace(kind, name=name or kind.name, **changes))


def reads(kind: Kind) -> Callable[[Callable[[str], _T]], Reader[_T]]:
    """Decorator: this function reads values of this kind."""

    def made(parse: Callable[[str], _T]) -> Reader[_T]:
        return Reader(parse, kind)

    return made


def plain(number: float) -> str:
    """A bound as people write it."""
    return str(int(number)) if number == int(number) else str(number)


TEXT = Kind("text")
FLAG = Kind("flag", (BOOLEAN,))
_PLAIN: dict[Any, Kind] = {
    str: TEXT,
    float: Kind("number", (NUMBER,)),
    Path: Kind("path", pattern=r"[^\u0000]+"),
}
_ANY = Kind("value", (STRING, NUMBER, BOOLEAN))
"""Of a reader that does not say: the reader decides."""


def kind_of(parse: Callable[[str], Any]) -> Kind:
    """What values of this reader look like."""
    return parse.kind if isinstance(parse, Reader) else _PLAIN.get(parse, _ANY)
