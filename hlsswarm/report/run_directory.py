"""A run's directory: what was planned, what happened each second, and what came of it.

    plan.toml          hlsswarm.plan/1          written before the first start
    timeseries.jsonl   hlsswarm.timeseries/1    a line each second, flushed
    measurements.json  hlsswarm.measurements/1  at the end, whole or not at all, like all below
    verdict.json       hlsswarm.verdict/1       evidence and thresholds, to judge anew when merged
    summary.json       hlsswarm.summary/1       last: with it the directory is complete

Written so that a killed controller or a full disk leaves what was known until then, and neither
ends a run; read so that whatever is missing is said, and the rest is still a report.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

import tomli_w

from hlsswarm.core.measurements import SCHEMA as MEASUREMENTS_SCHEMA
from hlsswarm.core.measurements import Measurements
from hlsswarm.core.plan import Plan
from hlsswarm.core.summary import SCHEMA as SUMMARY_SCHEMA
from hlsswarm.core.summary import Summary
from hlsswarm.core.thresholds import Outcome
from hlsswarm.core.timeseries import (
    Row,
    SchemaError,
    TimeSeries,
    header_line,
    read_lines,
    row_line,
)
from hlsswarm.core.verdict import Evidence
from hlsswarm.errors import HlsSwarmError, PreflightError, UsageError
from hlsswarm.report.documents import PLAN_SCHEMA, plan_document
from hlsswarm.report.files import SUMMARY_FILE, write_atomically

PLAN_FILE = "plan.toml"
TIMESERIES_FILE = "timeseries.jsonl"
MEASUREMENTS_FILE = "measurements.json"
VERDICT_FILE = "verdict.json"
VERDICT_SCHEMA = "hlsswarm.verdict/1"
_FILES = (PLAN_FILE, TIMESERIES_FILE, MEASUREMENTS_FILE, VERDICT_FILE, SUMMARY_FILE)


def check_no_run(path: Path) -> None:
    """Raise PreflightError where an earlier run is kept."""
    if any((path / name).exists() for name in _FILES):
        raise PreflightError(f"{path} holds a run already.", hint="Give --out another directory.")


def remove_run(path: Path) -> None:
    """Remove the files of an earlier run, and nothing else. Raises OSError."""
    for name in _FILES:
        (path / name).unlink(missing_ok=True)


class RunDirectoryWriter:
    """Keeps one run. After the opening nothing raises: `trouble` says what could not be kept."""

    def __init__(self, path: Path, plan: Plan, *, run: str, started_at: str) -> None:
        """Make the directory and write the plan. Raises PreflightError.

        `started_at` is ISO 8601 with its zone. An earlier run's results are not overwritten.
        """
        self._path = path
        self._lost_rows = 0
        self._first_trouble = ""
        try:
            path.mkdir(parents=True, exist_ok=True)
            check_no_run(path)
            write_atomically(path / PLAN_FILE, tomli_w.dumps(plan_document(plan)))
            # Unbuffered: what a full disk has refused must not come again with the next line.
            self._file = FileIO(str(path / TIMESERIES_FILE), "x")
        except OSError as error:
            raise PreflightError(
                f"No results can be kept in {path}: {error.strerror}.", hint="Choose another --out."
            ) from None
        self._torn = False
        self._append(header_line(run, started_at))

    def row(self, row: Row) -> None:
        """Keep a second."""
        if not self._append(row_line(row)):
            self._lost_rows += 1

    def finish(
        self,
        summary: Summary,
        measurements: Measurements,
        evidence: Evidence,
        outcomes: Sequence[Outcome] = (),
    ) -> str | None:
        """Keep the results and close the files; in a sentence what could not be kept, if so."""
        documents = {
            MEASUREMENTS_FILE: measurements.as_dict(),
            VERDICT_FILE: {
                "schema": VERDICT_SCHEMA,
                "verdict": summary.verdict,
                "evidence": dataclasses.asdict(evidence),
                "thresholds": [outcome.as_dict() for outcome in outcomes],
            },
            SUMMARY_FILE: summary.as_dict(),
        }
        for name, document in documents.items():
            text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
            try:
                write_atomically(self._path / name, text)
            except OSError as error:
                self._note(name, error)
        self.close()
        return self.trouble

    def close(self) -> None:
        """Close the time series; twice does no harm."""
        self._file.close()

    @property
    def trouble(self) -> str | None:
        """What could not be kept, in a sentence; None while all is well."""
        if not self._first_trouble:
            return None
        lost = f" {self._lost_rows} rows are missing." if self._lost_rows else ""
        return f"Not all results could be kept: {self._first_trouble}.{lost}"

    def _append(self, line: str) -> bool:
        # A line that was cut off keeps to itself: the next one begins anew.
        data = (("\n" if self._torn else "") + line).encode()
        try:
            while data:
                data = data[self._file.write(data) or 0 :]
                self._torn = bool(data)
        except OSError as error:
            self._torn = True
            self._note(TIMESERIES_FILE, error)
            return False
        return True

    def _note(self, name: str, error: OSError) -> None:
        self._first_trouble = self._first_trouble or f"{self._path / name}: {error.strerror}"


@dataclass(frozen=True)
class RecordedRun:
    """What a directory tells of a run, or several merged. Documents are empty if missing."""

    name: str
    """The run's id; of several, joined by `+`."""
    plan: Mapping[str, Any]
    summary: Mapping[str, Any]
    """As core.summary.Summary.as_dict() made it."""
    measurements: Measurements
    series: TimeSeries
    outcomes: tuple[Outcome, ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """What is missing or could not be read, in sentences."""
    sources: tuple[str, ...] = ()
    """Directories it came from."""

    @property
    def verdict(self) -> str:
        """A word of core.verdict.Verdict: void when the run never came to one."""
        return str(self.summary.get("verdict", "void"))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why that verdict, in sentences."""
        return tuple(self.summary.get("reasons", ("The run never came to its end.",)))

    @property
    def url(self) -> str:
        """The stream; empty if unknown."""
        return str(self.summary.get("url") or self.plan.get("client", {}).get("url", ""))

    @property
    def started_at(self) -> str:
        """ISO 8601; empty if unknown."""
        return str(self.summary.get("started_at") or self.series.started_at)

    @property
    def duration_seconds(self) -> float:
        """Length of the run."""
        last = self.series.rows[-1].seconds if self.series.rows else 0.0
        return float(self.summary.get("duration_seconds", last))

    @property
    def passed(self) -> bool:
        """Whether no threshold failed and the verdict is no bad one."""
        fair = self.verdict in {"healthy", "at_limit"}
        return fair and all(outcome.passed for outcome in self.outcomes)


def read(path: Path) -> RecordedRun:
    """The run that a directory holds. Raises UsageError when it holds none."""
    if not path.is_dir():
        raise UsageError(f"{path} is no directory.", hint="Give the directory of `run --out DIR`.")
    if not any((path / name).exists() for name in _FILES):
        raise UsageError(f"{path} holds no run.", hint="Give the directory of `run --out DIR`.")
    reader = _Reader(path)
    plan = reader.document(PLAN_FILE, PLAN_SCHEMA)
    series = reader.series()
    summary = reader.document(SUMMARY_FILE, SUMMARY_SCHEMA)
    if not summary and not series.rows:
        raise UsageError(
            f"{path} holds nothing that can be reported: {reader.notes[-1]}",
            hint="It may be of another version of hlsswarm, or of a run that broke off at once.",
        )
    verdict = reader.document(VERDICT_FILE, VERDICT_SCHEMA)
    return RecordedRun(
        name=str(summary.get("run") or series.run or path.name),
        plan=plan,
        summary=summary,
        measurements=reader.measurements(series),
        series=series,
        outcomes=reader.outcomes(verdict),
        evidence=verdict.get("evidence", {}),
        notes=tuple(reader.notes),
        sources=(str(path),),
    )


class _Reader:
    """Reads the files of one directory, and notes what is wrong with them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.notes: list[str] = []

    def document(self, name: str, schema: str) -> dict[str, Any]:
        """A document of a schema; empty, with a note, if there is none."""
        text = self._text(name)
        if text is None:
            return {}
        try:
            made = tomllib.loads(text) if name.endswith(".toml") else json.loads(text)
        except ValueError as error:
            self.notes.append(f"{name} cannot be read: {error}.")
            return {}
        found = made.get("schema") if isinstance(made, dict) else None
        if found != schema:
            self.notes.append(f"{name} is of schema {found!r}, not {schema}: it was left out.")
            return {}
        return dict(made)

    def series(self) -> TimeSeries:
        """The rows; none, with a note, if there is no time series."""
        text = self._text(TIMESERIES_FILE)
        if text is None:
            return TimeSeries("", "")
        try:
            series = read_lines(text)
        except SchemaError as error:
            self.notes.append(str(error))
            return TimeSeries("", "")
        self.notes += series.notes
        return series

    def measurements(self, series: TimeSeries) -> Measurements:
        """What was measured; of the rows, with a note, if nothing else is left."""
        document = self.document(MEASUREMENTS_FILE, MEASUREMENTS_SCHEMA)
        if document:
            try:
                return Measurements.from_dict(document)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                self.notes.append(f"{MEASUREMENTS_FILE} cannot be read: {error!r}.")
        self.notes.append("Its figures were added up from the time series: some are missing.")
        return series.totals()

    def outcomes(self, verdict: Mapping[str, Any]) -> tuple[Outcome, ...]:
        """The thresholds and what came of them."""
        try:
            return tuple(Outcome.from_dict(one) for one in verdict.get("thresholds", ()))
        except (HlsSwarmError, ValueError, KeyError, TypeError) as error:
            self.notes.append(f"The thresholds cannot be read: {error}.")
            return ()

    def _text(self, name: str) -> str | None:
        try:
            return (self._path / name).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            why = ": the run was broken off, or still goes on" if name == SUMMARY_FILE else ""
            self.notes.append(f"There is no {name}{why}.")
        except OSError as error:
            self.notes.append(f"{name} cannot be read: {error.strerror}.")
        return None
