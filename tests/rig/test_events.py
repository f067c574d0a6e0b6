"""Events: kept, passed on, and bounded whatever a swarm says."""

from __future__ import annotations

from typing import Any

import pytest

from hlsswarm.rig import journal
from hlsswarm.rig.events import AT_ONCE, Event, Events
from hlsswarm.units.journal import is_journal


def test_a_flood_is_a_few_events_and_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    told: list[Event] = []
    events = Events(told.append)
    for number in range(10_000):
        events.add("failure", "evening", f"#{number} exited 1", role="swarm", client=number)
    events.add("failure", "morning", "#1 exited 1", role="swarm", client=1)
    events.add("resized", "evening", "5 clients", role="swarm")
    assert len(told) == AT_ONCE + 2
    events.tell_left_out()
    assert told[-1].kind == "left-out"
    assert told[-1].item == "evening"
    assert told[-1].message == f"{10_000 - AT_ONCE} more of 'failure' were left out"
    count = len(told)
    events.add("failure", "evening", "#1 exited 1", role="swarm", client=1)
    events.tell_left_out()  # not again within ten seconds
    assert len(told) == count
    now += 3600
    events.tell_left_out()
    assert [event.message for event in told[count:]] == ["1 more of 'failure' were left out"]
    events.add("failure", "evening", "#1 exited 1", role="swarm", client=1)
    assert told[-1].kind == "failure"
    numbers = [event.number for event in told]
    assert numbers == sorted(set(numbers))


def an_event(**changes: Any) -> Event:
    values = {"number": 1, "unix_time": 1.0, "kind": "failure", "item": "evening", "message": "m"}
    return Event(**{**values, "role": "swarm", **changes})


def test_fields_of_a_client() -> None:
    fields = dict(journal.fields(an_event(client=7, message="#7 exited 1")))
    assert fields["MESSAGE"] == "evening failure: #7 exited 1"
    assert fields["PRIORITY"] == "4"
    assert (fields["HLSSWARM_ROLE"], fields["HLSSWARM_CLIENT"]) == ("client", "7")
    assert fields["HLSSWARM_SWARM"] == fields["HLSSWARM_RUN"] == "evening"
    assert fields["OBJECT_SYSTEMD_UNIT"] == "hlsswarm-evening-client-0007.service"


def test_fields_of_what_is_no_swarm() -> None:
    event = an_event(kind="running", item="origin main", role="origin", message="")
    fields = dict(journal.fields(event))
    assert fields["HLSSWARM_ROLE"] == "origin"
    assert not fields.keys() & {"HLSSWARM_SWARM", "HLSSWARM_CLIENT", "OBJECT_SYSTEMD_UNIT"}


def test_a_line_is_one_line() -> None:
    assert journal.line(an_event(message="a\nb\r\nc")) == "evening failure: a b c"


def test_what_is_no_journal() -> None:
    assert not is_journal(2, {})
    assert not is_journal(2, {"JOURNAL_STREAM": "1:1"})
    assert not is_journal(2, {"JOURNAL_STREAM": "nonsense"})
    assert not is_journal(99, {"JOURNAL_STREAM": "1:1"})
