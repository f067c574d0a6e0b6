"""The document of a bench, and what it says of the goals."""

from __future__ import annotations

import copy

from bench import results
from bench.results import goals, largest, merged, row, telemetry_and_supervision
from tests.bench.documents import MACHINE, a_document


def met() -> dict[str, bool | None]:
    """Goals of the whole document, by their words."""
    return {goal.what: goal.met for goal in goals(a_document())}


def test_every_goal_is_judged() -> None:
    """A whole document leaves none open, and the one that is not met is told."""
    assert None not in met().values()
    missed = [what for what, reached in met().items() if not reached]
    assert missed == ["clients that all receive every segment"]


def test_an_empty_document_meets_nothing() -> None:
    """What was not measured is not met, and not missed."""
    open_goals = goals(results.fresh(MACHINE, quick=True))
    assert open_goals and all(goal.met is None for goal in open_goals)
    assert {goal.mark for goal in open_goals} == {"not measured"}


def test_a_bound_is_a_bound() -> None:
    """What is as large as the bound is not below it."""
    document = copy.deepcopy(a_document())
    found = row(document, "controller", clients=200, measure="exact")
    assert found is not None
    found["controller"]["cpu_seconds"] = results.CPU_SHARE_OF_GO * results.GO_CPU_SECONDS
    broken = [goal for goal in goals(document) if goal.met is False]
    assert [goal.what for goal in broken] == [
        "controller, 200 clients, 70 s, exact: CPU",
        "clients that all receive every segment",
    ]


def test_the_largest_swarm_is_the_largest_that_held() -> None:
    """Steps that did not hold do not count; none measured is not 0."""
    assert largest(a_document()) == 2000
    assert largest(results.fresh(MACHINE, quick=False)) is None


def test_telemetry_is_what_came_after_the_start() -> None:
    """And supervision is the start, and systemd."""
    found = row(a_document(), "controller", clients=200, measure="light")
    assert found is not None
    telemetry, supervision = telemetry_and_supervision(found)
    assert round(telemetry, 6) == 0.6
    assert round(supervision, 6) == 1.51


def test_a_later_part_takes_the_place_of_an_earlier() -> None:
    """The others stay as they were; nothing is changed in place."""
    before = a_document()
    after = merged(before, MACHINE, "dbus", {"rows": []})
    assert results.rows(after, "dbus") == [] != results.rows(before, "dbus")
    assert results.rows(after, "ramp") == results.rows(before, "ramp")
