"""A run as one HTML file that needs nothing else: no network, no other file. Pure text.

The page is the template in `assets`, with its style, its script and uPlot (MIT, vendored with its
licence) put into it; here is what it shows.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import tomli_w
from jinja2 import Environment, StrictUndefined, Template

from hlsswarm.core.error_classes import describe
from hlsswarm.core.histogram import LogHistogram
from hlsswarm.core.quantities import format_duration, format_size
from hlsswarm.report.plots import plots, plots_json, step_seconds
from hlsswarm.report.run_directory import RecordedRun

_VERDICTS = {
    "healthy": ("Healthy", "The origin holds this load."),
    "at_limit": ("At its limit", "Part of the swarm plays, part of it does not."),
    "failing": ("Failing", "The origin does not hold this load."),
    "void": ("Void", "This run says nothing about the origin."),
}
_KINDS = {
    "segment": "Media Segments",
    "playlist": "Playlists",
    "init": "Initialization Sections",
    "key": "Keys",
}


@dataclass(frozen=True)
class Tile:
    """A key figure. `tone` is good, bad, or nothing."""

    name: str
    value: str
    about: str = ""
    tone: str = ""


def html_text(run: RecordedRun) -> str:
    """The page."""
    drawn = plots(run)
    word, meaning = _VERDICTS.get(run.verdict, (run.verdict, ""))
    plan = {key: value for key, value in run.plan.items() if key != "schema"}
    return _template().render(
        run=run,
        verdict=word,
        meaning=meaning,
        failed=sum(not outcome.passed for outcome in run.outcomes),
        began=_moment(run.started_at),
        length=format_duration(float(round(run.duration_seconds))),
        tiles=list(_tiles(run)),
        plots=drawn,
        data=plots_json(run),
        step=step_seconds(run.series.rows),
        requests=list(_requests(run)),
        errors=[
            (name, describe(name), count, run.measurements.error_examples.get(name, ""))
            for name, count in run.measurements.errors.most_common()
        ],
        setup=_setup(run),
        plan=tomli_w.dumps(plan) if plan else "",
        notes=[*run.summary.get("notes", ()), *run.notes],
        style=_asset("uPlot.min.css") + _asset("report.css"),
        script=_asset("uPlot.iife.min.js") + "\n" + _asset("report.js"),
        licence=_asset("uPlot.LICENSE.txt"),
    )


@cache
def _asset(name: str) -> str:
    return resources.files(__package__).joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _template() -> Template:
    environment = Environment(
        undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_asset("report.html.j2"))


def seconds_text(seconds: float) -> str:
    """A short time with three digits: `82.1 ms`, `1.25 s`, by a blank that does not break."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.3g}\u00a0ms"
    return f"{seconds:.3g}\u00a0s" if seconds < 999.5 else f"{seconds:.0f}\u00a0s"


def bit_rate_text(bits_per_second: float) -> str:
    """A bit rate as networks are told."""
    for unit in ("bit/s", "kbit/s", "Mbit/s"):
        if bits_per_second < 999.5:
            return f"{bits_per_second:.3g} {unit}"
        bits_per_second /= 1000
    return f"{bits_per_second:.3g} Gbit/s"


def _count(number: int) -> str:
    """A number in groups of three, by narrow blanks that do not break."""
    return f"{number:,}".replace(",", "\u202f")


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.2%}" if whole else "–"


def _moment(started_at: str) -> str:
    """The start for people, in UTC."""
    try:
        moment = datetime.datetime.fromisoformat(started_at)
    except ValueError:
        return started_at or "unknown"
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _tone(bad: float, whole: float = 0.0) -> str:
    """Nothing bad is good; more than one in a hundred is bad."""
    if not bad:
        return "good"
    return "bad" if not whole or bad / whole > 0.01 else ""


def _tiles(run: RecordedRun) -> Iterator[Tile]:
    measured = run.measurements
    sessions, segments = measured.sessions, measured.segments
    clients = run.summary.get("clients", {})
    if clients:
        yield Tile(
            "Clients at once",
            _count(clients["peak_active"]),
            f"at most, of {_count(clients['target'])}; {_count(clients['restarts'])} restarts",
        )
    times = segments.durations
    if times.count:
        yield Tile(
            "Segment time, p95",
            seconds_text(times.quantile(0.95)),
            f"p50 {seconds_text(times.quantile(0.5))}, p99 {seconds_text(times.quantile(0.99))}",
        )
    received = sum(kind.bytes for kind in measured.kinds.values())
    length = run.duration_seconds
    yield Tile(
        "Throughput",
        bit_rate_text(received * 8 / length) if length else "–",
        f"on average; {format_size(received)} in all",
    )
    startup = sessions.startup
    if startup.count:
        yield Tile(
            "Startup, p95",
            seconds_text(startup.quantile(0.95)),
            f"p50 {seconds_text(startup.quantile(0.5))}, max {seconds_text(startup.maximum)}",
        )
    watched = sessions.stalled_seconds + sessions.watched_seconds
    lost = f"{_share(sessions.stalled_seconds, watched)} of the time" if watched else ""
    yield Tile("Stalls", _count(sessions.stalls), lost, _tone(sessions.stalled_seconds, watched))
    yield Tile(
        "Sessions failed",
        _count(sessions.failed),
        f"of {_count(sessions.started)}",
        _tone(sessions.failed, sessions.started),
    )
    yield Tile(
        "Segments failed",
        _count(segments.failed),
        f"{_share(segments.failed, segments.requests)} of {_count(segments.requests)}",
        _tone(segments.failed, segments.requests),
    )
    errors = measured.http_errors
    requests = sum(kind.requests for kind in measured.kinds.values())
    told = ", ".join(f"{_count(n)} × {code}" for code, n in errors.most_common(3))
    yield Tile("HTTP errors", _count(errors.total()), told, _tone(errors.total(), requests))


def _requests(run: RecordedRun) -> Iterator[tuple[str, ...]]:
    """Rows of the table of requests, of those kinds that there were."""
    for kind, name in _KINDS.items():
        measure = run.measurements.kinds[kind]
        if measure.requests:
            yield (
                name,
                _count(measure.requests),
                _count(measure.failed),
                format_size(measure.bytes),
                *_spread(measure.durations),
            )


def _spread(times: LogHistogram) -> tuple[str, ...]:
    if not times.count:
        return ("–",) * 4
    return (
        *(seconds_text(times.quantile(q)) for q in (0.5, 0.95, 0.99)),
        seconds_text(times.maximum),
    )


def _setup(run: RecordedRun) -> dict[str, str]:
    """What it was made with, as far as it is known."""
    summary = run.summary
    systemd = summary.get("systemd", {})
    known = {
        "Stream": run.url,
        "Run": ", ".join(run.name.split("+")),
        "Began": _moment(run.started_at),
        "Length": format_duration(float(round(run.duration_seconds))),
        "Measured": str(summary.get("measure", "")),
        "ffmpeg": str(summary.get("ffmpeg", {}).get("version", "")),
        "systemd": f"{systemd['version']} ({systemd['manager']} manager)" if systemd else "",
        "Does without": ", ".join(systemd.get("lacks", ())),
        "Ramp": _ramp(summary.get("ramp", {})),
        "Clients used": _used(summary.get("resources", {})),
        "This tool used": _own(summary.get("controller", {})),
        "Merged of": ", ".join(run.sources) if len(run.sources) > 1 else "",
    }
    return {name: value for name, value in known.items() if value}


def _ramp(ramp: Mapping[str, Any]) -> str:
    if not ramp:
        return ""
    return (
        f"{ramp['actual_seconds']:.1f} s (planned {ramp['planned_seconds']:.1f} s), "
        f"p99 of starts {ramp['lateness_p99_seconds'] * 1000:.0f} ms late"
    )


def _used(resources: Mapping[str, Any]) -> str:
    cpu, memory = resources.get("cpu_seconds"), resources.get("memory_peak_bytes")
    parts = [f"{cpu:.1f} s of CPU"] if cpu is not None else []
    parts += [f"{format_size(memory)} at the peak"] if memory is not None else []
    return ", ".join(parts)


def _own(controller: Mapping[str, Any]) -> str:
    if not controller:
        return ""
    return (
        f"{controller['cpu_seconds']:.1f} s of CPU, {format_size(controller['max_rss_bytes'])}; "
        f"{format_size(controller['telemetry_dropped_bytes'])} of messages dropped"
    )
