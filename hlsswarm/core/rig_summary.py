"""A rig in a few words: how many of each thing, and what they come to."""

from __future__ import annotations

from typing import Any

from hlsswarm.core.headers import redact
from hlsswarm.core.rig import Item, RigConfig
from hlsswarm.core.rig_sections import ITEMS


def sentence(config: RigConfig) -> str:
    """`1 origin, 2 swarms of 250 clients; 1 disabled.`"""
    counts = (_count(section.name, _enabled(config, section.name)) for section in ITEMS)
    parts = ", ".join(filter(None, counts)) or "nothing runs"
    disabled = sum(not item.enabled for item in config.items())
    return parts + (f"; {disabled} disabled" if disabled else "") + "."


def totals(config: RigConfig) -> dict[str, int]:
    """Enabled items by section, and the clients of all swarms together."""
    items = {f"{each.name}s": len(_enabled(config, each.name)) for each in ITEMS}
    return {**items, "clients": _sum(_enabled(config, "swarm"), "clients")}


def lines(config: RigConfig) -> list[str]:
    """What is where, a line each."""
    shown = []
    for name, values in (("metrics", config.metrics), ("API", config.api)):
        if values["listen"] is not None:
            shown.append(f"{name} at {values['listen']}")
    for item in config.items():
        state = "" if item.enabled else "  (disabled)"
        shown.append(f"{item}{_what(item)}{state}")
    return shown


def _what(item: Item[Any]) -> str:
    values = item.values
    if item.section == "swarm":
        return f": {_plural(values['clients'], 'client')} of {redact(str(values['url']))}"
    if item.section == "origin":
        return f": profile {values['profile']} on port {values['port']}"
    where = values.get("input") or values.get("url")
    return f": {redact(where)}" if where else ""


def _enabled(config: RigConfig, section: str) -> list[Item[Any]]:
    return [item for item in getattr(config, f"{section}s") if item.enabled]


def _count(section: str, items: list[Item[Any]]) -> str:
    if not items:
        return ""
    text = _plural(len(items), section)
    if section == "swarm":
        text += f" of {_plural(_sum(items, 'clients'), 'client')}"
    return text


def _sum(items: list[Item[Any]], key: str) -> int:
    return sum(item.values[key] for item in items)


def _plural(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
