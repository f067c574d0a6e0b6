"""Directories of runs: written and read back, broken off, torn, foreign, on a full disk."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hlsswarm.core.commands import ClientOptions
from hlsswarm.core.headers import Header
from hlsswarm.core.plan import Plan
from hlsswarm.core.summary import Summary
from hlsswarm.core.thresholds import parse
from hlsswarm.core.verdict import Evidence
from hlsswarm.errors import ExitStatus, PreflightError, UsageError
from hlsswarm.report.documents import made_of, plan_document
from hlsswarm.report.run_directory import RunDirectoryWriter, read
from tests.report.runs import STARTED_AT, URL, made_run, recorded, write
from tests.support import REPOSITORY, a_summary

PLAN = Plan(client=ClientOptions(URL), clients=3)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A whole run's directory."""
    directory = tmp_path / "kept"
    write(directory, made_run(seconds=20, clients=10))
    return directory


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = made_run(seconds=20, clients=10)
    run = recorded(tmp_path / "deep" / "r", made)
    assert run.name == made.run
    assert run.measurements.as_dict() == made.measurements.as_dict()
    assert [row.as_dict() for row in run.series.rows] == [row.as_dict() for row in made.rows]
    assert run.summary == json.loads(made.summary.as_json())
    assert run.outcomes == made.outcomes
    assert made_of(Evidence, run.evidence) == made.evidence
    assert run.plan["schema"] == "hlsswarm.plan/1"
    assert run.plan["client"]["url"] == URL
    assert run.notes == ()
    assert run.sources == (str(tmp_path / "deep" / "r"),)
    assert (run.url, run.started_at, run.duration_seconds) == (URL, STARTED_AT, 20.0)
    assert run.verdict == made.summary.verdict
    assert not run.passed


def test_files_have_schemas(kept: Path) -> None:
    assert sorted(path.name for path in kept.iterdir()) == [
        "measurements.json",
        "plan.toml",
        "summary.json",
        "timeseries.jsonl",
        "verdict.json",
    ]
    for path in kept.glob("*.json"):
        schema = json.loads(path.read_text())["schema"]
        assert schema == f"hlsswarm.{path.stem}/1"
    assert tomllib.loads((kept / "plan.toml").read_text())["schema"] == "hlsswarm.plan/1"


def test_each_row_is_on_disk_at_once(tmp_path: Path) -> None:
    made = made_run(seconds=3, clients=5)
    writer = RunDirectoryWriter(tmp_path / "r", made.plan, run="r", started_at=STARTED_AT)
    for count, row in enumerate(made.rows, start=1):
        writer.row(row)
        assert len(read(tmp_path / "r").series.rows) == count
    writer.close()


def test_a_killed_controller_leaves_a_report(tmp_path: Path) -> None:
    """A real process, killed between two rows and in the middle of one."""
    program = f"""
import os, signal
from pathlib import Path
from hlsswarm.report.run_directory import RunDirectoryWriter
from tests.report.runs import made_run
made = made_run(seconds=9, clients=5)
writer = RunDirectoryWriter(Path({str(tmp_path / "r")!r}), made.plan, run="k", started_at="")
for row in made.rows:
    writer.row(row)
writer._file.write(b'{{"seconds":10.0,"ti')
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=False)
    run = read(tmp_path / "r")
    assert (len(run.series.rows), run.verdict, run.passed) == (9, "void", False)
    assert run.measurements.segments.requests > 0
    assert run.duration_seconds == pytest.approx(9, abs=0.1)
    assert run.url == URL
    assert any("torn" in note for note in run.notes)
    assert any("summary.json: the run was broken off" in note for note in run.notes)
    assert any("added up from the time series" in note for note in run.notes)


@pytest.mark.parametrize(
    "name", ["plan.toml", "timeseries.jsonl", "measurements.json", "verdict.json", "summary.json"]
)
def test_whatever_is_missing_is_said_and_the_rest_is_read(kept: Path, name: str) -> None:
    (kept / name).unlink()
    run = read(kept)
    assert any(name in note for note in run.notes)
    assert run.url == URL


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plan.toml", 'schema = "hlsswarm.plan/7"\n'),
        ("plan.toml", "schema =\n"),
        ("timeseries.jsonl", '{"schema":"hlsswarm.timeseries/7"}\n'),
        ("measurements.json", '{"schema":"hlsswarm.measurements/7"}'),
        ("measurements.json", '{"schema":"hlsswarm.measurements/1"}'),
        ("verdict.json", '{"schema":"hlsswarm.verdict/1","thresholds":[{}]}'),
        ("verdict.json", '{"schema":"hlsswarm.verdict/1","thresholds":3}'),
        ("summary.json", '{"schema":"hlsswarm.summary/7"}'),
        ("summary.json", "[]"),
        ("summary.json", '{"schema":'),
        ("summary.json", "\udcff"),
    ],
)
def test_what_is_foreign_is_said_and_the_rest_is_read(kept: Path, name: str, text: str) -> None:
    (kept / name).write_bytes(text.encode(errors="surrogateescape"))
    run = read(kept)
    assert run.notes
    assert run.url == URL


def test_no_run_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no directory"):
        read(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="holds no run"):
        read(tmp_path)
    (tmp_path / "plan.toml").write_text('schema = "hlsswarm.plan/1"\n')
    with pytest.raises(UsageError, match="nothing that can be reported") as raised:
        read(tmp_path)
    assert raised.value.status == ExitStatus.USAGE
    assert raised.value.hint


def test_an_earlier_run_is_not_overwritten(kept: Path) -> None:
    with pytest.raises(PreflightError, match="holds a run already"):
        RunDirectoryWriter(kept, PLAN, run="r", started_at=STARTED_AT)
    assert read(kept).notes == ()


def test_a_directory_that_cannot_be_made_is_said_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PreflightError, match="No results can be kept"):
        RunDirectoryWriter(tmp_path / "file" / "r", PLAN, run="r", started_at=STARTED_AT)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", place], capture_output=True, check=False
    )
    if made.returncode:
        pytest.fail("no file system can be mounted here: the tests want root")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_does_not_end_a_run_and_is_told_at_its_end(small_disk: Path) -> None:
    made = made_run(seconds=60, clients=50)
    directory = small_disk / "r"
    writer = RunDirectoryWriter(directory, made.plan, run="r", started_at=STARTED_AT)
    assert writer.trouble is None
    ballast = small_disk / "ballast"
    for count, row in enumerate(made.rows, start=1):
        if count == 10:
            with pytest.raises(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
        if count == 30:
            ballast.unlink()
        writer.row(row)
    trouble = writer.finish(made.summary, made.measurements, made.evidence)
    assert trouble is not None
    assert "timeseries.jsonl: No space left on device" in trouble
    run = read(directory)
    missing = 60 - len(run.series.rows)
    assert 1 < missing < 31
    assert f" {missing} rows are missing." in trouble
    assert run.notes == ("One line of the time series could not be read.",)
    assert run.summary


def test_results_that_cannot_be_kept_are_told(tmp_path: Path) -> None:
    made = made_run(seconds=2, clients=5)
    directory = tmp_path / "r"
    writer = RunDirectoryWriter(directory, made.plan, run="r", started_at=STARTED_AT)
    (directory / "plan.toml").unlink()
    (directory / "timeseries.jsonl").unlink()
    directory.rmdir()
    trouble = writer.finish(made.summary, made.measurements, made.evidence)
    assert trouble is not None
    assert "measurements.json: No such file or directory" in trouble


def test_every_plan_is_toml_without_secrets() -> None:
    document = plan_document(PLAN)
    assert "run_id" not in document
    assert document["metrics"] == {"host": "127.0.0.1", "port": 9090}
    assert document["client"]["headers_in_command_line"] is False
    text = "http_errors: count==0 abort_on_fail grace=10s"
    watched = dataclasses.replace(PLAN, thresholds=(parse(text),))
    assert plan_document(watched)["thresholds"] == [text]

    secret = ClientOptions(
        f"{URL}?token=hush&quality=7",
        headers=(
            Header("X-Plain", "1"),
            Header("Authorization", "Bearer a:hush"),
            Header("X-Mine", "hush", secret=True),
        ),
        headers_in_command_line=True,
    )
    hidden = plan_document(Plan(client=secret))
    assert "hush" not in str(hidden)
    assert hidden["client"]["url"] == f"{URL}?token=***&quality=7"
    assert hidden["client"]["headers"] == ["X-Plain: 1", "Authorization: ***", "X-Mine: ***"]


def test_a_summary_can_be_made_of_its_document() -> None:
    summary = a_summary()
    document = json.loads(summary.as_json())
    again = made_of(Summary, document)
    assert again.as_dict() == summary.as_dict()
    assert again.http_errors == dict(summary.http_errors)
    document["clients"]["of a later version"] = 1
    assert made_of(Summary, document) == again
    del document["clients"]["target"]
    with pytest.raises(KeyError):
        made_of(Summary, document)


def test_directories_can_be_read_by_whoever_may_read_files(kept: Path) -> None:
    umask = os.umask(0)
    os.umask(umask)
    assert all(path.stat().st_mode & 0o777 == 0o666 & ~umask for path in kept.glob("*.json"))
