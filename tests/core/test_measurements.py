"""Measurements: hosts add up to what one host would have measured, and read back from JSON."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.measurements import REQUEST_KINDS, SCHEMA, Measurements

COUNT = st.integers(0, 10**9)
# Powers of two and their sums are exact: the order of adding does not show.
TIMES = st.lists(st.sampled_from([0.125, 0.25, 0.5, 1.0, 4.0, 64.0]), max_size=6)


@st.composite
def measurements(draw: st.DrawFn) -> Measurements:
    made = Measurements()
    for kind in REQUEST_KINDS:
        measure = made.kinds[kind]
        measure.requests, measure.finished = draw(COUNT), draw(COUNT)
        measure.failed, measure.bytes = draw(COUNT), draw(COUNT)
        for value in draw(TIMES):
            measure.durations.add(value)
    sessions = made.sessions
    sessions.started, sessions.failed, sessions.stalls = draw(COUNT), draw(COUNT), draw(COUNT)
    sessions.stalled_seconds = draw(st.integers(0, 999)) / 4
    sessions.watched_seconds = draw(st.integers(0, 999)) / 4
    for value in draw(TIMES):
        sessions.startup.add(value)
    made.http_errors = Counter(draw(st.dictionaries(st.sampled_from([404, 503]), st.just(2))))
    made.errors = Counter(draw(st.dictionaries(st.sampled_from(["refused", "dns"]), st.just(3))))
    made.error_examples = {name: draw(st.text(min_size=1)) for name in made.errors}
    return made


def merged(*parts: Measurements) -> Measurements:
    made = Measurements()
    for part in parts:
        made.merge(part)
    return made


@given(measurements())
def test_they_read_back_from_json(made: Measurements) -> None:
    document = json.loads(json.dumps(made.as_dict()))
    assert document["schema"] == SCHEMA
    assert Measurements.from_dict(document).as_dict() == made.as_dict()


@given(measurements())
def test_nothing_added_changes_nothing(made: Measurements) -> None:
    assert merged(made, Measurements()).as_dict() == made.as_dict()
    assert merged(Measurements(), made).as_dict() == made.as_dict()


@given(measurements(), measurements(), measurements())
def test_hosts_can_be_merged_in_any_grouping(
    one: Measurements, two: Measurements, three: Measurements
) -> None:
    assert merged(merged(one, two), three).as_dict() == merged(one, merged(two, three)).as_dict()


@given(measurements(), measurements())
def test_everything_adds_up(one: Measurements, two: Measurements) -> None:
    before = one.as_dict(), two.as_dict()
    whole = merged(one, two)
    for kind in REQUEST_KINDS:
        parts = one.kinds[kind], two.kinds[kind]
        found = whole.kinds[kind]
        assert found.requests == sum(part.requests for part in parts)
        assert found.finished == sum(part.finished for part in parts)
        assert found.failed == sum(part.failed for part in parts)
        assert found.bytes == sum(part.bytes for part in parts)
        assert found.durations.count == sum(part.durations.count for part in parts)
    assert whole.sessions.watched_seconds == (
        one.sessions.watched_seconds + two.sessions.watched_seconds
    )
    assert whole.sessions.startup.count == one.sessions.startup.count + two.sessions.startup.count
    assert whole.http_errors == one.http_errors + two.http_errors
    assert whole.errors == one.errors + two.errors
    assert set(whole.error_examples) == set(whole.errors)
    assert (one.as_dict(), two.as_dict()) == before


def test_the_first_example_of_a_class_is_kept() -> None:
    one, two = Measurements(), Measurements()
    one.errors["dns"], one.error_examples["dns"] = 1, "first"
    two.errors["dns"], two.error_examples["dns"] = 1, "second"
    assert merged(one, two).error_examples == {"dns": "first"}


@pytest.mark.parametrize("schema", [None, "hlsswarm.measurements/2", 1])
def test_another_schema_is_refused(schema: object) -> None:
    with pytest.raises(ValueError, match="schema"):
        Measurements.from_dict({**Measurements().as_dict(), "schema": schema})


def test_segments_and_playlists_are_kinds() -> None:
    made = Measurements()
    assert made.segments is made.kinds["segment"]
    assert made.playlists is made.kinds["playlist"]
