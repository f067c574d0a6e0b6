"""Values of settings as TOML and JSON have them: read as a flag's text would be, or refused.

What is refused comes with a sentence and a hint in the words of the table of settings. Everything
that is wrong in a table is found, not the first thing only. Knows no particular setting.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from hlsswarm.core.headers import MASK, redact
from hlsswarm.core.kinds import BOOLEAN, INTEGER, NUMBER, STRING, plain
from hlsswarm.core.setting import Setting
from hlsswarm.errors import HlsSwarmError

_LARGEST = 1 << 63
"""Beyond TOML's and D-Bus's whole numbers."""
_FLAG = re.compile(r"(?<![\w-])--(?=[a-z])")
_TYPE_WORDS = {
    STRING: "text in quotes",
    INTEGER: "a whole number",
    NUMBER: "a number",
    BOOLEAN: "true or false",
}

Path = tuple[str | int, ...]
"""Where something stands in a document: names of keys, and numbers within lists from 0."""


@dataclass(frozen=True)
class Wrong:
    """One thing that is wrong: where, why, and what would be right."""

    path: Path
    sentence: str
    hint: str


class WrongValueError(ValueError):
    """A value that cannot be; the sentence is the error's text."""

    def __init__(self, sentence: str, hint: str) -> None:
        super().__init__(sentence)
        self.hint = hint


def in_a_file(text: str) -> str:
    """A sentence about flags as one about keys: without their dashes."""
    return _FLAG.sub("", text)


def wanted(setting: Setting) -> str:
    """What a right value looks like, for after `Give `."""
    kind = setting.kind
    if setting.wanted:
        return setting.wanted
    if kind.choices:
        return f"one of {', '.join(kind.choices)}"
    if kind.name == "path":
        return "a path in quotes"
    return " or ".join(_TYPE_WORDS[each] for each in kind.types)


def read_value(setting: Setting, value: Any) -> Any:
    """The value of a setting that takes one. Raises WrongValueError."""
    kind = setting.kind
    found = type_of(value)
    if found not in kind.types and not (found == INTEGER and NUMBER in kind.types):
        raise _unreadable(setting, value)
    if setting.flag:
        return value
    if found == STRING and kind.may_hide_secret and MASK in value:
        raise WrongValueError(
            "A secret was taken out here when this file was written.",
            "Put it in again, or a header into header-file.",
        )
    text = _text(setting, value)
    try:
        read = setting.parse(text)
    except HlsSwarmError as error:
        message = redact(in_a_file(error.message))
        raise WrongValueError(message, in_a_file(error.hint or "")) from None
    except (ValueError, OverflowError):
        raise _unreadable(setting, value) from None
    if not isinstance(value, str):
        _check_bounds(setting, value)
    elif not _fits(setting, value):
        raise _unreadable(setting, value)
    return read


def _unreadable(setting: Setting, value: Any) -> WrongValueError:
    what = "This value" if setting.kind.may_hide_secret else shown(value)
    return WrongValueError(f"{what} cannot be read.", f"Give {wanted(setting)}.")


def type_of(value: Any) -> str:
    """JSON's name of a value's type; `other` for lists, tables and dates."""
    if isinstance(value, bool):
        return BOOLEAN
    names: tuple[tuple[type, str], ...] = ((int, INTEGER), (float, NUMBER), (str, STRING))
    return next((name for kind, name in names if isinstance(value, kind)), "other")


def shown(value: Any) -> str:
    """A value as a message has it: short, and in TOML's words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return "A table" if isinstance(value, dict) else "A list"
    if isinstance(value, int) and abs(value) >= _LARGEST:
        return "So large a number"
    text = repr(value) if isinstance(value, str | int | float) else str(value)
    return text if len(text) <= 80 else f"{text[:76]} …"


def _text(setting: Setting, value: Any) -> str:
    """A value as it would be typed behind the flag. Raises WrongValueError."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, str):
        return value
    if abs(value) >= _LARGEST or math.isnan(value):
        raise _unreadable(setting, value)
    return format(Decimal(repr(value)), "f")


def _fits(setting: Setting, text: str) -> bool:
    """Whether a text is of the setting's kind, as the schema says it."""
    kind = setting.kind
    if kind.choices and text not in kind.choices:
        return False
    return not kind.pattern or re.fullmatch(kind.pattern, text) is not None


def _check_bounds(setting: Setting, value: float) -> None:
    kind = setting.kind
    if kind.minimum is not None and value < kind.minimum:
        raise WrongValueError(
            f"{shown(value)} is too little.", f"The least is {plain(kind.minimum)}."
        )
    if kind.maximum is not None and value > kind.maximum:
        raise WrongValueError(f"{shown(value)} is too much.", f"The most is {plain(kind.maximum)}.")


@dataclass(frozen=True)
class ReadTable:
    """What a table says: values by setting's key where they are right, and all that is wrong."""

    values: Mapping[str, Any]
    wrong: tuple[Wrong, ...]


def read_table(
    settings: Iterable[Setting], table: Mapping[str, Any], *, either_dash: bool = False
) -> ReadTable:
    """Read a table whose keys are the names of settings.

    `either_dash` takes `no_cache` for `no-cache`.
    """
    rows = {setting.name: setting for setting in settings}
    values: dict[str, Any] = {}
    wrong: list[Wrong] = []
    for key, value in table.items():
        setting = rows.get(key.replace("_", "-") if either_dash else key)
        if setting is None:
            wrong.append(unknown_key((key,), rows))
        elif setting.key in values:
            wrong.append(Wrong((key,), f"{setting.name} is given twice.", "Give it once."))
        else:
            known = len(wrong)
            items = list(_items(setting, value, key, wrong))
            if len(wrong) == known:
                values[setting.key] = tuple(items) if setting.repeat else items[0]
    return ReadTable(values, tuple(wrong))


def _items(setting: Setting, value: Any, key: str, wrong: list[Wrong]) -> Iterator[Any]:
    if setting.repeat and not isinstance(value, list):
        hidden = setting.kind.may_hide_secret or type_of(value) == "other"
        wrong.append(
            Wrong(
                (key,),
                f"{setting.name} is a list.",
                f"Write {key} = [{'…' if hidden else shown(value)}].",
            )
        )
        return
    for number, item in enumerate(value if setting.repeat else [value]):
        try:
            yield read_value(setting, item)
        except WrongValueError as error:
            path = (key, number) if setting.repeat else (key,)
            wrong.append(Wrong(path, str(error), error.hint))


def unknown_key(path: Path, known: Iterable[str]) -> Wrong:
    """The word for a key that there is not, with the nearest that there is."""
    names = sorted(known)
    near = get_close_matches(str(path[-1]).replace("_", "-"), names, 1)
    hint = f"Is {near[0]} meant?" if near else f"There is: {', '.join(names)}."
    return Wrong(path, f"There is no setting {shown(path[-1])}.", hint)
