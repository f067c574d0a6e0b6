"""`hlsswarm report`: every format of one run and of several, to a file and to standard output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hlsswarm.errors import ExitStatus, HlsSwarmError, UsageError
from hlsswarm.report.formats import FORMATS, render, write_report_command
from hlsswarm.report.recorded_text import recorded_text
from tests.report.runs import MadeRun, as_recorded, made_run, write

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def directories(tmp_path: Path) -> list[Path]:
    """Two runs."""
    for seed in (1, 2):
        write(tmp_path / f"run{seed}", made_run(seed=seed, seconds=60, clients=20))
    return [tmp_path / "run1", tmp_path / "run2"]


def told(directories: list[Path], format: str) -> str:
    """What a command writes to standard output."""
    parts: list[str] = []
    status = write_report_command(directories, format, None, parts.append)
    assert status == ExitStatus.OK
    return "".join(parts)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_of_one_run_and_of_several(directories: list[Path], format: str) -> None:
    for some in (directories[:1], directories):
        text = told(some, format)
        assert text.endswith("\n") or format == "html"
        if format != "csv":
            assert "+".join(f"test0{i + 1}" for i in range(len(some))) in text


def test_json_has_what_a_program_wants(directories: list[Path]) -> None:
    document = json.loads(told(directories, "json"))
    assert document["schema"] == "hlsswarm.report/1"
    assert document["run"] == "test01+test02"
    assert document["passed"] is False
    assert document["verdict"] == document["summary"]["verdict"] == "at_limit"
    assert document["sources"] == [str(path) for path in directories]
    times = document["statistics"]["segment_seconds"]
    assert times["count"] == document["measurements"]["requests"]["segment"]["durations"]["count"]
    assert times["p50"] < times["p95"] < times["p99"] <= times["max"]
    assert document["thresholds"][0]["threshold"] == "segment_seconds: p(95)<0.5"


def test_text_is_the_summary_with_thresholds_and_what_is_missing(directories: list[Path]) -> None:
    (directories[1] / "plan.toml").unlink()
    text = told(directories, "text")
    assert text.startswith("Summary of run test01+test02 (1m)\n  ✗ segment_seconds: p(95)<0.5")
    assert "! Verdict: at_limit" in text
    assert f"Merged of 2 runs: {directories[0]}, {directories[1]}." in text
    assert "test02: There is no plan.toml." in text


def test_text_of_a_run_that_was_broken_off(directories: list[Path]) -> None:
    for name in ("summary.json", "measurements.json", "verdict.json"):
        (directories[0] / name).unlink()
    assert told(directories[:1], "text") == (GOLDEN / "report-broken-off.txt").read_text()


def test_the_result_of_all_runs_can_be_the_exit_status(tmp_path: Path) -> None:
    def judged(name: str, made: MadeRun) -> ExitStatus:
        write(tmp_path / name, made)
        return write_report_command([tmp_path / name], "json", None, lambda _: 0, judge=True)

    made = made_run(seconds=60, clients=20)
    assert judged("failed", made) == ExitStatus.FAILED
    made.outcomes = ()
    assert judged("passed", made) == ExitStatus.OK
    (tmp_path / "passed" / "summary.json").unlink()
    status = write_report_command([tmp_path / "passed"], "csv", None, lambda _: 0, judge=True)
    assert status == ExitStatus.VOID


def test_a_file_is_written_whole(directories: list[Path], tmp_path: Path) -> None:
    output = tmp_path / "report.html"
    write_report_command(directories, "html", output, pytest.fail)
    assert output.read_text().startswith("<!doctype html>")


def test_mistakes_are_sentences(directories: list[Path], tmp_path: Path) -> None:
    def fails(*some: Path, format: str = "text", output: Path | None = None) -> HlsSwarmError:
        with pytest.raises(HlsSwarmError) as raised:
            write_report_command(some, format, output, lambda _: 0)
        return raised.value

    assert "no directory" in fails(tmp_path / "nowhere").message
    assert "named twice" in fails(directories[0], tmp_path / "run2" / ".." / "run1").message
    assert "'pdf' is no format" in fails(directories[0], format="pdf").message
    assert "There is no run" in fails().message
    assert "cannot be written" in fails(directories[0], output=tmp_path / "no" / "file").message
    with pytest.raises(UsageError):
        render([], "text")


def test_a_summary_of_a_later_version_is_told_as_far_as_it_goes() -> None:
    made = as_recorded(made_run(seconds=60, clients=20))
    changed = {**made.summary, "clients": {}, "reasons": ["Of tomorrow."]}
    text = recorded_text(type(made)(made.name, made.plan, changed, made.measurements, made.series))
    assert "Of tomorrow." in text
    assert "? Verdict: at_limit." in text
