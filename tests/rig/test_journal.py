"""What a rig tells the journal, asked of a real journald by journalctl."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from hlsswarm.core.journal import message_kind
from hlsswarm.rig.events import AT_ONCE
from tests.lab.system_machine import SystemMachine
from tests.support import REPOSITORY, wait_for

# What a daemon does, as a service: events, told where its stderr goes.
TELLS = """
import sys, time
from hlsswarm.rig.events import Events
from hlsswarm.rig.journal import writer
events = Events(writer(lambda words: print(words, file=sys.stderr)))
hostile = "a\\nMESSAGE=b\\x1b[31m\\0\\udcff\\u2028\\nPRIORITY=0\\n"
events.add("failure", "hostile", hostile, role="swarm", client=7)
events.add("failure", "long", "x" * 1_000_000, role="swarm", client=1)
for number in range(10_000):
    events.add("failure", "evening", f"#{number} exited 1", role="swarm", client=number)
events.tell_left_out()
events.add("resized", "evening", "5 clients", role="swarm")
events.add("reloaded", "rig", "done", role="rig")
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[SystemMachine]:
    with SystemMachine() as made:
        made.run(
            ["install", "-D", "-t", "/usr/lib/systemd/catalog", "systemd/hlsswarm.catalog"],
            check=True,
        )
        made.run(["journalctl", "--update-catalog"], check=True)
        words = ["systemd-run", "--wait", "--unit=teller", f"--setenv=PYTHONPATH={REPOSITORY}"]
        done = made.run([*words, sys.executable, "-c", TELLS], timeout=60)
        assert done.returncode == 0, done.stderr
        made.run(["journalctl", "--sync"], check=True)
        wait_for("the last event", lambda: records(made, "HLSSWARM_EVENT=reloaded"))
        yield made


def records(machine: SystemMachine, *matches: str) -> list[dict[str, Any]]:
    """Records that match, as journalctl gives them."""
    done = machine.run(["journalctl", "--output=json", "--all", *matches], check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_fields_and_ids(machine: SystemMachine) -> None:
    (record,) = records(machine, "HLSSWARM_SWARM=evening", "HLSSWARM_EVENT=resized")
    assert record["MESSAGE"] == "evening resized: 5 clients"
    assert record["MESSAGE_ID"] == message_kind("resized").message_id
    assert record["PRIORITY"] == "5"
    assert record["SYSLOG_IDENTIFIER"] == "hlsswarm"
    assert record["HLSSWARM_RUN"] == "evening"
    assert record["HLSSWARM_ROLE"] == "swarm"
    assert record["_SYSTEMD_UNIT"] == "teller.service"


def test_a_clients_unit_finds_what_was_told_of_it(machine: SystemMachine) -> None:
    said = machine.run(["journalctl", "-o", "cat", "-u", "hlsswarm-evening-client-0003"])
    assert said.stdout.splitlines() == ["evening failure: #3 exited 1"]


def test_a_flood_is_bounded_and_told(machine: SystemMachine) -> None:
    told = records(machine, "HLSSWARM_SWARM=evening", "HLSSWARM_EVENT=failure")
    assert AT_ONCE <= len(told) < AT_ONCE + 100  # some more may be due while it floods
    (left,) = records(machine, "HLSSWARM_SWARM=evening", "HLSSWARM_EVENT=left-out")
    assert left["HLSSWARM_MESSAGE"] == f"{10_000 - len(told)} more of 'failure' were left out"


def test_hostile_text_stays_in_its_record(machine: SystemMachine) -> None:
    (record,) = records(machine, "HLSSWARM_SWARM=hostile")
    assert record["PRIORITY"] == "4"
    message = record["HLSSWARM_MESSAGE"]
    if isinstance(message, list):  # bytes, where they are no plain text
        message = bytes(message).decode()
    assert message == "a\nMESSAGE=b\x1b[31m\0?\u2028\nPRIORITY=0\n"
    (long,) = records(machine, "HLSSWARM_SWARM=long")
    assert 4000 < len(long["HLSSWARM_MESSAGE"]) < 4200


def test_the_catalog_explains(machine: SystemMachine) -> None:
    said = machine.run(["journalctl", "-x", "HLSSWARM_EVENT=resized"], check=True).stdout
    assert "Subject: A swarm has another size" in said
    assert "Swarm evening is to have 5 clients from now on." in said
    invalid = machine.run(["journalctl", "--list-catalog"]).stdout
    assert invalid.count("hlsswarm: ") >= 20
