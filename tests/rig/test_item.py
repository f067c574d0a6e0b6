"""An item of a rig that is no swarm: what it does when it cannot look, or cannot start."""

from __future__ import annotations

import asyncio
import errno
import os

from hlsswarm.errors import UnitError
from hlsswarm.rig import item as rig_item
from hlsswarm.rig.events import Event, Events
from hlsswarm.rig.item import Actions, RigItem


def test_what_cannot_be_looked_at_or_started_is_tried_again() -> None:
    failures: list[Exception] = [
        OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
        UnitError("systemd refused it."),
    ]
    started: list[str] = []
    told: list[Event] = []

    def is_there() -> bool:
        if failures:
            raise failures.pop(0)
        return bool(started)

    actions = Actions(
        "origin",
        "main",
        start=lambda: started.append("once"),
        stop=started.clear,
        is_there=is_there,
    )

    async def live() -> None:
        item = RigItem(actions, Events(told.append))
        task = asyncio.create_task(item.live())
        while item.state != "running":
            await asyncio.sleep(0.01)
        item.end()
        await task

    first, rig_item._FIRST_WAIT_SECONDS = rig_item._FIRST_WAIT_SECONDS, 0.01
    try:
        asyncio.run(live())
    finally:
        rig_item._FIRST_WAIT_SECONDS = first
    assert [event.kind for event in told] == ["waiting", "waiting", "running", "stopped"]
    assert "Too many open files" in told[0].message
    assert started == []
