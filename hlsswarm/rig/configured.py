"""From the configuration to the rig: what is new is added, what is gone ends, and the rest stays.

Of a swarm some settings are changed while it runs (Setting.live: its size, its ramp, …); whatever
else is changed ends the item and begins it anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from hlsswarm.controller import runs
from hlsswarm.controller.limits import limit_all
from hlsswarm.controller.text_files import read_headers
from hlsswarm.core.encoder_options import EncoderOptions, unit_of
from hlsswarm.core.limit_settings import SWARM_KINDS, limits_of
from hlsswarm.core.origin_options import OriginOptions
from hlsswarm.core.plan import Plan
from hlsswarm.core.publish import streams_of
from hlsswarm.core.publish_settings import STREAM_SETTINGS
from hlsswarm.core.rig import Item, RigConfig
from hlsswarm.core.rig_difference import Change, difference
from hlsswarm.encoders import ladder, preview
from hlsswarm.encoders.ladder import LadderOptions
from hlsswarm.errors import HlsSwarmError
from hlsswarm.origin import control
from hlsswarm.publishers.kept import start_kept
from hlsswarm.publishers.publish import PublishOptions
from hlsswarm.rig.item import Actions
from hlsswarm.rig.rig import Rig


async def apply(rig: Rig, old: RigConfig, new: RigConfig) -> None:
    """Make the rig what `new` says, where it was what `old` says."""
    change = difference(old, new)
    if "limits" in change.tables:
        before, after = (limits_of(each.limits, SWARM_KINDS) for each in (old, new))
        await asyncio.to_thread(limit_all, rig.manager_kind, after, before)
    begun_anew = [each for each in change.changed if not _goes_on(rig, each)]
    for item in reversed([*change.removed, *(each.old for each in begun_anew)]):
        await _remove(rig, item)
    for each in change.changed:
        if each not in begun_anew:
            rig.swarm(each.new.name).change(_plan_of(each.new))
    for item in (*(each.new for each in begun_anew), *change.added):
        try:
            add(rig, item)
        except HlsSwarmError as error:  # such as a header file that is gone: the rest goes on
            rig.events.add("refused", item.name, error.message, role=item.section)


def _goes_on(rig: Rig, change: Change) -> bool:
    """Whether what runs can be changed as it runs."""
    return change.is_live and change.new.section == "swarm" and change.new.name in rig.swarms


def add(rig: Rig, item: Item[Any]) -> None:
    """Keep an item from now on. Raises UsageError."""
    if item.section == "swarm":
        rig.add_swarm(_plan_of(item))
    else:
        rig.add_item(_ACTIONS[item.section](item, rig.manager_kind))


def _plan_of(item: Item[Any]) -> Plan:
    plan = replace(cast(Plan, item.options), run_id=item.run)
    secret = item.values["header_file"]
    if secret is None:
        return plan
    headers = (*plan.client.headers, *read_headers(secret))
    return replace(plan, client=replace(plan.client, headers=headers))


async def _remove(rig: Rig, item: Item[Any]) -> None:
    if item.section == "swarm":
        if item.name in rig.swarms:  # else somebody has ended it by hand
            await rig.remove_swarm(item.name)
    elif (item.section, item.name) in rig.items:
        await rig.remove_item(item.section, item.name)


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


def _ladder(item: Item[Any], kind: str) -> Actions:
    values = item.values
    options = LadderOptions(
        name=item.name,
        media=values["media"],
        rungs=values["rungs"],
        factory=values["factory"],
        sources=tuple(values["source"] or ()),
        restart=values["on_failure"] == "restart",
        with_source=values["with_source"] is not False,
        metrics=values["metrics"],
        ffmpeg=values["ffmpeg"],
        manager=kind,
    )
    return Actions(
        "ladder",
        item.name,
        start=lambda: ladder.start(options),
        stop=lambda: ladder.stop(ladder.the_ladder(kind, item.name)),
        is_there=lambda: _run_is_there(kind, item.run),
    )


def _publisher(item: Item[Any], kind: str) -> Actions:
    values = item.values
    keys = {setting.key for setting in STREAM_SETTINGS}
    given = {key: value for key, value in values.items() if key in keys and value is not None}
    options = PublishOptions(
        streams=streams_of(values["url"], values["streams"], given),
        ffmpeg=values["ffmpeg"],
        manager=kind,
    )
    return Actions(
        "publisher",
        item.name,
        start=lambda: start_kept(options, item.run, lambda _: None),
        stop=lambda: runs.stop(kind, [item.run]),
        is_there=lambda: _run_is_there(kind, item.run),
    )


_ACTIONS: Mapping[str, Callable[[Item[Any], str], Actions]] = {
    "origin": _origin,
    "encoder": _encoder,
    "ladder": _ladder,
    "publisher": _publisher,
}
