"""From the text of a rig's file to the rig, or to all that is wrong with it, each with its line.

text ──► tomllib ──► tables of settings ──► Item, Item, … ──► RigConfig
                           └── Wrong, Wrong, … ──► Problem: line, key, sentence, hint
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hlsswarm.core.rig import Item, RigConfig
from hlsswarm.core.rig_checks import contradictions
from hlsswarm.core.rig_items import filled, read_item, relative_paths
from hlsswarm.core.rig_sections import BY_NAME, ITEMS, MANAGER, SINGLE, Section, Values
from hlsswarm.core.setting_values import Path, Wrong, read_table, shown, unknown_key
from hlsswarm.core.toml_lines import key_lines

_AT = re.compile(r" \(at line (\d+), column \d+\)$")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Problem:
    """A mistake in a file: the line (None: of none), the key's path, and the words for people.

    In `where` tables of one name are counted from 1: `swarm[2].ramp-rate`. `item` is the name of
    the item that it is in, as `swarm "evening"`, or empty.
    """

    line: int | None
    where: str
    item: str
    sentence: str
    hint: str

    def __str__(self) -> str:
        """Without the line: where, what is wrong, and what would be right."""
        place = self.where + (f" ({self.item})" if self.item else "")
        return ": ".join(filter(None, (place, f"{self.sentence} {self.hint}".strip())))


@dataclass(frozen=True)
class Reading:
    """What a text gives: a rig, or everything that is wrong with it."""

    config: RigConfig | None
    problems: tuple[Problem, ...]


def read_rig(text: str) -> Reading:
    """The rig that a TOML text describes; raises nothing, what is wrong is in the Reading."""
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        return Reading(None, (toml_problem(error),))
    config, wrong = read_document(document)
    if wrong:
        return Reading(None, located(wrong, document, key_lines(text)))
    return Reading(config, ())


def read_document(document: Mapping[str, Any]) -> tuple[RigConfig, list[Wrong]]:
    """The rig of a document, and what is wrong in it: then the rig is only what could be read."""
    wrong: list[Wrong] = []
    known = {MANAGER.name, *BY_NAME}
    wrong += [unknown_key((key,), known) for key in document if key not in known]
    top = read_table([MANAGER], {k: v for k, v in document.items() if k == MANAGER.name})
    wrong += top.wrong
    parts: dict[str, Any] = {"manager": top.values.get("manager", MANAGER.default_value)}
    for section in SINGLE:
        parts[section.name] = _single(section, document.get(section.name, {}), wrong)
    for section in ITEMS:
        parts[f"{section.name}s"] = _items(section, document.get(section.name, []), wrong)
    items = {section.name for section in ITEMS}
    given = {key: value for key, value in document.items() if key not in items}
    config = RigConfig(**parts, given=_tables_only(given))
    wrong += contradictions(config)
    return config, wrong


def _tables_only(given: Mapping[str, Any]) -> dict[str, Any]:
    names = {section.name for section in SINGLE}
    return {k: v for k, v in given.items() if k not in names or isinstance(v, dict)}


def _single(section: Section, table: Any, wrong: list[Wrong]) -> Values:
    if not isinstance(table, dict):
        wrong.append(
            Wrong((section.name,), f"{shown(table)} is no table.", f"Write [{section.name}].")
        )
        return {row.key: None for row in section.settings}
    read = read_table(section.rows, table)
    found = [*read.wrong, *relative_paths(section.rows, read.values)]
    wrong += (Wrong((section.name, *each.path), each.sentence, each.hint) for each in found)
    return filled(section.settings, read.values, found)


def _items(section: Section, tables: Any, wrong: list[Wrong]) -> tuple[Item[Any], ...]:
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        wrong.append(
            Wrong(
                (section.name,), "There may be several of these.",
                f"Write [[{section.name}]] above each.",
            )
        )  # fmt: skip
        return ()
    items = []
    for number, table in enumerate(tables):
        item, found = read_item(section, table)
        items.append(item)
        place = (section.name, number)
        wrong += (Wrong((*place, *each.path), each.sentence, each.hint) for each in found)
    return tuple(items)


def toml_problem(error: Exception) -> Problem:
    """What tomllib says of a text that is no TOML."""
    if isinstance(error, RecursionError):
        return Problem(None, "", "", "Its brackets are nested too deeply.", "")
    message = str(error)
    at = _AT.search(message)
    return Problem(
        int(at[1]) if at else None, "", "", f"It is not TOML: {_AT.sub('', message)}.",
        "Text stands in quotes; a table's name in [brackets].",
    )  # fmt: skip


def located(
    wrong: Iterable[Wrong], document: Mapping[str, Any], lines: Mapping[Path, int]
) -> tuple[Problem, ...]:
    """What is wrong, with lines, in the order of the text."""
    problems = []
    for each in wrong:
        prefixes = (each.path[:length] for length in range(len(each.path), 0, -1))
        line = next((lines[prefix] for prefix in prefixes if prefix in lines), None)
        item = _item_at(document, each.path)
        problems.append(Problem(line, path_text(each.path), item, each.sentence, each.hint))
    return tuple(sorted(problems, key=lambda problem: problem.line or 0))


def path_text(path: Path) -> str:
    """A path for people: `swarm[2].ramp-rate`, counted from 1."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step + 1}]"
        else:
            name = step if _BARE.fullmatch(step) else json.dumps(step)[:60]
            text += f".{name}" if text else name
    return text


def _item_at(document: Mapping[str, Any], path: Path) -> str:
    """The item that a path is in, by its name."""
    if len(path) < 2 or not isinstance(path[1], int):
        return ""
    tables = document.get(str(path[0]), ())
    name = tables[path[1]].get("name") if tables else None
    return f'{path[0]} "{name}"' if isinstance(name, str) and name.isprintable() and name else ""
