"""Text for people: the progress line, its notes, and the summary at the end. Pure text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hlsswarm.core.quantities import format_duration, format_size
from hlsswarm.core.states import ClientState
from hlsswarm.core.summary import Summary

_NOTE_WIDTH = 120
_NOTES_MAX = 5
_MARKS = {"healthy": "✓", "at_limit": "!", "failing": "✗", "void": "?"}
_MEANING = {
    "healthy": "the origin holds this load",
    "at_limit": "the breaking point is near: part of the swarm plays, part does not",
    "failing": "the origin does not hold this load",
    "void": "this run says nothing about the origin",
}


def shorten(text: str, width: int = _NOTE_WIDTH) -> str:
    """At most `width` characters, the rest as an ellipsis."""
    return text if len(text) <= width else text[: width - 1] + "…"


@dataclass(frozen=True)
class Progress:
    """What a progress line tells; rates are over the time since the line before."""

    elapsed_seconds: float
    target: int
    states: Mapping[ClientState, int]
    restarts: int
    segments: int
    segments_per_second: float
    bytes_per_second: float
    http_errors: int
    buffering: Sequence[tuple[int, float, str]] = ()
    """Client number, seconds without a segment, last message."""
    errors: Sequence[str] = ()


def progress_text(progress: Progress) -> str:
    """One line of state, and below it notes on what is wrong, if anything is."""
    states = " ".join(f"{state}:{progress.states[state]}" for state in ClientState)
    megabits = progress.bytes_per_second * 8 / 1e6
    parts = [
        f"[{format_duration(progress.elapsed_seconds):>6}] {states}",
        f"restarts:{progress.restarts}",
        f"segments:{progress.segments} "
        f"({progress.segments_per_second:.1f}/s, {megabits:.3g} Mbit/s)",
    ]
    if progress.http_errors:
        parts.append(f"HTTP errors:{progress.http_errors}")
    lines = [" | ".join(parts)]
    if progress.buffering:
        lines.append("  buffering clients:")
        for number, seconds, said in progress.buffering[:_NOTES_MAX]:
            note = f"#{number} no segment for {seconds:.1f} s" + (f"; {said}" if said else "")
            lines.append(f"    {shorten(note)}")
        if len(progress.buffering) > _NOTES_MAX:
            lines.append(f"    and {len(progress.buffering) - _NOTES_MAX} more")
    if progress.errors:
        lines.append("  recent errors:")
        lines += [f"    {shorten(error)}" for error in progress.errors[:_NOTES_MAX]]
    return "\n".join(lines)


def _counts(values: Mapping[str, int] | Mapping[int, int]) -> str:
    return ", ".join(f"{key}: {count}" for key, count in values.items()) or "none"


def _known(value: float | None, text: str) -> str:
    return "not accounted here" if value is None else text


def summary_text(summary: Summary) -> str:
    """The whole summary, the verdict last, where the eye is when a run has ended."""
    clients, segments, ramp = summary.clients, summary.segments, summary.ramp
    resources, own = summary.resources, summary.controller
    cpu, memory = resources.cpu_seconds, resources.memory_peak_bytes
    per_client = resources.per_client
    seconds = max(summary.duration_seconds, 1e-9)
    rows = [
        ("run", f"{summary.run}, {format_duration(summary.duration_seconds)}"),
        ("stream", summary.url),
        (
            "clients",
            f"{clients.started} of {clients.target} started, {clients.streamed} streamed, "
            f"at most {clients.peak_active} at once",
        ),
        ("restarts", f"{clients.restarts} (ends by status or signal: {_counts(clients.exits)})"),
        (
            "segments",
            f"{segments.requests} requests, {segments.failed} failed, "
            f"{format_size(segments.bytes)} ({segments.bytes * 8 / 1e6 / seconds:.3g} Mbit/s)",
        ),
        (
            "playlists",
            f"{summary.playlists.requests} requests, {summary.playlists.failed} failed",
        ),
        ("HTTP errors", _counts(dict(sorted(summary.http_errors.items())))),
        (
            "ramp",
            f"planned {ramp.planned_seconds:.1f} s, took {ramp.actual_seconds:.1f} s, "
            f"lateness p99 {ramp.lateness_p99_seconds * 1000:.0f} ms",
        ),
        (
            "clients used",
            _known(cpu, f"{cpu or 0:.1f} CPU seconds")
            + f" ({_known(per_client.cpu_seconds, f'{per_client.cpu_seconds or 0:.2f} each')}), "
            + _known(memory, f"{format_size(memory or 0)} memory at the peak"),
        ),
        (
            "controller",
            f"{own.cpu_seconds:.2f} CPU seconds, {format_size(own.max_rss_bytes)} memory, "
            f"{own.dbus_calls} D-Bus calls in {own.dbus_seconds:.2f} s",
        ),
    ]
    if own.telemetry_dropped_bytes or own.telemetry_unattributed:
        rows.append(
            (
                "not heard",
                f"{format_size(own.telemetry_dropped_bytes)} of messages dropped, "
                f"{own.telemetry_unattributed} processes without a client",
            )
        )
    width = max(len(name) for name, _ in rows)
    lines = ["Summary" + (" (interrupted)" if summary.interrupted else "")]
    lines += [f"  {name:<{width}}  {value}" for name, value in rows]
    lines.append("")
    mark = _MARKS[summary.verdict]
    lines.append(f"{mark} Verdict: {summary.verdict}: {_MEANING[summary.verdict]}.")
    lines += [f"  {reason}" for reason in summary.reasons]
    return "\n".join(lines)
