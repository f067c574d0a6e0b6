"""Unit properties: what systemd is asked for, by what the manager can."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core import names
from hlsswarm.core.backoff import Backoff
from hlsswarm.core.unit_specs import (
    Abilities,
    Limits,
    Property,
    RestartPolicy,
    UnitSpec,
    client_spec,
    exec_start,
    script_of,
    slice_spec,
    survives_reload,
)

OLD = Abilities(
    version=252,
    restart_steps=False,
    restart_jitter=False,
    memory_limit=True,
    cpu_limit=True,
    tasks_limit=True,
    ip_filter=True,
)
STEPS = dataclasses.replace(OLD, version=254, restart_steps=True)
JITTERS = dataclasses.replace(STEPS, version=262, restart_jitter=True)
WORDS = st.lists(st.text(st.characters(exclude_characters="\0"), max_size=20), max_size=5)
BACKOFFS = st.tuples(st.floats(0.001, 600), st.floats(0.001, 600)).map(
    lambda pair: Backoff(min(pair), max(pair))
)
# D-Bus types of the D-Bus specification that a value of ours can have.
PYTHON_TYPE: dict[str, type] = {"s": str, "b": bool, "t": int, "u": int, "i": int}


def values(properties: list[Property] | tuple[Property, ...]) -> dict[str, Any]:
    return {item.name: item.value for item in properties}


def spec(abilities: Abilities = OLD, **options: Any) -> UnitSpec:
    return client_spec(
        "a1",
        7,
        ("/usr/bin/ffmpeg", "-i", "http://h/$X%n"),
        abilities=abilities,
        telemetry_socket=Path("/run/hlsswarm/a1/telemetry.sock"),
        restart=RestartPolicy(Backoff(), 1),
        **options,
    )


def expanded(argument: str) -> str:
    """What systemd makes of an argument in which each dollar is doubled."""
    return argument.replace("$$", "$")


@given(WORDS)
def test_a_script_becomes_its_command(words: list[str]) -> None:
    command = ["/bin/x", *words]
    first, second = script_of(command).split("\n", 1)
    assert first == "#!/bin/sh"
    assert shlex.split(second) == ["exec", *command]
    assert survives_reload(command) == (not {"$", ";"} & set("".join(words)))


@given(WORDS)
def test_with_expansion_every_dollar_is_doubled_and_nothing_else_changes(words: list[str]) -> None:
    found = exec_start(("/bin/x", *words))
    assert found.name == "ExecStart"
    [(program, arguments, ignore_failure)] = found.value
    assert program == "/bin/x"
    assert ignore_failure is False
    assert [expanded(argument) for argument in arguments[1:]] == words
    assert all(argument.count("$") % 2 == 0 for argument in arguments)


@pytest.mark.parametrize("command", [(), ("ffmpeg",), ("",), ("/bin/x", "a\0b")])
def test_commands_that_cannot_be(command: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"absolute|NUL"):
        exec_start(command)


@given(BACKOFFS, st.integers(1, 1000), st.integers(), st.integers(1, 40))
def test_before_steps_the_unit_has_the_wait_that_is_due(
    backoff: Backoff, client: int, seed: int, failures: int
) -> None:
    policy = RestartPolicy(backoff, seed)
    found = values(policy.properties(OLD, client, failures=failures))
    due = backoff.delay_seconds(failures, client, seed)
    assert 0 <= found["RestartUSec"] / 1e6 - due < 2e-6
    assert not {"RestartSteps", "RestartMaxDelayUSec", "RestartRandomizedDelayUSec"} & found.keys()


@given(BACKOFFS, st.integers(1, 1000), st.integers())
def test_with_steps_systemd_makes_the_waits_grow(backoff: Backoff, client: int, seed: int) -> None:
    found = values(RestartPolicy(backoff, seed).properties(STEPS, client))
    factor = backoff.factor(client, seed)
    assert found["RestartUSec"] / 1e6 == pytest.approx(backoff.minimum_seconds * factor, abs=2e-6)
    assert found.get("RestartSteps", 0) == backoff.steps
    if backoff.steps:
        longest = found["RestartMaxDelayUSec"] / 1e6
        assert longest == pytest.approx(backoff.maximum_seconds * factor, abs=2e-6)
        assert longest >= found["RestartUSec"] / 1e6


def test_systemds_own_jitter_takes_the_place_of_ours() -> None:
    found = values(RestartPolicy(Backoff(1, 8), 1).properties(JITTERS, 3))
    assert found["RestartUSec"] == 1_000_000
    assert found["RestartMaxDelayUSec"] == 8_000_000
    assert found["RestartSteps"] == 3
    assert found["RestartRandomizedDelayUSec"] == 400_000


@pytest.mark.parametrize("abilities", [OLD, STEPS, JITTERS])
def test_start_limits_are_off_everywhere(abilities: Abilities) -> None:
    assert values(spec(abilities).properties)["StartLimitIntervalUSec"] == 0


def test_a_finished_presentation_is_kept_and_a_live_one_comes_back() -> None:
    live = values(RestartPolicy(Backoff(), 1).properties(OLD, 1))
    finished = values(RestartPolicy(Backoff(), 1, when="on-failure").properties(OLD, 1))
    assert (live["Restart"], live.get("RemainAfterExit", False)) == ("always", False)
    assert (finished["Restart"], finished["RemainAfterExit"]) == ("on-failure", True)


def test_a_clients_unit() -> None:
    found = spec(stop_timeout_seconds=1.5)
    assert found.name == names.client_unit("a1", 7)
    expected = {
        "Slice": names.clients_slice("a1"),
        "Type": "exec",
        "CollectMode": "inactive-or-failed",
        "KillMode": "control-group",
        "SendSIGKILL": True,
        "StandardErrorFile": "/run/hlsswarm/a1/telemetry.sock",
        "SuccessExitStatus": ([255], []),
        "TimeoutStopUSec": 1_500_000,
        "MemoryMax": 256 << 20,
        "TasksMax": 64,
        "LimitCORE": 0,
        "NoNewPrivileges": True,
    }
    assert values(found.properties).items() >= expected.items()


@pytest.mark.parametrize("abilities", [OLD, STEPS, JITTERS])
def test_each_property_is_named_once_and_has_a_value_of_its_signature(abilities: Abilities) -> None:
    properties = spec(abilities).properties
    assert len(values(properties)) == len(properties)
    for name, signature, value in properties:
        if signature in PYTHON_TYPE:
            assert type(value) is PYTHON_TYPE[signature], name
        if signature in {"t", "u"}:
            assert value >= 0, name


def test_limits_that_are_not_set_are_left_to_the_manager() -> None:
    assert {item.name for item in Limits().properties()} == {
        "CPUAccounting",
        "MemoryAccounting",
        "TasksAccounting",
    }
    whole = slice_spec("hlsswarm-a1.slice", "words", Limits(1 << 30, 1.5, 1000))
    found = values(whole.properties)
    assert found["MemoryMax"] == 1 << 30
    assert found["CPUQuotaPerSecUSec"] == 1_500_000
    assert found["TasksMax"] == 1000


@given(
    st.builds(
        Abilities,
        version=st.integers(1, 999),
        restart_steps=st.booleans(),
        restart_jitter=st.booleans(),
        memory_limit=st.booleans(),
        cpu_limit=st.booleans(),
        tasks_limit=st.booleans(),
        ip_filter=st.booleans(),
    )
)
def test_every_lack_is_told_once(abilities: Abilities) -> None:
    told = "; ".join(abilities.lacks())
    for word, able in (
        ("memory", abilities.memory_limit),
        ("CPU", abilities.cpu_limit),
        ("tasks", abilities.tasks_limit),
        ("restart steps", abilities.restart_steps),
        ("IP address filters", abilities.ip_filter),
    ):
        assert told.count(word) == (0 if able else 1)
    assert bool(told) != all(
        (
            abilities.memory_limit,
            abilities.cpu_limit,
            abilities.tasks_limit,
            abilities.restart_steps,
            abilities.ip_filter,
        )
    )
