"""The grammar of faults."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.faults import Fault, parse, parse_planned
from hlsswarm.errors import UsageError


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("status=503", Fault(kind="status", status=503)),
        ("status=404 share=20%", Fault(kind="status", status=404, share=0.2)),
        ("share=0.5 cut=headers", Fault(kind="cut-headers", share=0.005)),
        ("cut=body on=all", Fault(kind="cut-body", on="all")),
        ("delay=200ms variant=720p", Fault(kind="delay", delay_seconds=0.2, variant="720p")),
        ("rate=200k", Fault(kind="rate", rate_bytes=204800)),
        ("rate=1000 for=1m30s", Fault(kind="rate", rate_bytes=1000, for_seconds=90.0)),
        ("stale", Fault(kind="stale", on="playlists")),
        ("stale on=playlists", Fault(kind="stale", on="playlists")),
        ("outage for=5", Fault(kind="outage", for_seconds=5.0)),
    ],
)
def test_words(words: str, fault: Fault) -> None:
    assert parse(words.split()) == fault
    assert parse_planned(words) == fault


def test_at_is_for_plans() -> None:
    planned = parse_planned("at=10s for=5s status=503 share=50%")
    assert (planned.at_seconds, planned.for_seconds, planned.share) == (10.0, 5.0, 0.5)
    assert str(planned) == "status=503 on=segments share=50% for=5s"
    with pytest.raises(UsageError, match="at= is for the faults of a plan"):
        parse(["at=10s", "status=503"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("", "What is to go wrong?"),
        ("for=5s share=20%", "What is to go wrong?"),
        ("status=503 stale", "status and stale exclude each other."),
        ("status=503 status=404", "status is there twice."),
        ("statsu=503", "'statsu=503' is no word of a fault."),
        ("status", "'status' is no word of a fault."),
        ("stale=1", "'stale=1' is no word of a fault."),
        ("=", "'=' is no word of a fault."),
        ("status=99", "status=99 is no error that an origin answers."),
        ("status=200", "status=200 is no error that an origin answers."),
        ("status=600", "status=600 is no error that an origin answers."),
        ("status=٥٠٣", "status=٥٠٣ is no error that an origin answers."),
        ("status=", "status= is no error that an origin answers."),
        ("status=503 share=0", "share=0 cannot be read."),
        ("status=503 share=101%", "share=101% cannot be read."),
        ("status=503 share=-5%", "share=-5% cannot be read."),
        ("status=503 share=0.001%", "share=0.001% cannot be read."),
        ("status=503 share=nan", "share=nan cannot be read."),
        ("status=503 on=keys", "on=keys cannot be read."),
        ("status=503 variant=../etc", "variant=../etc cannot name a Rendition."),
        ("status=503 variant=a..b", "variant=a..b cannot name a Rendition."),
        ("status=503 variant=", "variant= cannot name a Rendition."),
        ("delay=-2s", "delay=-2s cannot be read."),
        ("delay=0", "delay=0 cannot be read."),
        ("delay=1h", "delay=1h is longer than any client waits."),
        ("cut=tail", "cut=tail cannot be read."),
        ("rate=0", "rate=0 cannot be read."),
        ("rate=fast", "rate=fast cannot be read."),
        ("stale on=segments", "stale is for playlists alone."),
        ("outage share=20%", "outage closes the port for everybody: share= says nothing with it."),
        ("outage for=-1s", "for=-1s cannot be read."),
        ("outage for=0", "for=0 cannot be read."),
        ("outage at=-1s", "at=-1s cannot be read."),
    ],
)
def test_what_it_refuses(words: str, sentence: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_planned(words)
    assert raised.value.message == sentence
    assert raised.value.hint


_WHICH = st.fixed_dictionaries(
    {},
    optional={
        "on": st.sampled_from(["segments", "playlists", "all"]),
        "share": st.integers(1, 10000).map(lambda n: n / 10000),
        "variant": st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True),
    },
)
_TIMES = st.fixed_dictionaries(
    {}, optional={"for_seconds": st.integers(1, 10**8).map(lambda n: n / 1000)}
)
_KINDS = st.one_of(
    st.integers(400, 599).map(lambda n: {"kind": "status", "status": n}),
    st.integers(1, 600_000).map(lambda n: {"kind": "delay", "delay_seconds": n / 1000}),
    st.integers(1, 1 << 40).map(lambda n: {"kind": "rate", "rate_bytes": n}),
    st.sampled_from([{"kind": "cut-headers"}, {"kind": "cut-body"}]),
)


@given(_KINDS, _WHICH, _TIMES)
def test_words_give_the_same_fault_back(
    kind: dict[str, object], which: dict[str, object], times: dict[str, object]
) -> None:
    fault = Fault(**(kind | which | times))  # type: ignore[arg-type]
    again = parse(fault.words)
    assert dataclasses.replace(again, share=0.0) == dataclasses.replace(fault, share=0.0)
    assert again.share == pytest.approx(fault.share)


@given(st.lists(st.text(max_size=12), max_size=4))
def test_any_text_is_a_fault_or_a_sentence(words: list[str]) -> None:
    try:
        parse(words)
    except UsageError as error:
        assert error.hint
