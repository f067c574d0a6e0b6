"""What was steered by hand since the file was read: how the rig differs from its file.

    file ──► with_steered ──► rig that runs        steered(file, rig) ──► saved
                 ▲ saved

Steering goes on until the file says something else of that item: a reload, or the next daemon,
keeps it as long as the item's table in the file is the one that it was steered away from. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hlsswarm.core.rig import Item, RigConfig
from hlsswarm.core.rig_checks import contradictions
from hlsswarm.core.rig_items import make_item
from hlsswarm.core.rig_sections import ITEMS
from hlsswarm.errors import ConfigurationError

Key = tuple[str, str]
"""An item's section and name."""
Table = Mapping[str, Any]


@dataclass(frozen=True)
class Steered:
    """One item that is not as the file has it. Tables are in the file's words; None: not there."""

    section: str
    name: str
    base: Table | None
    """In the file, when it was steered."""
    now: Table | None

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"section": self.section, "name": self.name, "base": self.base, "now": self.now}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Steered:
        """From JSON. Raises KeyError, ValueError, TypeError for what is none."""
        section = str(document["section"])
        if section not in {each.name for each in ITEMS}:
            raise ValueError(f"no section: {section}")
        base, now = (None if (t := document[key]) is None else dict(t) for key in ("base", "now"))
        return cls(section, str(document["name"]), base, now)


def table_of(item: Item[Any]) -> dict[str, Any]:
    """An item's table in the file's words, secrets included."""
    enabled = {} if item.enabled else {"enabled": False}
    return {"name": item.name, **enabled, **item.given}


def steered(file: RigConfig, now: RigConfig) -> tuple[Steered, ...]:
    """How a rig differs from its file, item by item."""
    before = {key: table_of(item) for key, item in by_key(file).items()}
    after = {key: table_of(item) for key, item in by_key(now).items()}
    return tuple(
        Steered(*key, before.get(key), after.get(key))
        for key in {**before, **after}
        if before.get(key) != after.get(key)
    )


def by_key(config: RigConfig) -> dict[Key, Item[Any]]:
    """Every item by its section and name."""
    return {(item.section, item.name): item for item in config.items()}


def with_steered(
    file: RigConfig, changes: Iterable[Steered]
) -> tuple[RigConfig, tuple[Steered, ...]]:
    """The file's rig as it was steered, and the changes that hold no longer.

    Those are changes of items of which the file says something else now, and those that
    contradict the rest of it.
    """
    config, dropped = file, []
    there = by_key(file)
    for change in changes:
        item = there.get((change.section, change.name))
        base = None if item is None else table_of(item)
        if base != change.base:
            if base != change.now:  # else the file has come to say the same
                dropped.append(change)
            continue
        try:
            made = _changed(config, change)
        except ConfigurationError:
            dropped.append(change)
        else:
            config = made
    return config, tuple(dropped)


def _changed(config: RigConfig, change: Steered) -> RigConfig:
    """Raises ConfigurationError when it cannot be."""
    if change.now is None:
        return config.without(change.section, change.name)
    made = config.with_item(make_item(change.section, change.now))
    for wrong in contradictions(made):
        raise ConfigurationError(wrong.sentence, hint=wrong.hint)
    return made
