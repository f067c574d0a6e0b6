"""Text for people: the progress line, its notes, and the summary at the end. Pure text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hlsswarm.core.quantities import format_duration, format_size
from hlsswarm.core.states import ClientState
from hlsswarm.core.summary import ErrorClass, Requests, Resources, Sessions, Summary
from hlsswarm.core.thresholds import Outcome

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
    """One line of state, and below it notes on what is wrong, if anything is.

    States that nobody is in are left out, so that a line of a good run is short.
    """
    streaming = progress.states[ClientState.STREAMING]
    states = [f"streaming:{streaming}/{progress.target}"]
    states += [
        f"{state}:{progress.states[state]}"
        for state in ClientState
        if state is not ClientState.STREAMING and progress.states[state]
    ]
    parts = [
        f"{_stamp(progress.elapsed_seconds)} {' '.join(states)}",
        f"restarts:{progress.restarts}",
        f"segments:{progress.segments} ({_three(progress.segments_per_second)}/s)",
        _bit_rate(progress.bytes_per_second),
    ]
    if progress.http_errors:
        parts.append(f"HTTP errors:{progress.http_errors}")
    lines = ["  ".join(parts)]
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


def event_text(elapsed_seconds: float, words: str) -> str:
    """A line about one thing that has just happened (`--verbose`)."""
    return f"{_stamp(elapsed_seconds)} {words}"


def _stamp(elapsed_seconds: float) -> str:
    whole = float(int(elapsed_seconds)) if elapsed_seconds >= 1 else elapsed_seconds
    return f"[{format_duration(whole):>6}]"


def _three(value: float) -> str:
    """About three digits, and never a power of ten."""
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f}"


def _bit_rate(bytes_per_second: float) -> str:
    """A rate as networks are told: `18.1 Mbit/s`, `1.25 Gbit/s`."""
    megabits = bytes_per_second * 8 / 1e6
    return f"{_three(megabits)} Mbit/s" if megabits < 1000 else f"{_three(megabits / 1000)} Gbit/s"


def _counts(values: Mapping[int, int]) -> str:
    return ", ".join(f"{key}: {count}" for key, count in sorted(values.items())) or "none"


def _ends(exits: Mapping[str, int]) -> str:
    """How processes ended, the most frequent first: `5 status 145, 1 SIGKILL`."""
    ordered = sorted(exits.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(
        f"{count} {'status ' if label.isdecimal() else ''}{label}" for label, count in ordered
    )


def _failed(failed: int, requests: int) -> str:
    return f"{failed} failed" + (f" ({failed / requests:.2%})" if failed and requests else "")


def _used(resources: Resources) -> str:
    """What the clients have used, as far as this machine accounts it."""
    each = resources.per_client
    parts = []
    if resources.cpu_seconds is not None:
        share = "" if each.cpu_seconds is None else f" ({each.cpu_seconds:.2f} each)"
        parts.append(f"{resources.cpu_seconds:.1f} s of CPU{share}")
    if resources.memory_peak_bytes is not None:
        memory = each.memory_peak_bytes
        share = "" if memory is None else f" ({format_size(memory)} each)"
        parts.append(f"{format_size(resources.memory_peak_bytes)} at the peak{share}")
    if resources.throttled_periods:
        parts.append(f"throttled {resources.throttled_periods} times")
    return ", ".join(parts) or "not accounted on this machine"


def _waited(resources: Resources) -> list[tuple[str, str]]:
    """Pressure (PSI), where the kernel tells it."""
    names = {"cpu_share": "CPU", "memory_share": "memory", "io_share": "disks"}
    told = [f"{names.get(name, name)} {share:.1%}" for name, share in resources.pressure.items()]
    whose = "this machine" if resources.pressure_of == "machine" else "clients"
    return [(f"{whose} waited", f"for {', '.join(told)} of the time")] if told else []


def _times(name: str, requests: Requests) -> list[tuple[str, str]]:
    """Download times, where there are any."""
    times = requests.duration_seconds
    if times is None or not times.count:
        return []
    named = {"p50": times.p50, "p95": times.p95, "p99": times.p99, "max": times.max}
    told = [f"{label} {_three(seconds * 1000)}" for label, seconds in named.items()]
    return [(name, "  ".join(told) + " ms")]


def _playback(sessions: Sessions) -> list[tuple[str, str]]:
    """Playback Sessions, as the virtual player saw them."""
    startup = sessions.startup_seconds
    told = f"{sessions.started}, {sessions.failed} failed"
    if startup.count:
        told += f", startup p50 {startup.p50:.2f} s, p95 {startup.p95:.2f} s"
    rows = [("sessions", told)]
    if sessions.live_latency_seconds is not None:
        latency = sessions.live_latency_seconds
        rows.append(("live latency", f"p50 {latency.p50:.2f} s, p95 {latency.p95:.2f} s at start"))
    share = sessions.stalled_seconds / (sessions.stalled_seconds + sessions.watched_seconds or 1)
    lost = f", {sessions.stalled_seconds:.1f} s in all ({share:.2%})" if sessions.stalls else ""
    return [*rows, ("stalls", f"{sessions.stalls}{lost}")]


def _origin(figures: Mapping[str, float]) -> list[tuple[str, str]]:
    """The origin's own load, where a source of it was named."""
    forms: dict[str, Callable[[float], str]] = {
        "connections": lambda value: f"{value:.0f} connections",
        "requests_per_second": lambda value: f"{_three(value)} requests/s",
        "cpu_share": lambda value: f"{value:.0%} CPU",
        "memory_bytes": lambda value: f"{format_size(value)} memory",
        "sent_bytes_per_second": lambda value: f"{_bit_rate(value)} sent",
    }
    told = [forms[name](value) for name, value in figures.items() if name in forms]
    return [("origin", ", ".join(told))] if told else []


def _errors(errors: Mapping[str, ErrorClass]) -> list[tuple[str, str]]:
    """Classes of errors, each with what ffmpeg said."""
    return [
        (f"- {name}", shorten(f"{error.count}, such as: {error.example}", 78 - len(name)))
        for name, error in errors.items()
    ]


def _rows(summary: Summary) -> list[tuple[str, str]]:
    clients, segments, playlists = summary.clients, summary.segments, summary.playlists
    ramp, own = summary.ramp, summary.controller
    rate = segments.bytes / summary.duration_seconds if summary.duration_seconds else 0.0
    ended = f" (processes ended: {_ends(clients.exits)})" if clients.exits else ""
    rows = [
        ("stream", summary.url),
        ("systemd", f"{summary.systemd.version} ({summary.systemd.manager} manager)"),
        ("ffmpeg", summary.ffmpeg.version),
        (
            "clients",
            f"{clients.started} of {clients.target} started, {clients.streamed} streamed, "
            f"at most {clients.peak_active} at once",
        ),
        ("restarts", f"{clients.restarts}{ended}"),
        *_playback(summary.sessions),
        (
            "segments",
            f"{segments.requests} requests, {_failed(segments.failed, segments.requests)}, "
            f"{format_size(segments.bytes)}, {_bit_rate(rate)}",
        ),
        *_times("segment time", segments),
        (
            "playlists",
            f"{playlists.requests} requests, {_failed(playlists.failed, playlists.requests)}",
        ),
        *_times("playlist time", playlists),
        ("HTTP errors", _counts(summary.http_errors)),
        *_errors(summary.errors),
        *_origin(summary.origin),
        (
            "ramp",
            f"{ramp.actual_seconds:.1f} s (planned {ramp.planned_seconds:.1f} s), "
            f"p99 of starts {ramp.lateness_p99_seconds * 1000:.0f} ms late",
        ),
        ("clients used", _used(summary.resources)),
        *_waited(summary.resources),
        (
            "controller",
            f"{own.cpu_seconds:.1f} s of CPU, {format_size(own.max_rss_bytes)}, "
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
    return rows


def _thresholds(outcomes: Sequence[Mapping[str, Any]]) -> list[str]:
    """What had to hold, and whether it did: first, because it is what was asked."""
    lines = []
    for document in outcomes:
        outcome = Outcome.from_dict(document)
        mark = "✓" if outcome.passed else "✗"
        lines.append(f"  {mark} {outcome.threshold.condition}  ({outcome.value_text})")
    return [*lines, ""] if lines else []


def summary_text(summary: Summary) -> str:
    """The whole summary, the verdict last, where the eye is when a run has ended."""
    rows = _rows(summary)
    width = max(len(name) for name, _ in rows)
    length = format_duration(float(round(summary.duration_seconds)))
    how = f"interrupted after {length}" if summary.interrupted else length
    lines = [f"Summary of run {summary.run} ({how})"]
    lines += _thresholds(summary.thresholds)
    lines += [f"  {name:<{width}}  {value}" for name, value in rows]
    lines.append("")
    mark = _MARKS[summary.verdict]
    lines.append(f"{mark} Verdict: {summary.verdict}: {_MEANING[summary.verdict]}.")
    lines += [f"  {reason}" for reason in summary.reasons]
    failed = sum(not outcome["passed"] for outcome in summary.thresholds)
    if failed:
        lines.append(f"✗ {failed} of {len(summary.thresholds)} thresholds failed.")
    return "\n".join(lines)
