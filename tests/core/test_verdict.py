"""The verdict: what a run has shown, from what was seen."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.verdict import Evidence, Verdict, judge

GOOD = Evidence(
    target=100,
    started=100,
    ever_streamed=100,
    finished=0,
    streaming_seconds=6000,
    lost_seconds=10,
    restarts=0,
    playlists_read=900,
    segment_requests=3000,
    segment_failures=0,
    ramp_planned_seconds=20,
    ramp_lateness_p99_seconds=0.01,
    telemetry_lines=10_000,
    recognised_lines=9_000,
    dropped_bytes=0,
    own_failures=0,
)


def verdict(**changes: object) -> Verdict:
    return judge(dataclasses.replace(GOOD, **changes))[0]  # type: ignore[arg-type]


def test_a_good_run_is_healthy() -> None:
    assert judge(GOOD) == (
        Verdict.HEALTHY,
        ("100 of 100 clients streamed, 99.8% of their time.",),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"lost_seconds": 1000},
        {"restarts": 6},
        {"segment_failures": 31},
        {"ever_streamed": 94},
    ],
)
def test_part_of_the_swarm_plays(changes: dict[str, object]) -> None:
    assert verdict(**changes) is Verdict.AT_LIMIT


@pytest.mark.parametrize(
    "changes",
    [
        {"lost_seconds": 6001},
        {"segment_failures": 751},
        {"ever_streamed": 0, "segment_requests": 0, "playlists_read": 0},
        {"ever_streamed": 0, "restarts": 3, "interrupted": True},
    ],
)
def test_most_of_it_does_not(changes: dict[str, object]) -> None:
    assert verdict(**changes) is Verdict.FAILING


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"broken": "The bus broke."}, "The bus broke."),
        ({"own_failures": 1}, "systemd could not run 1 client"),
        ({"recognised_lines": 0}, "Not one line"),
        ({"ramp_lateness_p99_seconds": 11.0}, "too busy"),
        ({"ever_streamed": 0, "interrupted": True}, "stopped before any client"),
    ],
)
def test_our_own_side_broke(changes: dict[str, object], words: str) -> None:
    result, reasons = judge(dataclasses.replace(GOOD, **changes))  # type: ignore[arg-type]
    assert result is Verdict.VOID
    assert words in " ".join(reasons)


def test_a_lateness_that_matters_is_told() -> None:
    result, reasons = judge(dataclasses.replace(GOOD, ramp_lateness_p99_seconds=1.0))
    assert result is Verdict.HEALTHY
    assert "1.0 s late" in " ".join(reasons)


COUNTS, SPANS = st.integers(0, 10_000), st.floats(0, 1e6)


@given(
    st.builds(
        Evidence,
        target=st.integers(1, 10_000),
        started=COUNTS,
        ever_streamed=COUNTS,
        finished=COUNTS,
        streaming_seconds=SPANS,
        lost_seconds=SPANS,
        restarts=COUNTS,
        segment_requests=COUNTS,
        segment_failures=COUNTS,
        ramp_planned_seconds=SPANS,
        ramp_lateness_p99_seconds=SPANS,
        telemetry_lines=COUNTS,
        recognised_lines=COUNTS,
        dropped_bytes=COUNTS,
        own_failures=COUNTS,
        interrupted=st.booleans(),
        broken=st.none() | st.text(min_size=1),
    )
)
def test_every_verdict_has_reasons_and_who_never_streamed_is_not_healthy(
    evidence: Evidence,
) -> None:
    result, reasons = judge(evidence)
    assert reasons
    assert all(reasons)
    if evidence.ever_streamed == 0 or evidence.broken or evidence.own_failures:
        assert result in {Verdict.FAILING, Verdict.VOID}


def test_clients_that_ran_out_of_memory_say_nothing_of_the_origin() -> None:
    word, reasons = judge(dataclasses.replace(GOOD, oom_kills=6, restarts=6, lost_seconds=6001))
    assert word is Verdict.VOID
    assert reasons == (
        "6 client processes ran out of memory (oom-kill): that limit is of this side, and says "
        "nothing of the origin.",
    )


def test_one_that_ran_out_of_memory_is_told() -> None:
    word, reasons = judge(dataclasses.replace(GOOD, oom_kills=1, restarts=1))
    assert word is Verdict.HEALTHY
    assert "1 of the processes ran out of memory (oom-kill)." in reasons
