"""From the configuration to the rig: what is new is added, what is gone ends, and the rest stays.

Of a swarm some settings are changed while it runs (Setting.live: its size, its ramp, …); whatever
else is changed ends the item and begins it anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from hlsswarm.controller import runs
from hlsswarm.core.encoder_options import EncoderOptions, unit_of
from hlsswarm.core.origin_options import OriginOptions
from hlsswarm.core.plan import Plan
from hlsswarm.core.rig import Item, RigConfig
from hlsswarm.core.rig_sections import BY_NAME
from hlsswarm.encoders import preview
from hlsswarm.origin import control
from hlsswarm.rig.item import Actions
from hlsswarm.rig.rig import Rig

Key = tuple[str, str]


async def apply(rig: Rig, old: RigConfig, new: RigConfig) -> None:
    """Make the rig what `new` says, where it was what `old` says."""
    before, after = _enabled(old), _enabled(new)
    live = {key for key in before.keys() & after.keys() if _changes_live(before[key], after[key])}
    same = {key for key in before.keys() & after.keys() if before[key] == after[key]}
    for key in reversed([key for key in before if key not in live | same]):
        await _remove(rig, key)
    for key, item in after.items():
        if key in live:
            rig.swarm(item.name).change(_plan_of(item))
        elif key not in same:
            add(rig, item)


def add(rig: Rig, item: Item[Any]) -> None:
    """Keep an item from now on. Raises UsageError."""
    if item.section == "swarm":
        rig.add_swarm(_plan_of(item))
    else:
        rig.add_item(_ACTIONS[item.section](item, rig.manager_kind))


def _enabled(config: RigConfig) -> dict[Key, Item[Any]]:
    return {(item.section, item.name): item for item in config.items() if item.enabled}


def _changes_live(old: Item[Any], new: Item[Any]) -> bool:
    """Whether these are two states of one swarm that can go from one to the other as it runs."""
    if old == new or new.section != "swarm":
        return False
    rows = BY_NAME[new.section].settings
    return all(row.live for row in rows if old.values.get(row.key) != new.values.get(row.key))


def _plan_of(item: Item[Any]) -> Plan:
    return replace(cast(Plan, item.options), run_id=item.run)


async def _remove(rig: Rig, key: Key) -> None:
    section, name = key
    if section == "swarm":
        if name in rig.swarms:  # else somebody has ended it by hand
            await rig.remove_swarm(name)
    elif key in rig.items:
        await rig.remove_item(section, name)


def _run_is_there(kind: str, run: str) -> bool:
    return any(found.run == run for found in runs.status(kind))


def _unit_is_there(kind: str, unit: str) -> bool:
    return any(
        each.name == unit and each.active != "inactive"
        for found in runs.status(kind)
        for each in found.units
    )


def _origin(item: Item[Any], kind: str) -> Actions:
    options = replace(cast(OriginOptions, item.options), manager=kind)
    return Actions(
        "origin",
        item.name,
        start=lambda: control.start(options, lambda _: None),
        stop=lambda: control.stop(kind, [item.run]),
        is_there=lambda: _run_is_there(kind, item.run),
    )


def _encoder(item: Item[Any], kind: str) -> Actions:
    options = replace(cast(EncoderOptions, item.options), manager=kind)
    unit = unit_of(item.name)
    return Actions(
        "encoder",
        item.name,
        start=lambda: preview.start(options),
        stop=lambda: preview.stop(kind, [item.name]),
        is_there=lambda: _unit_is_there(kind, unit),
    )


_ACTIONS: Mapping[str, Callable[[Item[Any], str], Actions]] = {
    "origin": _origin,
    "encoder": _encoder,
}
