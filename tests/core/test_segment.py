"""Segments: machines that know nothing of each other run one plan together."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.commands import ClientOptions
from hlsswarm.core.plan import CLIENTS_MAX, Plan
from hlsswarm.core.ramp import Start
from hlsswarm.core.rig_reading import read_rig
from hlsswarm.core.segment import WHOLE, Segment, parse_segment
from hlsswarm.errors import UsageError

URL = "http://127.0.0.1:8080/stream.m3u8"
COUNTS = st.integers(1, 300)
PLANS = st.builds(
    Plan,
    client=st.just(ClientOptions(URL)),
    clients=st.integers(20, 300),
    ramp_rate_per_second=st.floats(0, 1000),
    ramp_jitter_seconds=st.floats(0, 10),
    seed=st.integers(),
)
CUTS = st.integers(1, 20)


def shares(plan: Plan, of: int) -> list[Plan]:
    """The plan as each of `of` machines has it."""
    return [dataclasses.replace(plan, segment=Segment(k, of)) for k in range(1, of + 1)]


def by_client(starts: tuple[Start, ...]) -> dict[int, float]:
    return {start.client: start.due_seconds for start in starts}


@given(COUNTS, CUTS)
def test_shares_are_disjoint_and_make_up_the_whole(clients: int, of: int) -> None:
    each = [set(Segment(k, of).numbers(clients)) for k in range(1, of + 1)]
    assert set().union(*each) == set(range(1, clients + 1))
    assert sum(map(len, each)) == clients


@given(COUNTS, CUTS)
def test_shares_differ_by_one_client_at_most(clients: int, of: int) -> None:
    sizes = [len(Segment(k, of).numbers(clients)) for k in range(1, of + 1)]
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)


@given(PLANS, CUTS)
def test_machines_start_whom_one_machine_would_and_when_it_would(plan: Plan, of: int) -> None:
    whole = by_client(plan.schedule())
    parts = [by_client(part.schedule()) for part in shares(plan, of)]
    assert sum(map(len, parts)) == len(whole)
    assert {client: due for part in parts for client, due in part.items()} == whole


@given(PLANS, CUTS)
def test_a_share_is_the_same_each_time_and_in_the_order_of_time(plan: Plan, of: int) -> None:
    for part in shares(plan, of):
        starts = part.schedule()
        assert starts == part.schedule()
        assert [start.due_seconds for start in starts] == sorted(s.due_seconds for s in starts)
        assert sorted(start.client for start in starts) == list(part.client_numbers)


@given(st.integers(1, 300), CUTS)
def test_each_ramp_is_even(clients: int, of: int) -> None:
    """Without jitter a machine starts a client every N/rate seconds."""
    for number in range(1, min(of, clients) + 1):
        plan = Plan(
            client=ClientOptions(URL),
            clients=clients,
            ramp_rate_per_second=4,
            ramp_jitter_seconds=0,
            segment=Segment(number, of),
        )
        due = [start.due_seconds for start in plan.schedule()]
        assert due == [(number - 1 + turn * of) / 4 for turn in range(len(due))]


@given(COUNTS, CUTS)
def test_a_larger_plan_leaves_each_client_where_it_is(clients: int, of: int) -> None:
    for number in range(1, of + 1):
        segment = Segment(number, of)
        before, after = segment.numbers(clients), segment.numbers(clients + 50)
        assert list(after[: len(before)]) == list(before)


def test_a_segment_is_written_as_it_is_read() -> None:
    assert parse_segment("2/5") == Segment(2, 5)
    assert str(Segment(2, 5)) == "2/5"
    assert WHOLE.is_whole
    assert not Segment(1, 2).is_whole


@pytest.mark.parametrize(
    "text", ["", "2", "0/5", "6/5", "2/0", "-1/5", "1.5/5", "2/5/5", "1/10001", "\u0661/\u0665"]
)
def test_what_is_no_segment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no|is not"):
        parse_segment(text)


def test_a_share_of_nobody_is_refused() -> None:
    with pytest.raises(UsageError, match="--segment 4/5 of 3 clients is nobody"):
        Plan(client=ClientOptions(URL), clients=3, segment=Segment(4, 5))


def test_a_share_that_no_machine_carries_is_refused() -> None:
    million = Plan(client=ClientOptions(URL), clients=1_000_000, segment=Segment(1, 10))
    assert million.own_clients == CLIENTS_MAX
    with pytest.raises(UsageError, match="too many for one machine") as refused:
        dataclasses.replace(million, segment=Segment(1, 9))
    assert refused.value.hint == "Cut the plan into 10 segments or more."
    with pytest.raises(UsageError, match="makes no swarm"):
        dataclasses.replace(million, segment=WHOLE)


def test_a_rigs_file_says_it_too() -> None:
    text = f'[[swarm]]\nname = "a"\nurl = "{URL}"\nclients = 12\nsegment = "2/5"\n'
    config = read_rig(text).config
    assert config is not None
    (item,) = config.items()
    assert isinstance(item.options, Plan)
    assert item.options.segment == Segment(2, 5)
    assert list(item.options.client_numbers) == [2, 7, 12]
    wrong = read_rig(text.replace("2/5", "6/5"))
    assert [problem.where for problem in wrong.problems] == ["swarm[1].segment"]
