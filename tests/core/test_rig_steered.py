"""What was steered is kept over a reload and over daemons, until the file says something else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.rig import RigConfig
from hlsswarm.core.rig_reading import read_rig
from hlsswarm.core.rig_steered import Steered, steered, with_steered

URL = "http://127.0.0.1:8080/stream.m3u8"


def rig(**clients: int) -> RigConfig:
    """A rig of swarms by name; a negative number of clients is one that is disabled."""
    tables = [
        f'[[swarm]]\nname = "{name}"\nurl = "{URL}"\nclients = {abs(count)}\n'
        + ("enabled = false\n" if count < 0 else "")
        for name, count in clients.items()
    ]
    config = read_rig("\n".join(tables)).config
    assert config is not None
    return config


SWARMS = st.dictionaries(
    st.sampled_from("abcd"), st.integers(1, 3) | st.integers(-3, -1), max_size=4
)


@given(SWARMS, SWARMS)
def test_what_was_steered_comes_back_through_json(
    before: dict[str, int], after: dict[str, int]
) -> None:
    file, now = rig(**before), rig(**after)
    changes = [
        Steered.from_dict(json.loads(json.dumps(each.as_dict()))) for each in steered(file, now)
    ]
    made, dropped = with_steered(file, changes)
    assert dropped == ()
    assert {item.name: item for item in made.swarms} == {item.name: item for item in now.swarms}


@given(SWARMS, SWARMS, SWARMS)
def test_the_file_counts_where_it_says_something_new(
    before: dict[str, int], now: dict[str, int], later: dict[str, int]
) -> None:
    made, _ = with_steered(rig(**later), steered(rig(**before), rig(**now)))
    there = {
        item.name: item.values["clients"] * (1 if item.enabled else -1) for item in made.swarms
    }
    for name in {*before, *now, *later}:
        wanted = now.get(name) if before.get(name) == later.get(name) else later.get(name)
        assert there.get(name) == wanted


def test_what_contradicts_the_new_file_is_dropped_and_told() -> None:
    now = read_rig('[[origin]]\nname = "b"\nport = 9100\n').config
    file = read_rig('[[origin]]\nname = "a"\nport = 9100\n').config
    assert now is not None
    assert file is not None
    made, dropped = with_steered(file, steered(RigConfig(), now))
    assert [item.name for item in made.origins] == ["a"]
    assert [change.name for change in dropped] == ["b"]


@pytest.mark.parametrize(
    "document",
    [{}, {"section": "metrics", "name": "x", "base": None, "now": None}, {"section": "swarm"}],
)
def test_what_is_no_change_is_refused(document: dict[str, object]) -> None:
    with pytest.raises((KeyError, ValueError, TypeError)):
        Steered.from_dict(document)
