"""What a rig's file may hold, as JSON Schema 2020-12, as rows of options, and as Markdown.

All of it is made of the tables of settings. The schema accepts whatever the reader accepts; what a
schema cannot say (a threshold's grammar, two origins on one port) the reader refuses.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hlsswarm.core.kinds import Kind, plain
from hlsswarm.core.limits import size_text
from hlsswarm.core.quantities import format_duration
from hlsswarm.core.rig_sections import BY_NAME, ENABLED, MANAGER, NAME, Section
from hlsswarm.core.setting import Setting

SCHEMA_ID = "urn:hlsswarm:rig:1"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
OPTIONS_SCHEMA = "hlsswarm.options/1"

_ABSOLUTE_PATH = r"/[^\u0000]*"


def json_schema() -> dict[str, Any]:
    """The schema of a whole file."""
    return {
        "$schema": DIALECT,
        "$id": SCHEMA_ID,
        "title": "A rig of hlsswarm",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            MANAGER.name: _setting(MANAGER),
            **{name: _section(section) for name, section in BY_NAME.items()},
        },
    }


def _section(section: Section) -> dict[str, Any]:
    table: dict[str, Any] = {
        "type": "object",
        "description": section.help,
        "additionalProperties": False,
        "properties": {row.name: _setting(row) for row in section.rows},
    }
    if not section.array:
        return table
    table["required"] = [NAME.name]
    if section.needs:
        # What is disabled may be unfinished.
        disabled = {"properties": {ENABLED.name: {"const": False}}, "required": [ENABLED.name]}
        table["anyOf"] = [{"required": [section.needs]}, disabled]
    return {"type": "array", "description": section.help, "items": table}


def _setting(row: Setting) -> dict[str, Any]:
    one = _kind(row.kind)
    whole = {"type": "array", "items": one} if row.repeat else one
    described: dict[str, Any] = {"description": help_text(row), **whole}
    default = default_of(row)
    if default is not None:
        described["default"] = default
    return described


def _kind(kind: Kind) -> dict[str, Any]:
    """Bounds apply to numbers alone, and patterns to texts alone, in JSON Schema as here."""
    schema: dict[str, Any] = {"type": kind.types[0] if len(kind.types) == 1 else list(kind.types)}
    pattern = _ABSOLUTE_PATH if kind.name == "path" else kind.pattern
    if pattern:
        schema["pattern"] = f"^(?:{pattern})$"
    if kind.choices:
        others = [{"type": each} for each in kind.types if each != "string"]
        words = {"enum": list(kind.choices)}
        schema = {"anyOf": [words, *others]} if others else words
    bounds = {"minimum": kind.minimum, "maximum": kind.maximum}
    schema |= {name: bound for name, bound in bounds.items() if bound is not None}
    if kind.example is not None:
        schema["examples"] = [kind.example]
    return schema


def help_text(row: Setting) -> str:
    """The meaning, as --help has it; its texts are written for argparse, whose `%%` is one."""
    return row.help.replace("%%", "%")


def default_of(row: Setting) -> Any:
    """The default as it would be written in TOML; None where there is none."""
    default = row.default
    if row.flag:
        return False
    if default is None or row.repeat:
        return None
    if row.kind.name == "duration":
        return format_duration(default)
    if row.kind.name == "size":
        return size_text(default)
    return default if isinstance(default, str | int | float) else _text_of(default)


def _text_of(value: Any) -> str:
    """A value whose class writes it as it is typed; a picture's size is a pair."""
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def options() -> list[dict[str, Any]]:
    """Every key, one after the other, for documentation: that of Nix options is made of them."""
    rows = [_option("", MANAGER)]
    for name, section in BY_NAME.items():
        prefix = f"{name}.*." if section.array else f"{name}."
        rows += [_option(prefix, row) for row in section.rows]
    return rows


def _option(prefix: str, row: Setting) -> dict[str, Any]:
    return {
        "name": prefix + row.name,
        "group": row.group,
        "description": help_text(row),
        "type": row.kind.name,
        "json-types": list(row.kind.types),
        "list": row.repeat,
        "choices": list(row.kind.choices),
        "minimum": row.kind.minimum,
        "maximum": row.kind.maximum,
        "default": default_of(row),
        "example": row.kind.example,
        "live": row.live,
    }


def markdown() -> str:
    """Tables of every key, a section each."""
    return "\n".join(_markdown_lines()) + "\n"


def _markdown_lines() -> Iterator[str]:
    yield from ("### Above all tables", "", *_table([MANAGER]))
    for name, section in BY_NAME.items():
        header = f"[[{name}]]" if section.array else f"[{name}]"
        yield from ("", f"### `{header}`", "", section.help, "", *_table(section.rows))


def _table(rows: Any) -> Iterator[str]:
    yield "| Key | Value | Default | Meaning |"
    yield "|---|---|---|---|"
    for row in rows:
        default = default_of(row)
        shown = "" if default is None else f"`{json.dumps(default, ensure_ascii=False)}`"
        live = " *(live)*" if row.live else ""
        cells = (f"`{row.name}`{live}", _value_text(row), shown, help_text(row))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _value_text(row: Setting) -> str:
    """What may be written, in a few words."""
    kind = row.kind
    text = ", ".join(f"`{choice}`" for choice in kind.choices) or kind.name
    if "boolean" in kind.types and kind.name != "value":
        text = "`true`, `false`" + (f", {text}" if kind.choices else "")
    if kind.minimum is not None and kind.maximum is not None:
        text += f", {plain(kind.minimum)} to {plain(kind.maximum)}"
    return f"list of {text}" if row.repeat else text
