"""Thresholds: text to condition and back, and conditions held against made measurements."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.measurements import Measurements
from hlsswarm.core.threshold_metrics import METRICS, Kind
from hlsswarm.core.thresholds import Outcome, Threshold, evaluate, parse
from hlsswarm.errors import ConfigurationError, ExitStatus, UsageError


def measured() -> Measurements:
    """A hundred segments of 10 ms to 1 s, three of them failed, and something of all else."""
    made = Measurements()
    made.segments.requests, made.segments.finished, made.segments.failed = 103, 100, 3
    made.segments.bytes = 50_000
    for index in range(1, 101):
        made.segments.durations.add(index / 100)
    made.playlists.requests, made.playlists.finished = 97, 97
    made.http_errors = Counter({404: 4, 500: 1, 503: 2})
    sessions = made.sessions
    sessions.started, sessions.failed, sessions.stalls = 20, 5, 2
    sessions.stalled_seconds, sessions.watched_seconds = 4.0, 396.0
    sessions.startup.add(0.5, 19)
    sessions.startup.add(4.0)
    return made


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "segment_seconds: p(95)<0.5",
            Threshold("segment_seconds", "p", "<", 0.5, share=95),
        ),
        ("playback_stalls: rate<0.01", Threshold("playback_stalls", "rate", "<", 0.01)),
        ("http_errors: count==0", Threshold("http_errors", "count", "==", 0)),
        ("http_errors{code:404}:count<=3", Threshold("http_errors", "count", "<=", 3, code="404")),
        ("http_errors { code : 5xx } : rate < 1 %", parse("http_errors{code:5xx}: rate<0.01")),
        (
            " startup_seconds : p( 99 ) <= 3  abort_on_fail  grace=1m30s ",
            Threshold(
                "startup_seconds",
                "p",
                "<=",
                3,
                share=99,
                abort_on_fail=True,
                grace_seconds=90,
            ),
        ),
        ("segment_seconds: p(99.9)<250ms", parse("segment_seconds: p(99.9)<0.25")),
        ("segment_seconds: max<2s", parse("segment_seconds: max<2")),
        ("streaming_share: value>=95%", parse("streaming_share: value>=0.95")),
        ("bytes: count>1e9", Threshold("bytes", "count", ">", 1e9)),
    ],
)
def test_text_is_understood(text: str, wanted: Threshold) -> None:
    assert parse(text) == wanted


@pytest.mark.parametrize(
    ("text", "sentence", "hint"),
    [
        ("", "is not a threshold", "looks like"),
        ("segment_seconds", "is not a threshold", "looks like"),
        ("segment_seconds: p95<0.5", "is not a threshold", "looks like"),
        ("segment_seconds: p(95)=<0.5", "is not a threshold", "looks like"),
        ("segment_seconds: p(95)<-1", "is not a threshold", "looks like"),
        ("segment_seconds: p(95)<nan", "is not a threshold", "looks like"),
        ("segment_seconds: p(95)<1e999", "too large", "looks like"),
        ("segment_seconds: p(101)<1", "percentile", "p(100)"),
        ("segment_seconds: p(1.2.3)<1", "percentile", "p(100)"),
        ("segment_seconds: p<1", "does not have", "p(N), avg"),
        ("segment_seconds: rate<1", "does not have", "is a trend"),
        ("segment_seconds: avg(5)<1", "does not have", "is a trend"),
        ("http_errors: p(95)<1", "does not have", "count, rate"),
        ("segments: rate<1", "does not have", "is a counter: count"),
        ("latency: p(95)<1", "names no metric", "segment_seconds"),
        ("segments_failed{code:404}: count==0", "code", "http_errors{code:404}"),
        ("http_errors{code:999}: count==0", "code", "http_errors{code:404}"),
        ("segment_seconds: p(95)<5%", "unit", "looks like"),
        ("http_errors: count<5s", "unit", "looks like"),
        ("segment_seconds: count<5ms", "unit", "looks like"),
        ("segments: count>1 abort", "no option", "abort_on_fail"),
        ("segments: count>1 abort_on_fail=1", "no option", "abort_on_fail"),
        ("segments: count>1 abort_on_fail abort_on_fail", "no option", "abort_on_fail"),
        ("segments: count>1 abort_on_fail grace=soon", "no time", "grace=10s"),
        ("segments: count>1 grace=10s", "for nothing", "write both"),
    ],
)
def test_text_is_refused_with_a_sentence_and_a_hint(text: str, sentence: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(text)
    assert sentence in raised.value.message
    assert raised.value.message.endswith(".")
    assert hint in (raised.value.hint or "")
    assert raised.value.status == ExitStatus.USAGE


def test_text_of_a_file_is_a_wrong_configuration() -> None:
    with pytest.raises(ConfigurationError):
        parse("latency: p(95)<1", error=ConfigurationError)


@st.composite
def thresholds(draw: st.DrawFn) -> Threshold:
    metric = METRICS[draw(st.sampled_from(sorted(METRICS)))]
    aggregate = draw(st.sampled_from(metric.aggregates))
    number = st.floats(0, 1e15, allow_nan=False, allow_infinity=False)
    share = draw(st.floats(0, 100).map(lambda n: round(n, 3))) if aggregate == "p(N)" else None
    codes = st.sampled_from([None, "404", "503", "4xx", "5xx"])
    abort_on_fail = draw(st.booleans())
    return Threshold(
        metric=metric.name,
        aggregate="p" if aggregate == "p(N)" else aggregate,
        operator=draw(st.sampled_from(["<", "<=", ">", ">=", "==", "!="])),
        value=draw(number),
        share=share,
        code=draw(codes) if metric.name == "http_errors" else None,
        abort_on_fail=abort_on_fail,
        grace_seconds=draw(st.integers(0, 10_000_000).map(lambda n: n / 1000))
        if abort_on_fail
        else 0.0,
    )


@given(thresholds())
def test_a_threshold_reads_back_from_its_text(threshold: Threshold) -> None:
    assert parse(str(threshold)) == threshold


@given(st.text(max_size=80))
def test_any_text_is_a_threshold_or_a_users_mistake(text: str) -> None:
    try:
        threshold = parse(text)
    except UsageError:
        return
    assert parse(str(threshold)) == threshold


@given(thresholds())
def test_every_threshold_can_be_held_against_a_run_and_against_nothing(t: Threshold) -> None:
    full = evaluate(t, measured(), {"streaming_share": 0.9})
    assert full.had_data or METRICS[t.metric].kind is Kind.TREND
    empty = evaluate(t, Measurements())
    assert empty.had_data or not empty.passed
    assert empty.had_data == (t.aggregate == "count")
    for outcome in (full, empty):
        assert Outcome.from_dict(outcome.as_dict()) == outcome
        assert outcome.value_text


@pytest.mark.parametrize(
    ("text", "value", "passed"),
    [
        ("segment_seconds: p(95)<0.5", 0.95, False),
        ("segment_seconds: p(95)<1", 0.95, True),
        ("segment_seconds: med<0.6", 0.50, True),
        ("segment_seconds: p(0)<0.02", 0.01, True),
        ("segment_seconds: avg<=0.505", 0.505, True),
        ("segment_seconds: min<0.01", 0.01, False),
        ("segment_seconds: max==1", 1.0, True),
        ("segment_seconds: count==100", 100, True),
        ("startup_seconds: p(99)<=3", 4.0, False),
        ("segments: count>99", 100, True),
        ("segments_failed: count<3", 3, False),
        ("segments_failed: rate<0.03", 3 / 103, True),
        ("playlists_failed: rate==0", 0, True),
        ("http_errors: count==7", 7, True),
        ("http_errors: rate<3%", 7 / 200, False),
        ("http_errors{code:404}: count==4", 4, True),
        ("http_errors{code:5xx}: count==3", 3, True),
        ("http_errors{code:4xx}: rate==0.02", 0.02, True),
        ("http_errors{code:418}: count==0", 0, True),
        ("bytes: count>=50000", 50_000, True),
        ("sessions: count!=20", 20, False),
        ("playback_failures: count<5", 5, False),
        ("playback_failures: rate<=0.25", 0.25, True),
        ("playback_stalls: count<=2", 2, True),
        ("playback_stalls: rate<0.01", 0.01, False),
        ("streaming_share: value>0.97", 0.98, True),
    ],
)
def test_a_condition_is_held_against_the_figures(text: str, value: float, passed: bool) -> None:
    outcome = evaluate(parse(text), measured(), {"streaming_share": 0.98})
    assert outcome.value == pytest.approx(value, rel=0.011)
    assert outcome.passed is passed
    assert outcome.had_data


@pytest.mark.parametrize(
    "text",
    [
        "key_seconds: p(95)<1",
        "segment_seconds: avg<1",
        "segments_failed: rate<1",
        "playback_stalls: rate<1",
        "streaming_share: value<1",
    ],
)
def test_without_a_value_a_threshold_fails_and_says_so(text: str) -> None:
    outcome = evaluate(parse(f"{text} abort_on_fail"), Measurements())
    assert (outcome.passed, outcome.value, outcome.had_data) == (False, None, False)
    assert outcome.value_text == "nothing was measured"
    assert not outcome.aborts(1e9)


def test_a_failed_threshold_ends_the_run_only_when_asked_and_after_its_grace() -> None:
    text = "http_errors: count==0"
    assert not evaluate(parse(text), measured()).aborts(100)
    failed = evaluate(parse(f"{text} abort_on_fail grace=10s"), measured())
    assert not failed.aborts(9.9)
    assert failed.aborts(10)
    passed = evaluate(parse("http_errors: count<100 abort_on_fail"), measured())
    assert not passed.aborts(10)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("segment_seconds: max<1", "1.000 s"),
        ("segment_seconds: min<1", "10 ms"),
        ("startup_seconds: max<1", "4.000 s"),
        ("http_errors: rate<1%", "3.500%"),
        ("bytes: count>1", "50 kB"),
        ("sessions: count>1", "20"),
        ("segment_seconds: count>1", "100"),
    ],
)
def test_a_value_is_told_with_its_unit(text: str, words: str) -> None:
    assert evaluate(parse(text), measured()).value_text == words


def test_every_metric_says_what_it_is() -> None:
    for metric in METRICS.values():
        assert metric.meaning
        assert bool(metric.rate_of) == (metric.kind is Kind.RATE)
        assert all(parse(f"{metric.name}: {a.replace('N', '50')}<1") for a in metric.aggregates)
