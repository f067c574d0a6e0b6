"""One table of a rig's file as an Item, with everything that is wrong in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hlsswarm.core.headers import redact
from hlsswarm.core.rig import Item
from hlsswarm.core.rig_sections import BY_NAME, Section, Values
from hlsswarm.core.setting import Setting
from hlsswarm.core.setting_values import Wrong, in_a_file, read_table
from hlsswarm.errors import ConfigurationError, HlsSwarmError

_ANY_NAME = "any"
"""In the place of a name that cannot be, so that the rest is looked at."""
_FLAG = re.compile(r"--([a-z][a-z-]*)")


def read_item(section: Section, table: Mapping[str, Any]) -> tuple[Item[Any], list[Wrong]]:
    """The item of a `[[section]]` table, and what is wrong; paths begin within the table.

    Where something is wrong, what could not be read is None in the item's values.
    """
    read = read_table(section.rows, table)
    wrong = [*read.wrong, *relative_paths(section.rows, read.values)]
    values = filled(section.settings, read.values, wrong)
    name, enabled = read.values.get("name"), read.values.get("enabled", True)
    wrong_name = list(_wrong_name(section, name, given="name" in table))
    wrong += wrong_name
    lacking = section.needs and section.needs not in table
    if lacking and enabled:
        wrong.append(Wrong((), f"It has no {section.needs}.", "Give one, or say enabled = false."))
    options, more = _made(section, _ANY_NAME if wrong_name or name is None else name, values, table)
    given = {key: value for key, value in table.items() if key not in {"name", "enabled"}}
    made = None if lacking or wrong or more else options
    return Item(section.name, name or "", bool(enabled), values, made, given), [*wrong, *more]


def filled(rows: Iterable[Setting], values: Values, wrong: Iterable[Wrong]) -> dict[str, Any]:
    """Every value: those that were read, defaults, and None for those that are wrong."""
    bad = {each.path[0] for each in wrong if each.path}
    return {
        row.key: None if row.name in bad else values.get(row.key, row.default_value) for row in rows
    }


def _wrong_name(section: Section, name: str | None, *, given: bool) -> Iterator[Wrong]:
    if name is None:
        if not given:
            yield Wrong((), "It has no name.", 'Give it one, such as name = "main".')
        return
    try:
        section.check_name(name)
    except HlsSwarmError as error:
        yield Wrong(("name",), error.message, error.hint or "")


def relative_paths(rows: Iterable[Setting], values: Values) -> Iterator[Wrong]:
    """A service has no working directory that its user would know."""
    for row in rows:
        path = values.get(row.key)
        if row.kind.name == "path" and path is not None and not path.is_absolute():
            yield Wrong((row.name,), f"{str(path)!r} is no absolute path.", "Begin it with /.")


def _made(
    section: Section, name: str, values: Values, table: Mapping[str, Any]
) -> tuple[Any, list[Wrong]]:
    """What the item's command works with; what it refuses, one value after the other."""
    rows = {row.name: row for row in section.settings}
    trial = {
        row.key: row.default_value if values[row.key] is None else values[row.key]
        for row in section.settings
    }
    if section.needs and trial[rows[section.needs].key] is None:
        trial[rows[section.needs].key] = rows[section.needs].kind.example
    wrong: list[Wrong] = []
    while True:
        try:
            return section.made(name, trial), wrong
        except HlsSwarmError as error:
            named = [word for word in _FLAG.findall(error.message) if word in rows]
            key = next((word for word in named if word in table), None)
            sentence, hint = redact(in_a_file(error.message)), in_a_file(error.hint or "")
            wrong.append(Wrong((key,) if key else (), sentence, hint))
            row = rows.get(key or "")
            if row is None or trial[row.key] == row.default_value:
                return None, wrong
            trial[row.key] = row.default_value


def make_item(section: str, table: Mapping[str, Any]) -> Item[Any]:
    """The item of a table, `name` in it. Raises ConfigurationError with all that is wrong."""
    item, wrong = read_item(BY_NAME[section], table)
    if wrong:
        sentences = (": ".join([*map(str, each.path[:1]), each.sentence]) for each in wrong)
        raise ConfigurationError(" ".join(sentences), hint=wrong[0].hint or None)
    return item


def changed_item(item: Item[Any], changes: Mapping[str, Any]) -> Item[Any]:
    """The item with some settings given anew, as by TOML keys. Raises ConfigurationError."""
    table = {"name": item.name, "enabled": item.enabled, **item.given, **changes}
    return make_item(item.section, table)
