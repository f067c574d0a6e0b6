"""Time series: lines and back, torn files, and hosts merged by the second of the wall clock."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.timeseries import (
    CARRY_SECONDS,
    SCHEMA,
    Row,
    SchemaError,
    TimeSeries,
    header_line,
    merge,
    read_lines,
    row_line,
)

START = "2026-11-20T12:00:00+00:00"
START_TIME = 1795176000


def a_row(second: int, *, clients: int = 10, segments: int = 3, start: int = START_TIME) -> Row:
    row = Row(second + 0.004, start + second)
    row.clients = Counter({"streaming": clients})
    row.requests = Counter({"segment": segments, "playlist": 5})
    row.failed = Counter({"segment": 1})
    row.bytes = Counter({"segment": segments * 1000})
    row.segment_seconds.add(0.1 * clients, segments)
    row.http_errors = Counter({404: 1})
    row.stalls = 1
    row.used = {"memory_bytes": clients * 1e6, "cpu_pressure": clients / 100}
    row.generator_cpu_share = clients / 100
    return row


def a_series(name: str, seconds: range, *, clients: int = 10) -> TimeSeries:
    return TimeSeries(name, START, [a_row(second, clients=clients) for second in seconds])


def counters(keys: list[str]) -> st.SearchStrategy[Counter[str]]:
    return st.dictionaries(st.sampled_from(keys), st.integers(1, 10**9)).map(Counter)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    number = st.integers(0, 10**6)
    kinds = ["segment", "playlist", "init", "key"]
    row = Row(
        seconds=draw(st.integers(0, 10**7)) / 1000,
        time=draw(st.integers(0, 2**33)),
        clients=draw(counters(["idle", "streaming", "backoff"])),
        started=draw(number),
        restarts=draw(number),
        requests=draw(counters(kinds)),
        failed=draw(counters(kinds)),
        bytes=draw(counters(kinds)),
        stalls=draw(number),
        sessions_failed=draw(number),
        http_errors=Counter(draw(st.dictionaries(st.integers(400, 599), st.integers(1, 99)))),
        origin=draw(st.dictionaries(st.text(), st.integers(0, 999_999).map(float))),
        generator_cpu_share=draw(st.integers(0, 4000)) / 1000,
        dropped_bytes=draw(number),
    )
    for value in draw(st.lists(st.floats(0.0001, 100), max_size=5)):
        row.segment_seconds.add(value)
    return row


@given(st.lists(rows(), max_size=4))
def test_rows_read_back_from_their_lines(written: list[Row]) -> None:
    text = header_line("r1", START) + "".join(map(row_line, written))
    series = read_lines(text)
    assert (series.run, series.started_at, series.notes) == ("r1", START, ())
    assert [row.as_dict() for row in series.rows] == [row.as_dict() for row in written]
    assert [row.requests for row in series.rows] == [row.requests for row in written]
    assert json.loads(text.partition("\n")[0])["schema"] == SCHEMA


def test_a_row_without_events_is_a_short_line() -> None:
    assert row_line(Row(1.0, 5)) == '{"seconds":1.0,"time":5}\n'


@pytest.mark.parametrize("cut", [1, 7, 60])
def test_a_torn_last_line_is_left_out_and_told(cut: int) -> None:
    text = header_line("r1", START) + row_line(a_row(1)) + row_line(a_row(2))
    series = read_lines(text[: -1 - cut])
    assert [row.time for row in series.rows] == [START_TIME + 1]
    assert len(series.notes) == 1
    assert "torn" in series.notes[0]


def test_a_last_line_that_lacks_only_its_newline_is_whole() -> None:
    text = header_line("r1", START) + row_line(a_row(1))
    series = read_lines(text.rstrip("\n"))
    assert (len(series.rows), series.notes) == (1, ())


@pytest.mark.parametrize(
    "rubbish", ["{", "null", "[]", '{"seconds":1}', '{"seconds":1,"time":"x"}']
)
def test_unreadable_lines_in_the_middle_are_counted(rubbish: str) -> None:
    text = header_line("r1", START) + rubbish + "\n" + row_line(a_row(1))
    series = read_lines(text)
    assert len(series.rows) == 1
    assert series.notes == ("One line of the time series could not be read.",)


@pytest.mark.parametrize("first", ["", "{", "[]", "null", '{"schema":"hlsswarm.timeseries/9"}'])
def test_another_schema_is_an_error(first: str) -> None:
    with pytest.raises(SchemaError):
        read_lines(first + "\n")


@given(st.text(max_size=200))
def test_any_text_after_the_header_can_be_read(text: str) -> None:
    read_lines(header_line("r", START) + text)


def test_hosts_add_up_by_the_second_of_the_wall_clock() -> None:
    """Host b starts three seconds later and ends two later."""
    merged = merge([a_series("a", range(1, 6)), a_series("b", range(4, 8), clients=30)])
    assert merged.run == "a+b"
    assert [row.time - START_TIME for row in merged.rows] == [1, 2, 3, 4, 5, 6, 7]
    assert [row.clients["streaming"] for row in merged.rows] == [10, 10, 10, 40, 40, 30, 30]
    assert [row.requests["segment"] for row in merged.rows] == [3, 3, 3, 6, 6, 3, 3]
    assert [row.seconds for row in merged.rows] == [1, 2, 3, 4, 5, 6, 7]
    both = merged.rows[3]
    assert (both.stalls, both.http_errors[404], both.failed["segment"]) == (2, 2, 2)
    assert both.segment_seconds.count == 6
    assert both.segment_seconds.quantile(0.5) == pytest.approx(1.0, rel=0.01)
    assert both.segment_seconds.quantile(1) == pytest.approx(3.0, rel=0.01)
    assert both.generator_cpu_share == 0.3


def test_a_host_that_misses_rows_is_taken_to_be_as_it_was_for_a_while() -> None:
    a = a_series("a", range(1, 21))
    b = a_series("b", range(1, 21), clients=30)
    del b.rows[2:12]
    clients = [row.clients["streaming"] for row in merge([a, b]).rows]
    assert clients == [40] * (2 + CARRY_SECONDS) + [10] * (10 - CARRY_SECONDS) + [40] * 8


def test_two_rows_of_one_second_lose_nothing() -> None:
    a = TimeSeries("a", START, [a_row(1, clients=5), a_row(1, clients=7), a_row(3, clients=7)])
    merged = merge([a, a_series("b", range(1, 4))])
    first = merged.rows[0]
    assert first.requests["segment"] == 9
    assert first.clients["streaming"] == 17


def test_all_hosts_look_at_the_same_origin() -> None:
    a, b = a_series("a", range(1, 3)), a_series("b", range(1, 3))
    a.rows[0].origin = {"cpu_share": 0.5}
    for row in b.rows:
        row.origin = {"cpu_share": 0.7}
    assert [row.origin for row in merge([a, b]).rows] == [{"cpu_share": 0.5}, {"cpu_share": 0.7}]


def test_hosts_without_rows_and_hosts_with_odd_headers_do_no_harm() -> None:
    odd = TimeSeries("odd", "yesterday", [a_row(2)], ("It is torn.",))
    merged = merge([TimeSeries("none", ""), odd])
    assert [round(row.seconds) for row in merged.rows] == [2]
    assert merged.notes == ("odd: It is torn.",)
    assert merge([TimeSeries("x", ""), TimeSeries("y", "")]).rows == []


@given(st.lists(st.lists(rows(), max_size=6), min_size=1, max_size=3))
def test_merging_loses_and_invents_nothing(hosts: list[list[Row]]) -> None:
    series = [TimeSeries(str(i), START, rows) for i, rows in enumerate(hosts)]
    whole = merge(series).totals()
    parts = [one.totals() for one in series]
    for kind in whole.kinds:
        assert whole.kinds[kind].requests == sum(part.kinds[kind].requests for part in parts)
        assert whole.kinds[kind].bytes == sum(part.kinds[kind].bytes for part in parts)
    assert whole.segments.durations.count == sum(p.segments.durations.count for p in parts)
    assert whole.sessions.stalls == sum(part.sessions.stalls for part in parts)
    assert whole.http_errors == sum((part.http_errors for part in parts), Counter())


def test_rows_add_up_to_measurements() -> None:
    totals = a_series("a", range(1, 5)).totals()
    assert totals.segments.requests == 12
    assert totals.segments.finished == 12  # all twelve were timed
    assert totals.playlists.finished == 20
    assert totals.sessions.stalls == 4
    assert totals.segments.durations.count == 12


def test_what_hosts_use_adds_up_and_of_pressure_the_worse_is_told() -> None:
    both = merge([a_series("a", range(1, 3), clients=10), a_series("b", range(1, 3), clients=30)])
    assert both.rows[0].used == {"memory_bytes": 40e6, "cpu_pressure": 0.3}
    [again] = read_lines(header_line("r", START) + row_line(both.rows[0])).rows
    assert again.used == both.rows[0].used
