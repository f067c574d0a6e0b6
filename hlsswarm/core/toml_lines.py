"""On which line of a TOML text each key stands, for messages that say FILE:LINE.

Python's tomllib gives values without places, and of the libraries that keep the text (tomlkit is
one) none tells line numbers. This walks a text that tomllib has accepted, so it may take its form
for granted: it has to tell keys, headers, brackets and strings apart, not to find what is wrong.
Source: TOML 1.0.0, https://toml.io/en/v1.0.0.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping

Path = tuple[str | int, ...]

_BLANK = re.compile(r"[ \t]*")
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]*")
_LAST_CHARACTER = 0x10FFFF
_SHORT = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}
_ESCAPED = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")


def key_lines(text: str) -> Mapping[Path, int]:
    """Lines, counted from 1, by path: names of keys, and numbers within lists from 0.

    `text` is TOML that tomllib reads. A table's line is that of its first header or key.
    """
    walker = _Walker(text.replace("\r\n", "\n"))
    with contextlib.suppress(
        RecursionError
    ):  # nested so deeply that few lines are better than none
        walker.document()
    return walker.lines


class _Walker:
    """A place in the text, and the lines found up to there."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self._counted = (0, 1)
        self._lengths: dict[Path, int] = {}
        """How many tables of an array of tables have been seen."""

    def document(self) -> None:
        """Headers and `key = value` to the end of the text."""
        table: Path = ()
        self._skip(_SPACE)
        while self.at < len(self.text):
            if self.text.startswith("[", self.at):
                table = self._header()
            else:
                self._pair(table)
            self._skip(_SPACE)

    def _header(self) -> Path:
        is_array = self.text.startswith("[[", self.at)
        line = self._line()
        self.at += 2 if is_array else 1
        names = self._key()
        self.at += 2 if is_array else 1
        path = self._resolved(names[:-1], line)
        if is_array:
            array = (*path, names[-1])
            number = self._lengths.get(array, 0)
            self._lengths[array] = number + 1
            self._note(array, line)
            path = (*array, number)
            self._note(path, line)
            return path
        return self._resolved(names, line)

    def _resolved(self, names: tuple[str, ...], line: int) -> Path:
        """A header's names as a path: an array of tables stands for its last table."""
        path: Path = ()
        for name in names:
            path = (*path, name)
            self._note(path, line)
            if path in self._lengths:
                path = (*path, self._lengths[path] - 1)
        return path

    def _pair(self, table: Path) -> None:
        line = self._line()
        names = self._key()
        self.at += 1  # the equals sign
        self._skip(_BLANK)
        path = table
        for name in names:
            path = (*path, name)
            self._note(path, line)
        self._value(path)

    def _value(self, path: Path) -> None:
        first = self.text[self.at : self.at + 1]
        if first == "[":
            self._inner(path, "]", is_table=False)
        elif first == "{":
            self._inner(path, "}", is_table=True)
        elif not self._skip(_STRING):
            self._skip(_SCALAR)

    def _inner(self, path: Path, end: str, *, is_table: bool) -> None:
        """What stands in brackets."""
        self.at += 1
        number = 0
        while self._skip(_SPACE) and not self.text.startswith(end, self.at):
            start = self.at
            if is_table:
                self._pair(path)
            else:
                self._note((*path, number), self._line())
                self._value((*path, number))
            number += 1
            self._skip(_SPACE)
            if self.text.startswith(",", self.at):
                self.at += 1
            if self.at == start:
                return  # no TOML: do not stand still
        self.at += 1

    def _key(self) -> tuple[str, ...]:
        """A key and what follows it by dots; ends before `=` or `]`."""
        names: list[str] = []
        while True:
            self._skip(_BLANK)
            start = self.at
            if self._skip(_STRING):
                names.append(_unquoted(self.text[start : self.at]))
            else:
                if not self._skip(_BARE_KEY) or start == self.at:
                    self.at += 1  # never stand still
                names.append(self.text[start : self.at])
            self._skip(_BLANK)
            if not self.text.startswith(".", self.at):
                return tuple(names)
            self.at += 1

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        """Go behind what matches here; whether anything may."""
        match = pattern.match(self.text, self.at)
        if match is None:
            return False
        self.at = match.end()
        return True

    def _note(self, path: Path, line: int) -> None:
        self.lines.setdefault(path, line)

    def _line(self) -> int:
        """The line of this place; places only go forward."""
        at, line = self._counted
        line += self.text.count("\n", at, self.at)
        self._counted = (self.at, line)
        return line


def _unquoted(text: str) -> str:
    """The name that a quoted key means."""
    if text.startswith("'"):
        return text[1:-1]
    return _ESCAPED.sub(_character, text[1:-1])


def _character(match: re.Match[str]) -> str:
    code = int(match[1] or match[2] or "0", 16)
    if match[3] is None:
        return chr(code) if code <= _LAST_CHARACTER else ""
    return _SHORT.get(match[3], match[3])
