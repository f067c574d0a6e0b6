"""`make install` on a machine that boots with systemd: the service, its hardening, its restarts."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hlsswarm.core.journal import message_kind
from tests.lab.system_machine import SystemMachine
from tests.support import REPOSITORY, free_port, wait_for

# The machine's own: another may lie in a home directory, which the service cannot see.
PYTHON = "/usr/bin/python3"
INSTALLED = REPOSITORY / ".cache" / "installed"
SCORE_MAX = 2.0
RIG = """
[metrics]
listen = "127.0.0.1:{metrics}"
[[origin]]
name = "main"
port = {origin}
[[swarm]]
name = "evening"
url = "http://127.0.0.1:{origin}/stream.m3u8"
clients = 3
"""


class Rig:
    """A machine on which the service is installed and started."""

    def __init__(self, machine: SystemMachine) -> None:
        self.machine = machine
        self.metrics_port = free_port()
        text = RIG.format(metrics=self.metrics_port, origin=free_port())
        self.shell("mkdir -p /etc/hlsswarm && cat >/etc/hlsswarm/hlsswarm.toml", input=text)

    def shell(self, script: str, *, input: str | None = None) -> str:
        """What a script on the machine says; it has to succeed."""
        done = self.machine.run(["sh", "-c", script], input=input, timeout=120)
        assert done.returncode == 0, f"{script}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def value(self, series: str) -> float:
        """One of the swarm's series now; -1 while it cannot be had."""
        found = self.machine.run(
            ["curl", "-s", "-m", "5", f"http://127.0.0.1:{self.metrics_port}/metrics"], timeout=20
        ).stdout
        match = re.search(rf"^hlsswarm_{series}(?:{{[^}}]*}})? (\S+)$", found, re.MULTILINE)
        return float(match[1]) if match else -1.0

    def clients(self) -> str:
        """Main process of each client's unit."""
        return self.shell("systemctl show -P MainPID 'hlsswarm-evening-client-*' | sort")

    def still_there(self, clients: str) -> None:
        """Wait until the daemon tells of the same three sessions and goes on counting."""
        wait_for("the daemon", lambda: self.value("clients_active") == 3, timeout_seconds=30)
        assert self.clients() == clients
        assert self.value("sessions_total") == 3
        lines = self.value("telemetry_lines_total")
        wait_for("more lines", lambda: self.value("telemetry_lines_total") > lines)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    shutil.rmtree(INSTALLED, ignore_errors=True)
    subprocess.run(
        ["make", "install", f"PYTHON={PYTHON}", f"DESTDIR={INSTALLED}"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        timeout=300,
    )
    with SystemMachine() as machine:
        machine.run(["cp", "-a", f"{INSTALLED}/.", "/"], check=True)
        made = Rig(machine)
        made.shell("systemd-sysusers hlsswarm.conf && systemd-tmpfiles --create hlsswarm.conf")
        made.shell("systemctl daemon-reload && systemctl start hlsswarm")
        wait_for("clients", lambda: made.value("clients_active") == 3, timeout_seconds=60)
        yield made


def test_the_units_are_right(rig: Rig) -> None:
    rig.shell("systemd-analyze verify hlsswarm.service hlsswarm.slice 2>&1")


def test_the_service_is_hardened(rig: Rig) -> None:
    said = rig.shell("systemd-analyze security hlsswarm.service --no-pager")
    match = re.search(r"exposure level for hlsswarm\.service: (\S+)", said)
    assert match is not None
    assert float(match[1]) <= SCORE_MAX


def test_status_tells_the_counts(rig: Rig) -> None:
    wait_for(
        "the counts",
        lambda: rig.shell("systemctl show -P StatusText hlsswarm").startswith(
            "3 of 3 clients in 1 swarms; 1 of 1 other items"
        ),
    )


def test_the_journal_has_fields_and_explanations(rig: Rig) -> None:
    asked = "journalctl -o json HLSSWARM_SWARM=evening HLSSWARM_EVENT=running"
    record = json.loads(rig.shell(asked).splitlines()[0])
    assert record["MESSAGE_ID"] == message_kind("running").message_id
    assert record["_SYSTEMD_UNIT"] == "hlsswarm.service"
    assert record["HLSSWARM_RUN"] == "evening"
    rig.shell("journalctl --update-catalog")
    assert "Subject: A part of the rig runs" in rig.shell("journalctl -x -t hlsswarm")
    assert "evening running: 3 clients" in rig.shell("hlsswarm logs evening")


@pytest.mark.parametrize(
    "order",
    [
        "systemctl kill -s KILL hlsswarm",
        "systemctl restart hlsswarm",
        "systemctl daemon-reexec",
        "systemctl daemon-reload",
        "systemctl reload hlsswarm",
    ],
)
def test_no_client_notices(rig: Rig, order: str) -> None:
    clients = rig.clients()
    rig.shell(order)
    rig.still_there(clients)


def test_the_watchdog_starts_a_daemon_anew_that_hangs(rig: Rig) -> None:
    clients = rig.clients()
    # As a hang is noticed after 30 s, systemd is told to expect a sign within one.
    rig.shell("systemctl kill -s STOP hlsswarm && systemctl kill -s ABRT hlsswarm")
    rig.shell("systemctl kill -s CONT hlsswarm")
    rig.still_there(clients)


def test_stopping_the_service_ends_the_rig(rig: Rig) -> None:
    rig.shell("systemctl stop hlsswarm")
    left = rig.shell("systemctl list-units --no-legend 'hlsswarm-evening*' 'hlsswarm-origin*'")
    assert left == ""
    assert rig.shell("ls -A /run/hlsswarm /dev/shm | grep -v : || true").strip() == ""


def test_an_unreadable_configuration_does_not_start_again_and_again(rig: Rig) -> None:
    rig.shell("echo 'clients = 3' >/etc/hlsswarm/hlsswarm.toml")
    done = rig.machine.run(["systemctl", "start", "hlsswarm"], timeout=60)
    assert done.returncode != 0
    assert rig.shell("systemctl show -P ExecMainStatus hlsswarm").strip() == "104"
    assert rig.shell("systemctl show -P NRestarts hlsswarm").strip() == "0"


def test_what_is_shipped_is_a_configuration() -> None:
    assert (INSTALLED / "etc/hlsswarm/hlsswarm.toml").read_text() == (
        Path(REPOSITORY, "systemd/hlsswarm.toml").read_text()
    )
