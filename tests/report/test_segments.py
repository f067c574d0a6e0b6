"""Segments of one plan as one run: complete, each once, of the same plan, and added up exactly."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.measurements import REQUEST_KINDS, Measurements
from hlsswarm.core.segment import WHOLE, Segment
from hlsswarm.errors import ExitStatus, UsageError
from hlsswarm.report.documents import plan_document
from hlsswarm.report.formats import write_report_command
from hlsswarm.report.merge import merged
from hlsswarm.report.run_directory import RecordedRun, read
from hlsswarm.report.segments import segment_of
from tests.report.runs import as_recorded, made_run, write

OF = 5
CLIENTS = 203


def share(number: int, of: int = OF, **changes: Any) -> RecordedRun:
    """What machine `number` has kept of its share of CLIENTS clients."""
    segment = Segment(number, of)
    own = len(segment.numbers(CLIENTS))
    made = made_run(seed=number, seconds=20, clients=own)
    plan = dataclasses.replace(made.plan, clients=CLIENTS, segment=segment, **changes)
    return dataclasses.replace(as_recorded(made), plan=plan_document(plan))


def shares() -> list[RecordedRun]:
    return [share(number) for number in range(1, OF + 1)]


def test_all_segments_are_the_whole_plan() -> None:
    whole = merged(shares())
    assert whole.summary["clients"]["target"] == CLIENTS
    assert whole.plan["clients"] == CLIENTS
    assert segment_of(whole) == WHOLE
    assert whole.verdict != "void"
    assert whole.notes == ()


def test_missing_segments_are_told_and_make_the_whole_void() -> None:
    whole = merged([share(1), share(4)])
    assert whole.verdict == "void"
    told = "Segments 2/5, 3/5, 5/5 are missing: these are 81 of 203 clients."
    assert whole.reasons == (told,)
    assert merged(shares()[1:]).reasons == (
        "Segment 1/5 is missing: these are 162 of 203 clients.",
    )


def test_a_segment_alone_keeps_its_verdict_and_says_what_it_is() -> None:
    alone = merged([share(2)])
    assert alone.verdict == share(2).verdict
    assert alone.notes == ("Segments 1/5, 3/5, 4/5, 5/5 are missing: these are 41 of 203 clients.",)


def test_a_segment_twice_is_refused() -> None:
    again = dataclasses.replace(share(2), sources=("/made/again",))
    with pytest.raises(UsageError, match=r"/made/test02 and /made/again are both segment 2/5\."):
        merged([share(1), share(2), again])


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        (share(2, seed=9), "seed"),
        (share(2, ramp_rate_per_second=1.0, duration_seconds=1.0), "ramp_rate_per_second, dur"),
        (share(2, of=6), "segment"),
    ],
)
def test_segments_of_different_plans_are_refused(other: RecordedRun, differs: str) -> None:
    with pytest.raises(UsageError, match=f"different plans: they differ in {differs}"):
        merged([share(1), other])


def test_a_segment_and_a_whole_run_are_refused() -> None:
    with pytest.raises(UsageError, match="is segment 1/5 of a plan, and /made/test02 is no segm"):
        merged([share(1), as_recorded(made_run(seed=2))])


def test_what_each_machine_has_to_itself_may_differ() -> None:
    other = share(2, manager="user", out_directory=Path("/elsewhere"), sandbox="off")
    assert merged([share(1), other]).plan["seed"] == 1


def test_segments_are_read_from_their_directories(tmp_path: Path) -> None:
    for number in (1, 2):
        segment = Segment(number, 2)
        made = made_run(seed=number, seconds=9, clients=5)
        plan = dataclasses.replace(made.plan, clients=10, segment=segment)
        write(tmp_path / str(number), dataclasses.replace(made, plan=plan))
        assert segment_of(read(tmp_path / str(number))) == segment
    said: list[str] = []
    both = [tmp_path / "1", tmp_path / "2"]
    assert write_report_command(both, "text", None, said.append) == ExitStatus.OK
    assert "missing" not in said[0]
    assert write_report_command(both[:1], "text", None, said.append) == ExitStatus.OK
    assert "Segment 2/2 is missing: these are 5 of 10 clients." in said[1]


# --- measurements add up --------------------------------------------------------------------------

Request = tuple[int, str, bool, int, float]
REQUESTS = st.lists(
    st.tuples(
        st.integers(1, 40),
        st.sampled_from(REQUEST_KINDS),
        st.booleans(),
        st.integers(0, 1 << 40),
        st.floats(1e-6, 1e4),
    ),
    max_size=60,
)


def measured(requests: list[Request]) -> Measurements:
    """What was measured of these requests: client, kind, success, bytes, seconds."""
    made = Measurements()
    for client, kind, arrived, received, seconds in requests:
        measure = made.kinds[kind]
        measure.requests += 1
        measure.bytes += received
        made.connections += 1
        if arrived:
            measure.finished += 1
            measure.durations.add(seconds)
            made.sessions.startup.add(seconds)
        else:
            measure.failed += 1
            made.http_errors[500 + client % 4] += 1
            made.errors[f"class {client % 3}"] += 1
    return made


def exact(document: Any) -> Any:
    """A document without sums of seconds, whose last digit is of the order of addition."""
    if isinstance(document, dict):
        return {key: exact(value) for key, value in document.items() if key != "sum"}
    return document


@given(REQUESTS, st.integers(1, 9))
def test_what_segments_measured_adds_up_to_what_one_machine_would_have(
    requests: list[Request], of: int
) -> None:
    whole = measured(requests)
    together = Measurements()
    for number in range(1, of + 1):
        own = Segment(number, of).numbers(40)
        part = measured([request for request in requests if request[0] in own])
        together.merge(Measurements.from_dict(part.as_dict()))
    assert exact(together.as_dict()) == exact(whole.as_dict())
    for kind in REQUEST_KINDS:
        ours, theirs = together.kinds[kind].durations, whole.kinds[kind].durations
        assert ours.total == pytest.approx(theirs.total, rel=1e-12)
        assert [ours.quantile(q / 100) for q in range(101)] == [
            theirs.quantile(q / 100) for q in range(101)
        ]


def test_a_great_many_segments_have_a_short_name() -> None:
    assert merged(shares()).name == "test01+test02+test03+test04+test05"
    many = [share(number, 9) for number in range(1, 10)]
    assert merged(many).name == "test01+…+test09"
    same = [dataclasses.replace(run, name="agreed") for run in many]
    assert merged(same).name == "agreed"
