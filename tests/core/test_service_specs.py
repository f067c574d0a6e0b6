"""Units of services: how they are stopped, started again, and where their messages go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core import names
from hlsswarm.core.backoff import Backoff
from hlsswarm.core.service_specs import (
    GracefulStop,
    PlainStop,
    Service,
    ServiceRestart,
    service_spec,
)
from hlsswarm.core.unit_specs import Abilities

OLD = Abilities(252)
STEPS = Abilities(254, restart_steps=True)
SERVICE = Service(
    name=names.encoder_unit("a1", "x"),
    slice_name=names.part_slice("a1", "encoders"),
    description="words",
    command=("/usr/bin/ffmpeg", "-i", "$x"),
    log=Path("/run/hlsswarm/a1/encoder-x.log"),
)


def values(service: Service, abilities: Abilities = OLD) -> dict[str, Any]:
    properties = service_spec(service, abilities).properties
    found = {item.name: item.value for item in properties}
    assert len(found) == len(properties), "a property is named twice"
    return found


def test_a_plain_service() -> None:
    expected = {
        "Slice": "hlsswarm-a1-encoders.slice",
        "Type": "exec",
        "StandardErrorFileToAppend": "/run/hlsswarm/a1/encoder-x.log",
        "StandardOutput": "null",
        "KillSignal": 15,
        "TimeoutStopUSec": 3_000_000,
        "Restart": "always",
        "StartLimitIntervalUSec": 0,
        "CollectMode": "inactive-or-failed",
    }
    assert values(SERVICE).items() >= expected.items()


def test_messages_may_go_to_sockets() -> None:
    found = values(replace(SERVICE, log_is_socket=True, output_socket=Path("/run/out.sock")))
    assert found["StandardErrorFile"] == "/run/hlsswarm/a1/encoder-x.log"
    assert found["StandardOutputFile"] == "/run/out.sock"
    assert not {"StandardErrorFileToAppend", "StandardOutput"} & found.keys()


def test_a_one_shot_is_done_when_it_has_ended_and_stays() -> None:
    found = values(replace(SERVICE, one_shot=True, restart=ServiceRestart("no")))
    assert (found["Type"], found["RemainAfterExit"], found["Restart"]) == ("oneshot", True, "no")
    assert "RestartUSec" not in found


def test_commands_around_are_not_expanded_by_systemd() -> None:
    found = values(replace(SERVICE, before=(("/bin/echo", "$HOME"),), after=(("/bin/true",),)))
    assert found["ExecStartPre"] == [("/bin/echo", ["/bin/echo", "$$HOME"], False)]
    assert found["ExecStopPost"] == [("/bin/true", ["/bin/true"], False)]


@given(st.floats(0.1, 60), st.floats(0, 1))
def test_the_waits_of_a_graceful_stop_add_up(terminate: float, more: float) -> None:
    quit_seconds = terminate * (1 + more)
    found = values(replace(SERVICE, stop=GracefulStop(quit_seconds, terminate)))
    waits = [command for command in found["ExecStop"] if "--pid=${MAINPID}" in command[1]]
    own = sum(float(args[1]) for _, args, _ in waits if args[0].endswith("timeout"))
    assert own + found["TimeoutStopUSec"] / 1e6 == pytest.approx(quit_seconds, rel=1e-4, abs=2e-6)
    assert all(may_fail for _, _, may_fail in found["ExecStop"])
    assert found["ExecStop"][0][1][1:3] == ["-s", "INT"]


@pytest.mark.parametrize("waits", [(5.0, 2.0), (1.0, 2.0), (0.0, 0.0)])
def test_waits_that_systemd_cannot_express_are_refused(waits: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="quit wait"):
        GracefulStop(*waits)


def test_waits_between_starts_grow_where_systemd_can() -> None:
    service = replace(SERVICE, restart=ServiceRestart("on-failure", Backoff(0.5, 8)))
    assert (
        values(service, STEPS).items()
        >= {
            "Restart": "on-failure",
            "RestartUSec": 500_000,
            "RestartSteps": 4,
            "RestartMaxDelayUSec": 8_000_000,
        }.items()
    )
    assert "RestartSteps" not in values(service, OLD)


def test_a_failed_unit_can_be_kept() -> None:
    assert values(replace(SERVICE, keep_failed=True))["CollectMode"] == "inactive"
    assert values(replace(SERVICE, stop=PlainStop(seconds=1)))["TimeoutStopUSec"] == 1_000_000
