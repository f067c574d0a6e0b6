"""Reports of recorded runs in every format, to a file or to standard output.

Several runs are one report: they are merged first (report.merge).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hlsswarm.core.histogram import LogHistogram
from hlsswarm.core.measurements import REQUEST_KINDS
from hlsswarm.core.verdict import Verdict
from hlsswarm.errors import ExitStatus, HlsSwarmError, UsageError
from hlsswarm.report.csv_text import csv_text
from hlsswarm.report.files import write_atomically
from hlsswarm.report.html import html_text
from hlsswarm.report.junit import junit_text
from hlsswarm.report.merge import merged
from hlsswarm.report.recorded_text import recorded_text
from hlsswarm.report.run_directory import RecordedRun, read

SCHEMA = "hlsswarm.report/1"


def json_text(run: RecordedRun) -> str:
    """Everything but the time series (that is what csv has), with percentiles worked out."""
    kinds = run.measurements.kinds
    timed: Mapping[str, LogHistogram] = {
        **{f"{kind}_seconds": kinds[kind].durations for kind in REQUEST_KINDS},
        "startup_seconds": run.measurements.sessions.startup,
    }
    document = {
        "schema": SCHEMA,
        "run": run.name,
        "verdict": run.verdict,
        "reasons": list(run.reasons),
        "passed": run.passed,
        "thresholds": [outcome.as_dict() for outcome in run.outcomes],
        "statistics": {name: values.statistics() for name, values in timed.items()},
        "summary": run.summary,
        "measurements": run.measurements.as_dict(),
        "plan": run.plan,
        "sources": list(run.sources),
        "notes": list(run.notes),
    }
    return json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n"


_RENDERERS: Mapping[str, Callable[[RecordedRun], str]] = {
    "text": recorded_text,
    "json": json_text,
    "html": html_text,
    "junit": junit_text,
    "csv": csv_text,
}
FORMATS = tuple(_RENDERERS)


def render(runs: Sequence[RecordedRun], format: str) -> str:
    """The report of one run, or of several as one. Raises UsageError."""
    _need(runs)
    renderer = _RENDERERS.get(format)
    if renderer is None:
        raise UsageError(f"{format!r} is no format.", hint=f"Formats: {', '.join(FORMATS)}")
    return renderer(merged(runs))


def write_report_command(
    directories: Sequence[Path],
    format: str,
    output: Path | None,
    write: Callable[[str], object],
    *,
    judge: bool = False,
) -> ExitStatus:
    """`hlsswarm report DIR… --format F [--output FILE]`; `write` takes what no file takes.

    With `judge` the exit status is that of the runs together, as a run's own would be: FAILED,
    VOID or OK. Raises HlsSwarmError.
    """
    _need(directories)
    resolved = [directory.resolve() for directory in directories]
    for index, directory in enumerate(resolved):
        if directory in resolved[:index]:
            raise UsageError(f"{directory} is named twice.", hint="Name each run once.")
    run = merged([read(directory) for directory in directories])
    text = render([run], format)
    if output is None:
        write(text)
    else:
        try:
            write_atomically(output, text)
        except OSError as error:
            raise HlsSwarmError(f"{output} cannot be written: {error.strerror}.") from None
    return _status(run) if judge else ExitStatus.OK


def _need(some: Sequence[object]) -> None:
    if not some:
        raise UsageError("There is no run to report.", hint="hlsswarm report DIR")


def _status(run: RecordedRun) -> ExitStatus:
    if run.verdict == Verdict.VOID:
        return ExitStatus.VOID
    return ExitStatus.OK if run.passed else ExitStatus.FAILED
