"""The native journal protocol, and the table of kinds with their catalog."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.journal import MESSAGE_BYTES_MAX, MESSAGE_KINDS, encoded, message_kind
from tests.support import REPOSITORY

CATALOG = REPOSITORY / "systemd" / "hlsswarm.catalog"


def decoded(record: bytes) -> list[tuple[bytes, bytes]]:
    """A record as journald reads it (JOURNAL_NATIVE_PROTOCOL)."""
    found = []
    while record:
        line, _, rest = record.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + size], rest[8 + size :]
            assert rest.startswith(b"\n")
            rest = rest[1:]
        found.append((name, value))
        record = rest
    return found


@given(st.text(max_size=200))
def test_no_value_ends_its_field(text: str) -> None:
    record = encoded([("MESSAGE", text), ("PRIORITY", "6")])
    expected = [(b"MESSAGE", text.encode(errors="replace"))] if text else []
    assert decoded(record) == [*expected, (b"PRIORITY", b"6")]


def test_a_long_value_is_cut() -> None:
    ((_, value),) = decoded(encoded([("MESSAGE", "ä" * 10_000)]))
    assert len(value) <= MESSAGE_BYTES_MAX + 3
    assert value.decode() == "ä" * (MESSAGE_BYTES_MAX // 2) + "…"


@pytest.mark.parametrize("name", ["", "_PID", "message", "A B", "A=B", "A\n", "9A", "A" * 65])
def test_names_that_the_journal_does_not_take(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        encoded([(name, "x")])


def test_ids_are_128_bits_and_each_its_own() -> None:
    ids = [kind.message_id for kind in MESSAGE_KINDS]
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in ids)
    assert len(set(ids)) == len(ids) == len({kind.name for kind in MESSAGE_KINDS})
    assert message_kind("anything").message_id == ""


def test_the_catalog_has_an_entry_for_each() -> None:
    text = CATALOG.read_text()
    entries = dict(re.findall(r"^-- ([0-9a-f]{32})\nSubject: (.+)$", text, re.MULTILINE))
    assert entries == {kind.message_id: kind.subject for kind in MESSAGE_KINDS}


def test_every_event_of_a_rig_has_a_kind() -> None:
    told = set()
    for path in (REPOSITORY / "hlsswarm" / "rig").glob("*.py"):
        text = path.read_text()
        told |= set(re.findall(r'(?:events\.add|_event|_tell)\(\s*"([a-z-]+)"', text))
        told |= set(re.findall(r'^LEFT_OUT = "([a-z-]+)"', text, re.MULTILINE))
    assert {"failure", "reloaded", "stall", "left-out"} <= told | {"failure"}
    assert {name for name in told if not message_kind(name).message_id} == set()


def test_the_document_has_a_row_for_each() -> None:
    text = (REPOSITORY / "docs" / "logs.md").read_text()
    for kind in MESSAGE_KINDS:
        assert f"| `{kind.name}` | {kind.subject} |" in text
        assert f"| `{kind.message_id}` |" in text
