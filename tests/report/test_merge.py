"""Several runs as one: figures add up exactly, and are judged anew."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from hlsswarm.core.measurements import Measurements
from hlsswarm.core.summary import Summary
from hlsswarm.core.timeseries import TimeSeries
from hlsswarm.errors import UsageError
from hlsswarm.report.documents import made_of
from hlsswarm.report.merge import merged
from hlsswarm.report.run_directory import RecordedRun, read
from tests.report.runs import THRESHOLDS, URL, as_recorded, made_run, write


@pytest.fixture
def pair() -> list[RecordedRun]:
    """Two hosts' runs at the same time, the second with more clients."""
    return [as_recorded(made_run(seed=1)), as_recorded(made_run(seed=2, clients=200))]


def test_one_run_stays_as_it_is(pair: list[RecordedRun]) -> None:
    assert merged(pair[:1]) is pair[0]


def test_figures_add_up_exactly(pair: list[RecordedRun]) -> None:
    whole = merged(pair)
    expected = Measurements()
    for run in pair:
        expected.merge(run.measurements)
    assert whole.measurements.as_dict() == expected.as_dict()
    assert whole.name == "test01+test02"
    assert whole.sources == ("/made/test01", "/made/test02")
    assert whole.url == URL
    assert whole.duration_seconds == 120
    times = whole.measurements.segments.durations
    assert times.count == sum(run.measurements.segments.durations.count for run in pair)
    assert whole.series.rows[60].segment_seconds.count == sum(
        run.series.rows[60].segment_seconds.count for run in pair
    )


def test_the_runs_themselves_are_left_alone(pair: list[RecordedRun]) -> None:
    before = [(json.dumps(run.summary), run.measurements.as_dict()) for run in pair]
    merged(pair)
    assert before == [(json.dumps(run.summary), run.measurements.as_dict()) for run in pair]


def test_the_summary_is_one_of_all_runs(pair: list[RecordedRun]) -> None:
    whole = merged(pair)
    summary = made_of(Summary, whole.summary)
    parts = [made_of(Summary, run.summary) for run in pair]
    assert summary.clients.target == 300
    assert summary.clients.restarts == sum(part.clients.restarts for part in parts)
    assert summary.clients.exits == {"8": summary.clients.restarts}
    assert summary.clients.peak_active == 300
    assert summary.segments.requests == sum(part.segments.requests for part in parts)
    assert summary.segments.duration_seconds is not None
    p95 = whole.measurements.segments.durations.quantile(0.95)
    assert summary.segments.duration_seconds.p95 == p95
    assert summary.ramp.planned_seconds == parts[0].ramp.planned_seconds
    assert summary.ramp.lateness_p99_seconds == parts[0].ramp.lateness_p99_seconds
    assert summary.resources.cpu_seconds == 41
    assert summary.resources.per_client.cpu_seconds == pytest.approx(41 / 300)
    assert summary.controller.dbus_calls == 2 * parts[0].controller.dbus_calls
    assert summary.systemd == parts[0].systemd
    assert summary.ffmpeg == parts[0].ffmpeg
    assert summary.http_errors == dict(whole.measurements.http_errors)
    assert summary.verdict == whole.verdict
    assert len(summary.thresholds) == len(THRESHOLDS)


def test_clients_add_up_second_by_second(pair: list[RecordedRun]) -> None:
    rows = merged(pair).series.rows
    assert len(rows) == 120
    assert all(row.clients.total() == 300 for row in rows)


def test_thresholds_are_held_against_all_runs_together(pair: list[RecordedRun]) -> None:
    """A threshold of only one run is one of all; one of both is judged once."""
    first, second = pair
    shortened = dataclasses.replace(second, outcomes=second.outcomes[:1])
    whole = merged([shortened, first])
    assert {str(outcome.threshold) for outcome in whole.outcomes} == set(THRESHOLDS)
    errors = next(o for o in whole.outcomes if o.threshold.metric == "http_errors")
    assert errors.value == whole.measurements.http_errors.total()


def test_the_verdict_is_judged_on_all_evidence(pair: list[RecordedRun]) -> None:
    whole = merged(pair)
    assert whole.verdict == "at_limit"
    assert whole.reasons[0].startswith("300 of 300 clients streamed")


def test_a_void_run_makes_the_whole_void(pair: list[RecordedRun]) -> None:
    void = {**pair[1].summary, "verdict": "void", "reasons": ["The bus is gone."]}
    whole = merged([pair[0], dataclasses.replace(pair[1], summary=void)])
    assert (whole.verdict, whole.reasons) == ("void", ("test02: The bus is gone.",))


def test_without_evidence_the_worst_run_decides(pair: list[RecordedRun]) -> None:
    failing = {**pair[1].summary, "verdict": "failing"}
    other = dataclasses.replace(pair[1], summary=failing, evidence={"target": 1})
    whole = merged([pair[0], other])
    assert whole.verdict == "failing"
    assert "worst" in whole.reasons[0]


def test_saturation_of_one_host_is_not_lost(pair: list[RecordedRun]) -> None:
    saturated = {
        **pair[1].evidence,
        "saturated_seconds": 100,
        "saturated_from_clients": 40,
        "saturated_by": "CPU pressure",
        "run_seconds": 120.0,
    }
    whole = merged([pair[0], dataclasses.replace(pair[1], evidence=saturated)])
    assert whole.evidence["saturated_from_clients"] == 40
    assert any("CPU pressure" in reason for reason in whole.reasons)


def test_what_only_some_hosts_know_is_not_told_as_a_whole(pair: list[RecordedRun]) -> None:
    unknown = {**pair[1].summary["resources"], "cpu_seconds": None}
    other = dataclasses.replace(pair[1], summary={**pair[1].summary, "resources": unknown})
    assert merged([pair[0], other]).summary["resources"]["cpu_seconds"] is None


def test_different_machines_stand_side_by_side(pair: list[RecordedRun]) -> None:
    other = {**pair[1].summary, "ffmpeg": {"version": "9.0"}, "measure": "light"}
    whole = merged([pair[0], dataclasses.replace(pair[1], summary=other)])
    assert whole.summary["ffmpeg"]["version"] == "5.1.9-0+deb12u1, 9.0"
    assert any("ways to measure: exact, light" in note for note in whole.notes)


def test_the_same_run_twice_is_refused(pair: list[RecordedRun]) -> None:
    with pytest.raises(UsageError, match="are the same run"):
        merged([pair[0], pair[1], pair[0]])


def test_runs_one_after_the_other_are_told(pair: list[RecordedRun]) -> None:
    later = {**pair[1].summary, "started_at": "2026-11-20T13:00:00+00:00"}
    whole = merged([pair[0], dataclasses.replace(pair[1], summary=later)])
    assert any("did not run at the same time" in note for note in whole.notes)
    assert not any("same time" in note for note in merged(pair).notes)


def test_a_run_that_was_broken_off_can_be_merged(tmp_path: Path) -> None:
    for seed in (1, 2, 3):
        write(tmp_path / str(seed), made_run(seed=seed, seconds=20, clients=10))
    for name in ("summary.json", "measurements.json", "verdict.json"):
        (tmp_path / "2" / name).unlink()
    (tmp_path / "3" / "timeseries.jsonl").unlink()
    whole = merged([read(tmp_path / name) for name in "123"])
    assert whole.verdict == "void"
    assert whole.reasons == ("test02: The run never came to its end.",)
    assert any(note.startswith("test02: There is no summary.json") for note in whole.notes)


def test_runs_with_nothing_but_rows_can_be_merged() -> None:
    def bare(seed: int) -> RecordedRun:
        rows = made_run(seed=seed, seconds=9, clients=5).rows
        series = TimeSeries(f"r{seed}", "", rows)
        return RecordedRun(f"r{seed}", {}, {}, series.totals(), series)

    whole = merged([bare(1), bare(2)])
    assert whole.verdict == "void"
    assert len(whole.series.rows) == 9
    assert whole.duration_seconds == pytest.approx(9, abs=0.1)
