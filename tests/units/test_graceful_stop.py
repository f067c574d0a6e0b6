"""SIGINT, 3 s, SIGTERM, 2 s, SIGKILL, by unit properties alone: on a real systemd.

Stand-ins for ffmpeg write down which signals they get and when, and end at those that they are not
told to withstand. Lower bounds are strict, upper ones only say that the next signal came.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from hlsswarm.core import names
from hlsswarm.core.backoff import Backoff
from hlsswarm.core.service_specs import (
    GracefulStop,
    Service,
    ServiceRestart,
    is_stop_noise,
    service_spec,
)
from hlsswarm.units.states import JobRemoved
from tests.support import wait_for
from tests.units.live import Run, python, shell

STAND_IN = """
import signal, sys, time
log = open(sys.argv[1], "a", buffering=1)
def got(number, frame):
    name = signal.Signals(number).name
    print(name, time.monotonic(), file=log)
    if name not in sys.argv[2:]:
        sys.exit(0)
signal.signal(signal.SIGINT, got)
signal.signal(signal.SIGTERM, got)
print("READY", time.monotonic(), file=log)
while True:
    signal.pause()
"""
WITHSTANDS = {"obeys": (), "slow": ("SIGINT",), "hangs": ("SIGINT", "SIGTERM")}
LATEST = 25.0
"""So late a signal may come on a machine that is busy."""


def service(a_run: Run, name: str, command: tuple[str, ...]) -> Service:
    return Service(
        name=names.encoder_unit(a_run.run, name),
        slice_name=names.part_slice(a_run.run, "encoders"),
        description=name,
        command=command,
        log=a_run.directory / f"{name}.log",
        stop=GracefulStop(),
        restart=ServiceRestart("always", Backoff(60, 60)),
    )


def signals(file: Path) -> dict[str, float]:
    """When a stand-in got each signal, in the order in which they came."""
    lines = (line.split() for line in file.read_text().splitlines()) if file.exists() else ()
    return {name: float(at) for name, at in lines}


def test_each_signal_comes_when_the_one_before_was_withstood(a_run: Run) -> None:
    files = {name: a_run.directory / name for name in WITHSTANDS}
    services = {
        name: service(a_run, name, python(STAND_IN, str(files[name]), *withstands))
        for name, withstands in WITHSTANDS.items()
    }
    a_run.start(*(service_spec(each, a_run.live.abilities) for each in services.values()))
    for file in files.values():
        wait_for("a stand-in", lambda file=file: "READY" in signals(file))  # type: ignore[misc]

    ended: dict[str, float] = {}

    def note_end(job: JobRemoved) -> None:
        ended[job.unit] = time.monotonic()

    async def stop_all() -> None:
        manager = a_run.live.manager
        manager.listen(note_end)
        units = [each.name for each in services.values()]
        assert await manager.stop_and_wait(units, timeout_seconds=2 * LATEST)

    a_run.live.play(stop_all)
    got = {name: signals(file) for name, file in files.items()}
    took = {name: ended[services[name].name] - got[name]["SIGINT"] for name in WITHSTANDS}
    assert [list(each) for each in got.values()] == [
        ["READY", "SIGINT"],
        ["READY", "SIGINT", "SIGTERM"],
        ["READY", "SIGINT", "SIGTERM"],
    ]
    for name in ("slow", "hangs"):
        assert 2.8 <= got[name]["SIGTERM"] - got[name]["SIGINT"] <= LATEST
    assert 4.8 <= took["hangs"] <= LATEST
    assert took["obeys"] < took["slow"] < took["hangs"]


@pytest.mark.parametrize("status", [0, 3])
def test_a_process_that_ended_by_itself_leaves_nothing_to_stop(a_run: Run, status: int) -> None:
    """The commands of ExecStop= run then, too, and find no process."""
    bystander = service(a_run, "other", shell("exec sleep 3600"))
    ends = service(a_run, "ends", shell(f"exit {status}"))
    manager = a_run.live.manager
    a_run.start(service_spec(bystander, a_run.live.abilities))
    before = manager.service_state(bystander.name).main_pid
    a_run.queue(service_spec(ends, a_run.live.abilities))
    wait_for("its end", lambda: a_run.sub_states().get(ends.name) == "auto-restart")
    state = manager.service_state(ends.name)
    assert (state.exit_code, state.exit_status) == (1, status)
    assert state.result == ("success" if status == 0 else "exit-code")
    assert manager.service_state(bystander.name).main_pid == before
    said = ends.log.read_text().splitlines()
    assert all(is_stop_noise(line) for line in said)


def test_a_process_that_was_killed_is_told_as_killed(a_run: Run) -> None:
    killed = service(a_run, "killed", shell("kill -KILL $$"))
    a_run.queue(service_spec(killed, a_run.live.abilities))
    wait_for("its end", lambda: a_run.sub_states().get(killed.name) == "auto-restart")
    state = a_run.live.manager.service_state(killed.name)
    assert (state.result, state.exit_status) == ("signal", signal.SIGKILL)
