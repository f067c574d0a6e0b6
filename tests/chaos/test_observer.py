"""The observer sees what must not be: shown to it as systemd, /proc and /metrics would."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tests.chaos import observer as watching
from tests.chaos.observer import Expected, Observer
from tests.chaos.worlds import Process, Unit, World

CLIENT = "hlsswarm-evening-client-0001.service"
CGROUP = f"/hlsswarm.slice/hlsswarm-evening.slice/{CLIENT}"
FINE = Unit(CLIENT, "hlsswarm-evening-clients.slice", "active", "running", 1, CGROUP)
PROCESS = Process(1, (b"/usr/bin/ffmpeg", b"-i"), f"0::{CGROUP}")
ITEM = ("hlsswarm_rig_items", 'kind="swarm",name="evening",state="running"')
COUNTER = ("hlsswarm_requests_total", 'kind="segment",swarm="evening"')


class Shown:
    """What the observer is shown."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.units = {CLIENT: FINE}
        self.processes = [PROCESS]
        self.metrics = {ITEM: 1.0, COUNTER: 5.0}
        for name in ("units", "processes", "metrics"):
            monkeypatch.setattr(watching, name, lambda _, name=name: getattr(self, name))
        self.observer = Observer(cast(World, None), Expected({"evening": 1}))

    def look(self, **changes: Any) -> str:
        """Two looks; what was found wrong."""
        vars(self).update(changes)
        self.observer._look()
        self.observer._look()
        return "\n".join(self.observer.wrong)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    made = Shown(monkeypatch)
    assert made.look() == ""
    return made


def test_a_unit_outside_the_slice(shown: Shown) -> None:
    outside = Unit(CLIENT, "system.slice", "active", "running", 1, f"/system.slice/{CLIENT}")
    assert "is in system.slice" in shown.look(units={CLIENT: outside})


def test_an_orphan(shown: Shown) -> None:
    orphan = Process(2, (b"/usr/bin/ffmpeg", b"-i"), "0::/user.slice")
    assert "orphan 2 (ffmpeg)" in shown.look(processes=[PROCESS, orphan])


def test_a_process_of_a_unit_that_is_gone(shown: Shown) -> None:
    assert "orphan 1" in shown.look(units={})


def test_two_processes_in_a_unit(shown: Shown) -> None:
    assert "2 processes in" in shown.look(processes=[PROCESS, PROCESS])


def test_a_unit_that_comes_back(shown: Shown) -> None:
    shown.observer.expected.stopped.add(CLIENT)
    assert "was stopped by hand and is active" in shown.look()


def test_a_counter_that_runs_backwards(shown: Shown) -> None:
    assert "from 5 back to 4" in shown.look(metrics={ITEM: 1.0, COUNTER: 4.0})


def test_a_lost_swarm(shown: Shown) -> None:
    assert "swarm evening is lost" in shown.look(metrics={COUNTER: 6.0})


def test_what_is_so_for_one_look_only_is_no_fault(shown: Shown) -> None:
    shown.processes = [PROCESS, PROCESS]
    shown.observer._look()
    assert shown.look(processes=[PROCESS]) == ""
