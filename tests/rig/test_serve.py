"""The permanent rig: killed, stopped by hand, reloaded, ended; on a real systemd with ffmpeg."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from hlsswarm.rig.state import StateStore
from tests.rig.daemons import Daemon, daemon, stop_by_hand
from tests.support import Place, place, wait_for

RIG = """
[metrics]
listen = "127.0.0.1:METRICS"
[[origin]]
name = "main"
port = ORIGIN
[[swarm]]
name = "evening"
url = "http://127.0.0.1:ORIGIN/stream.m3u8"
clients = 4
ramp-rate = 4
"""


@pytest.fixture(scope="module")
def here() -> Iterator[Place]:
    with place() as made:
        yield made


@pytest.fixture(scope="module")
def rig(here: Place) -> Iterator[Daemon]:
    with daemon(here, RIG) as made:
        wait_for("clients", lambda: made.value("clients_active") == 4, timeout_seconds=60)
        yield made


def test_a_killed_daemon_is_missed_by_nobody(rig: Daemon) -> None:
    wait_for("segments", lambda: rig.value("requests_total", 'kind="segment",swarm="evening"'))
    before, processes = rig.metrics(), rig.processes()
    assert len(processes) == 4
    rig.kill()
    after = rig.metrics()
    assert rig.processes() == processes
    counters = [key for key in before if key[0].endswith(("_total", "_count", "_bucket"))]
    own = "hlsswarm_controller_", "hlsswarm_dbus_", "hlsswarm_ramp_lateness_", "python_", "process_"
    backwards = {
        key: (before[key], after.get(key))
        for key in counters
        if not key[0].startswith(own) and after.get(key, -1.0) < before[key]
    }
    assert backwards == {}
    assert after["hlsswarm_sessions_total", 'swarm="evening"'] == 4
    # Heard again: segments go on being counted.
    label = 'kind="segment",swarm="evening"'
    wait_for(
        "more segments",
        lambda: rig.value("requests_total", label) > after["hlsswarm_requests_total", label] + 4,
    )
    assert rig.value("clients_restarted_total") == 0


def test_an_end_that_systemd_did_not_order_leaves_the_rig(rig: Daemon) -> None:
    processes = rig.processes()
    rig.kill(signal.SIGTERM)
    assert rig.processes() == processes


def test_a_second_daemon_says_who_runs(rig: Daemon) -> None:
    other = rig.place.run("serve", "--config", str(rig.configuration))
    assert other.status == 106
    assert other.sentence == "A rig is kept here already."


def test_what_somebody_stopped_stays_stopped_and_is_shown(rig: Daemon) -> None:
    stop_by_hand(rig.place, "hlsswarm-evening-client-0004.service")
    wait_for("its absence", lambda: rig.value("clients_stopped_outside") == 1)
    rig.kill()
    assert rig.value("clients_stopped_outside") == 1
    # Also when nobody was there to see it.
    os.kill(rig.pid(), signal.SIGSTOP)
    stop_by_hand(rig.place, "hlsswarm-evening-client-0003.service")
    rig.kill()
    wait_for("both", lambda: rig.value("clients_stopped_outside") == 2)
    assert rig.value("clients_active") == 2


def test_a_reload_changes_what_is_changed_and_nothing_else(rig: Daemon) -> None:
    kept = rig.processes()
    rig.write(RIG.replace("clients = 4", "clients = 6"))
    os.kill(rig.pid(), signal.SIGHUP)
    wait_for("two more", lambda: rig.value("clients_active") == len(kept) + 2)
    assert kept < rig.processes()
    rig.write(RIG.replace("clients = 4", "clients = 1"))
    os.kill(rig.pid(), signal.SIGHUP)
    wait_for("one", lambda: rig.value("clients_active") == 1)
    assert rig.processes() < kept
    rig.write("clients = nonsense")
    os.kill(rig.pid(), signal.SIGHUP)
    wait_for("a refusal", lambda: "stays as it was" in rig.command.text())
    assert rig.value("clients_active") == 1


def test_ctrl_c_ends_everything(here: Place, rig: Daemon) -> None:
    rig.command.signal(signal.SIGINT)
    assert rig.command.finished().status == 0
    here.nothing_left(rig.origin_port)
    assert StateStore([here.root / "s"]).load() is None


def test_a_configuration_that_cannot_be_meant_starts_nothing(here: Place) -> None:
    file = here.root / "wrong.toml"
    file.write_text('[[swarm]]\nname = "a"\nurl = "ftp://x/"\nclient = 3\n')
    done = here.run("serve", "--config", str(file))
    assert done.status == 104
    assert f"{file}:" in done.sentence
    here.nothing_left()
