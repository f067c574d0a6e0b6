"""A controller that dies between the two halves of making a client's unit anew."""

from __future__ import annotations

import os
import signal

from hlsswarm.controller.remade import DIRECTORY
from hlsswarm.rig.state import FILE
from tests.rig.daemons import daemon
from tests.support import place, wait_for

RIG = """
[metrics]
listen = "127.0.0.1:METRICS"
[[origin]]
name = "main"
port = ORIGIN
[[swarm]]
name = "evening"
url = "http://127.0.0.1:ORIGIN/stream.m3u8"
clients = 2
backoff-min = "5s"
"""


def test_a_unit_that_a_controller_took_away_was_not_stopped_by_hand() -> None:
    with place() as here, daemon(here, RIG) as rig:
        wait_for("clients", lambda: rig.value("clients_active") == 2, timeout_seconds=60)
        state = here.root / "s" / FILE
        before = state.read_bytes()  # as saved while it ran
        rig.kill()  # so that the next failure is one of a client that was taken over
        wait_for("clients", lambda: rig.value("clients_active") == 2)
        os.kill(rig.processes().pop(), signal.SIGKILL)
        # systemd before 254: the unit is stopped, and made anew after its wait.
        notes = here.runtime_directory / "evening" / DIRECTORY
        wait_for("a note", lambda: notes.exists() and any(notes.iterdir()))
        wait_for("the unit's absence", lambda: len(here.units("evening", "client")) == 1)
        os.kill(rig.pid(), signal.SIGKILL)
        state.write_bytes(before)
        wait_for("both", lambda: rig.value("clients_active") == 2, timeout_seconds=30)
        assert rig.value("clients_stopped_outside") == 0
        wait_for("no note", lambda: not any(notes.iterdir()))
