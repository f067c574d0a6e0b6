"""A rig that cannot be saved: told, counted, and never published ahead of what was saved."""

from __future__ import annotations

from pathlib import Path

from hlsswarm.rig.events import Event
from hlsswarm.rig.rig import Rig
from hlsswarm.rig.service_manager import KeptSockets, ServiceManager
from hlsswarm.rig.state import StateStore


def a_rig(directory: Path, told: list[Event]) -> Rig:
    store = StateStore([directory])
    return Rig(
        store, ServiceManager({}), KeptSockets({}), manager_kind="embedded", tell=told.append
    )


def test_failures_are_told_counted_and_go_on_with_the_next_daemon(tmp_path: Path) -> None:
    told: list[Event] = []
    directory = tmp_path / "state"
    rig = a_rig(directory, told)
    rig.save()
    rig.save()
    assert [event.kind for event in told] == ["not-saved"]
    assert str(directory) in told[0].message
    assert rig.figures().state_failures == 0  # as the next daemon would have it
    directory.mkdir()
    rig.save()
    assert [event.kind for event in told] == ["not-saved", "saved-again"]
    assert rig.figures().state_failures == 2
    assert a_rig(directory, told).figures().state_failures == 2
