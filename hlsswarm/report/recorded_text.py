"""A recorded run as text for a terminal: thresholds first, then the summary. Pure text."""

from __future__ import annotations

from collections.abc import Sequence

from hlsswarm.core.quantities import format_duration, format_size
from hlsswarm.core.summary import Summary
from hlsswarm.core.thresholds import Outcome
from hlsswarm.report.documents import made_of
from hlsswarm.report.run_directory import RecordedRun
from hlsswarm.report.terminal import summary_text


def recorded_text(run: RecordedRun) -> str:
    """The whole report, with its last newline."""
    parts = [_summary(run), _notes(run)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _summary(run: RecordedRun) -> str:
    try:
        return summary_text(made_of(Summary, run.summary))
    except (KeyError, TypeError, ValueError):
        return _brief(run)


def _brief(run: RecordedRun) -> str:
    """What can be told without a summary, or with one of another version."""
    measured = run.measurements
    segments, playlists, sessions = measured.segments, measured.playlists, measured.sessions
    rows = {
        "stream": run.url or "unknown",
        "segments": f"{segments.requests} requests, {segments.failed} failed, "
        f"{format_size(segments.bytes)}",
        "playlists": f"{playlists.requests} requests, {playlists.failed} failed",
        "sessions": f"{sessions.started} begun, {sessions.failed} failed, {sessions.stalls} stalls",
    }
    width = max(map(len, rows))
    length = format_duration(float(round(run.duration_seconds)))
    lines = [f"Run {run.name} ({length})", *map(_threshold, run.outcomes)]
    lines += [f"  {name:<{width}}  {value}" for name, value in rows.items()]
    return "\n".join([*lines, "", f"? Verdict: {run.verdict}.", *_indented(run.reasons)])


def _threshold(outcome: Outcome) -> str:
    mark = "✓" if outcome.passed else "✗"
    return f"  {mark} {outcome.threshold.condition}  ({outcome.value_text})"


def _notes(run: RecordedRun) -> str:
    """How it was merged, and what could not be read."""
    lines = list(run.notes)
    if len(run.sources) > 1:
        lines.insert(0, f"Merged of {len(run.sources)} runs: {', '.join(run.sources)}.")
    return "\n".join(["Notes", *_indented(lines)]) if lines else ""


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]
