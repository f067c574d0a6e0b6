"""`hlsswarm set-limit` and the limits of an encoder, as a user gives them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from hlsswarm.core.names import service_unit
from tests.support import Place, place

USAGE, PREFLIGHT = 2, 106
ENCODER = ("--input", "lavfi:testsrc2=size=160x90:rate=5", "--size", "160x90", "--bitrate", "100k")


@pytest.fixture(scope="module")
def here() -> Iterator[Place]:
    with place() as made:
        yield made
        made.nothing_left()


@pytest.mark.parametrize(
    ("words", "status", "sentence", "hint"),
    [
        (("nosuch",), USAGE, "hlsswarm-nosuch.slice does not run.", "`hlsswarm status --units`"),
        (("ssh.service",), USAGE, "'ssh.service' names no unit of hlsswarm.", "Give a run"),
        (("a1/../b",), USAGE, "'a1/../b' names no unit of hlsswarm.", "Give a run"),
        (("a1", "--memory-max", "many"), USAGE, "--memory-max 'many' cannot", "or none."),
        (("a1", "--oom-policy", "kill"), USAGE, "There is no option --oom-policy.", "See"),
        (("a1", "--show", "--tasks-max", "5"), USAGE, "--show changes nothing.", "Give limits"),
        ((), USAGE, "RUN|RUN/PART|UNIT is missing.", "See"),
    ],
)
def test_what_cannot_be_meant(
    here: Place, words: tuple[str, ...], status: int, sentence: str, hint: str
) -> None:
    finished = here.run("set-limit", *words)
    assert finished.status == status
    assert finished.sentence.startswith(sentence)
    assert hint in finished.hint
    assert "Traceback" not in finished.err


def test_an_encoder_has_the_limits_that_it_was_given_and_others_live(here: Place) -> None:
    here.done("encoder", "start", "x", *ENCODER, "--cpu-weight", "200", "--tasks-max", "64")
    unit = service_unit("encoders", "encoder", "x")
    shown = here.done("set-limit", "encoders/encoder-x").out.splitlines()
    assert shown[0].startswith(f"{unit} (")
    assert shown[0].endswith(" manager), limits until it ends:")
    cells = {line.split()[0]: line.split()[1:3] for line in shown[2:]}
    assert cells["CPUWeight"] == ["200", "200"]
    assert cells["TasksMax"] == ["64", "64"]
    assert shown[-1].startswith("  It uses ")

    changed = here.done("set-limit", unit, "--tasks-max", "50", "--memory-max", "500M", "--json")
    limits = json.loads(changed.out)["limits"]
    assert (limits["tasks-max"]["kernel"], limits["tasks-max"]["holds"]) == (50, True)
    assert (limits["memory-max"]["kernel"], limits["memory-max"]["holds"]) == (500 << 20, True)

    [run] = here.status()
    assert run["usage"]["tasks"] >= 1
    table = here.done("status", "--units").out
    assert "waits cpu/mem/io" in table
    assert unit in table

    if not limits["memory-high"]["enforced"]:
        refused = here.run("encoder", "start", "y", *ENCODER, "--memory-high", "100M")
        assert refused.status == PREFLIGHT
        assert refused.sentence.startswith("--memory-high would not be enforced")
    here.done("encoder", "stop", "--all")
