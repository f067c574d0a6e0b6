"""What a reload does: everything that changed, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings

from hlsswarm.core.rig import Item, RigConfig
from hlsswarm.core.rig_difference import Difference, difference
from hlsswarm.core.rig_items import changed_item, make_item
from hlsswarm.core.rig_reading import read_rig
from hlsswarm.errors import ConfigurationError
from tests.core.rig_documents import right_documents

RIG = """\
[[origin]]
name = "main"
[[swarm]]
name = "evening"
url = "http://127.0.0.1:8080/stream.m3u8"
clients = 200
[[swarm]]
name = "later"
url = "http://127.0.0.1:8080/stream.m3u8"
enabled = false
"""
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def rig(text: str = RIG) -> RigConfig:
    reading = read_rig(text)
    assert reading.config is not None, reading.problems
    return reading.config


def swarm(config: RigConfig, name: str = "evening") -> Item[Any]:
    return next(item for item in config.swarms if item.name == name)


def after(**changes: Any) -> Difference:
    named = {key.replace("_", "-"): value for key, value in changes.items()}
    return difference(rig(), rig().with_item(changed_item(swarm(rig()), named)))


def test_the_same_rig_in_other_words() -> None:
    other = RIG.replace("clients = 200", 'clients = 200\nramp-rate = 5.0\nduration = "0s"')
    found = difference(rig(), rig("# now with a comment\n" + other))
    assert found.is_empty
    assert [str(item) for item in found.unchanged] == ['origin "main"', 'swarm "evening"']


@pytest.mark.parametrize(
    "changes",
    [
        {"clients": 5},
        {"ramp_rate": 50},
        {"memory_max": "2G"},
        {"threshold": ["segments: count>0"]},
        {"clients": 5, "cpu_quota": "150%"},
    ],
)
def test_what_a_running_swarm_can_be_given(changes: dict[str, Any]) -> None:
    (change,) = after(**changes).changed
    assert change.is_live
    assert set(change.live) == {key.replace("_", "-") for key in changes}


@pytest.mark.parametrize(
    "changes", [{"measure": "light"}, {"url": "http://h/x"}, {"clients": 5, "pace": "realtime"}]
)
def test_what_a_swarm_has_to_be_started_again_for(changes: dict[str, Any]) -> None:
    found = after(**changes)
    (change,) = found.changed
    assert not change.is_live
    assert not found.added
    assert not found.removed
    assert next(found.lines()).startswith('start again swarm "evening"')


def test_enabling_is_starting_and_disabling_is_ending() -> None:
    assert [item.name for item in after(enabled=False).removed] == ["evening"]
    enabled = changed_item(swarm(rig(), "later"), {"enabled": True})
    assert difference(rig(), rig().with_item(enabled)).added == (enabled,)


def test_other_tables() -> None:
    found = difference(rig(), rig('[metrics]\nlisten = "off"\n[limits]\nmemory-max = "4G"\n' + RIG))
    assert found.tables == ("metrics", "limits")
    assert not found.changed


def test_items_are_made_of_what_an_api_is_given() -> None:
    made = make_item("swarm", {"name": "now", "url": "http://h/x", "clients": 3})
    assert made.options is not None
    assert made.options.clients == 3
    assert made.options.run_id == "now"
    with pytest.raises(ConfigurationError) as caught:
        make_item("swarm", {"name": "now", "clients": 0, "x": 1})
    for word in ("url", "clients", "x"):
        assert word in caught.value.message


@SLOW
@given(right_documents())
def test_nothing_is_to_do_from_a_rig_to_itself(document: dict[str, Any]) -> None:
    config = rig(tomli_w.dumps(document))
    found = difference(config, rig(tomli_w.dumps(document)))
    assert found.is_empty
    assert len(found.unchanged) == sum(item.enabled for item in config.items())


@SLOW
@given(right_documents(), right_documents())
def test_a_difference_makes_the_new_rig_of_the_old(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    old, new = rig(tomli_w.dumps(one)), rig(tomli_w.dumps(other))
    found = difference(old, new)
    runs = {(item.section, item.name): item for item in old.items() if item.enabled}
    for item in found.removed:
        assert runs.pop((item.section, item.name)) == item
    for change in found.changed:
        assert runs[change.old.section, change.old.name] == change.old
        assert change.live or change.restart
        runs[change.new.section, change.new.name] = change.new
    for item in found.added:
        assert (item.section, item.name) not in runs
        runs[item.section, item.name] = item
    for item in found.unchanged:
        assert runs[item.section, item.name] == item
    wanted = {(item.section, item.name): item for item in new.items() if item.enabled}
    assert runs == wanted
    assert found.is_empty == (not found.tables and old_runs(old) == wanted)


def old_runs(config: RigConfig) -> dict[tuple[str, str], Item[Any]]:
    return {(item.section, item.name): item for item in config.items() if item.enabled}
