"""A rig as TOML again. Secrets are left out: `***` stands for them, and is refused when read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import tomli_w

from hlsswarm.core.headers import parse_header, redact
from hlsswarm.core.rig import Item, RigConfig
from hlsswarm.core.rig_sections import BY_NAME, ITEMS
from hlsswarm.core.setting import Setting
from hlsswarm.errors import UsageError


def write_config(config: RigConfig) -> str:
    """TOML that gives an equal rig when it is read, unless it held secrets."""
    blocks = []
    document = document_of(config)
    plain = {name: value for name, value in document.items() if not isinstance(value, dict | list)}
    if plain:
        blocks.append(tomli_w.dumps(plain))
    for name, value in document.items():
        # tomli_w would write short tables within brackets.
        tables = value if isinstance(value, list) else [value]
        header = f"[[{name}]]" if isinstance(value, list) else f"[{name}]"
        blocks += [f"{header}\n{tomli_w.dumps(each)}" for each in tables if name not in plain]
    return "\n".join(blocks)


def document_of(config: RigConfig) -> dict[str, Any]:
    """The rig as tables of TOML or JSON: what was given, in the given words."""
    document: dict[str, Any] = {}
    for name, given in config.given.items():
        section = BY_NAME.get(name)
        document[name] = given if section is None else _shown(section.settings, given)
    for section in ITEMS:
        tables = [_table(item) for item in getattr(config, f"{section.name}s")]
        if tables:
            document[section.name] = tables
    return document


def _table(item: Item[Any]) -> dict[str, Any]:
    enabled = {} if item.enabled else {"enabled": False}
    settings = BY_NAME[item.section].settings
    return {"name": item.name, **enabled, **_shown(settings, item.given)}


def _shown(settings: Iterable[Setting], given: Mapping[str, Any]) -> dict[str, Any]:
    rows = {row.name: row for row in settings}
    return {name: _without_secret(rows[name], value) for name, value in given.items()}


def _without_secret(row: Setting, value: Any) -> Any:
    if isinstance(value, list):
        return [_without_secret(row, each) for each in value]
    if not row.kind.may_hide_secret or not isinstance(value, str):
        return value
    if row.kind.name == "header":
        try:
            return parse_header(value).shown
        except UsageError:
            pass
    return redact(value)
