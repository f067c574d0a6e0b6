"""Several recorded runs as one: what many hosts have measured of the same origin at one time.

Measurements add up exactly, histograms included; rows meet by the wall clock's second; verdict and
thresholds are judged anew on what came together. A run that was void makes the whole void: its
share of the load was not what it should have been. So does a segment of a plan that is missing.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from hlsswarm.core import timeseries
from hlsswarm.core.measurements import Measurements
from hlsswarm.core.states import ClientState
from hlsswarm.core.summary import Requests, Sessions, error_classes
from hlsswarm.core.thresholds import Outcome, evaluate
from hlsswarm.core.verdict import Evidence, Verdict, judge, streaming_share
from hlsswarm.errors import UsageError
from hlsswarm.report.documents import made_of
from hlsswarm.report.run_directory import RecordedRun
from hlsswarm.report.segments import check_segments, segment_of

_WORST_FIRST = (Verdict.VOID, Verdict.FAILING, Verdict.AT_LIMIT, Verdict.HEALTHY)
_RUNNING = (ClientState.STARTING, ClientState.STREAMING, ClientState.BUFFERING)
# Of these the largest host's counts: hosts work side by side.
_LARGEST = ("_share", "_p50_seconds", "_p95_seconds", "_p99_seconds", "planned_seconds")
_LARGEST_TOO = {"actual_seconds", "saturated_seconds", "run_seconds"}
_NAMES_SHOWN = 6
_SMALLEST = {"saturated_from_clients"}


def merged(runs: Sequence[RecordedRun]) -> RecordedRun:
    """One run of several; one alone stays as it is.

    Raises UsageError for the same run twice, and for segments that are not of one plan.
    """
    missing = check_segments(runs)
    if len(runs) == 1:
        notes = (*runs[0].notes, *([missing] if missing else []))
        return dataclasses.replace(runs[0], notes=notes) if missing else runs[0]
    _refuse_twins(runs)
    measurements = Measurements()
    for run in runs:
        measurements.merge(run.measurements)
    series = timeseries.merge([run.series for run in runs])
    evidence = _evidence(runs)
    verdict, reasons = _verdict(runs, evidence, missing)
    outcomes = _outcomes(runs, measurements, evidence)
    summary = _summary(runs, measurements, series)
    summary |= {
        "thresholds": [outcome.as_dict() for outcome in outcomes],
        "verdict": str(verdict),
        "reasons": list(reasons),
    }
    return RecordedRun(
        name=_name(runs),
        plan=_common(runs),
        summary=summary,
        measurements=measurements,
        series=series,
        outcomes=outcomes,
        evidence=dataclasses.asdict(evidence) if evidence else {},
        notes=_notes(runs),
        sources=tuple(source for run in runs for source in run.sources),
    )


def _name(runs: Sequence[RecordedRun]) -> str:
    """The runs' names; of a great many the first and the last."""
    names = list(dict.fromkeys(run.name for run in runs))
    return "+".join(names if len(names) <= _NAMES_SHOWN else (names[0], "…", names[-1]))


def _refuse_twins(runs: Sequence[RecordedRun]) -> None:
    """Raise UsageError where two directories hold the same run: its load would count twice."""
    seen: dict[tuple[str, str, str], RecordedRun] = {}
    for run in runs:
        key = (run.name, run.started_at, repr(run.measurements.as_dict()))
        if key in seen:
            twins = " and ".join((*seen[key].sources, *run.sources))
            raise UsageError(f"{twins} are the same run.", hint="Name each run once.")
        seen[key] = run


def _evidence(runs: Sequence[RecordedRun]) -> Evidence | None:
    """All hosts' evidence; None if one of them has none that this version understands."""
    try:
        parts = [made_of(Evidence, run.evidence) for run in runs]
    except (KeyError, TypeError, ValueError):
        return None
    names = [field.name for field in dataclasses.fields(Evidence)]
    return Evidence(**{n: _merge_values(n, [getattr(part, n) for part in parts]) for n in names})


def _verdict(
    runs: Sequence[RecordedRun], evidence: Evidence | None, missing: str | None
) -> tuple[str, tuple[str, ...]]:
    if missing is not None:
        return Verdict.VOID, (missing,)
    void = [run for run in runs if run.verdict == Verdict.VOID]
    if void:
        return Verdict.VOID, tuple(f"{run.name}: {why}" for run in void for why in run.reasons)
    if evidence is not None:
        return judge(evidence)
    verdicts = {run.verdict for run in runs}
    worst = next(verdict for verdict in _WORST_FIRST if verdict in verdicts)
    return worst, ("The worst of its runs: not all of them kept what a verdict stands on.",)


def _outcomes(
    runs: Sequence[RecordedRun], measurements: Measurements, evidence: Evidence | None
) -> tuple[Outcome, ...]:
    """Every threshold of any run, once, held against all runs together."""
    thresholds = {str(o.threshold): o.threshold for run in runs for o in run.outcomes}
    share = streaming_share(evidence) if evidence else None
    extra = {} if share is None else {"streaming_share": share}
    return tuple(evaluate(one, measurements, extra) for one in thresholds.values())


def _summary(
    runs: Sequence[RecordedRun], measurements: Measurements, series: timeseries.TimeSeries
) -> dict[str, Any]:
    documents = [dict(run.summary) for run in runs if run.summary]
    made: dict[str, Any] = _merge_values("", documents) or {}
    made["run"] = _name(runs)
    begin, end = _span(runs)
    made["started_at"] = min((run.started_at for run in runs), key=_moment)
    made["duration_seconds"] = end - begin
    running = [sum(row.clients[state] for state in _RUNNING) for row in series.rows]
    clients = made.get("clients", {})
    if running and "peak_active" in clients:
        clients["peak_active"] = max(running)
    _share_out(made.get("resources", {}), clients)
    return made | _measured(made, measurements)


def _share_out(resources: dict[str, Any], clients: Mapping[str, Any]) -> None:
    """What one client used, of all hosts' clients."""
    cpu, memory = resources.get("cpu_seconds"), resources.get("memory_peak_bytes")
    if "per_client" in resources:
        started, peak = max(1, clients["started"]), max(1, clients["peak_active"])
        resources["per_client"]["cpu_seconds"] = None if cpu is None else cpu / started
        resources["per_client"]["memory_peak_bytes"] = None if memory is None else memory // peak


def _measured(summary: dict[str, Any], measured: Measurements) -> dict[str, Any]:
    """The sections that measurements tell whole: percentiles are of all values together."""
    sections = {"segments": "segment", "playlists": "playlist", "init": "init", "keys": "key"}
    made: dict[str, Any] = {}
    for section, kind in sections.items():
        timed = (summary.get(section) or {}).get("duration_seconds") is not None
        made[section] = dataclasses.asdict(Requests.of(measured.kinds[kind], timed=timed))
    made["sessions"] = dataclasses.asdict(Sessions.of(measured.sessions))
    made["http_errors"] = {str(code): n for code, n in sorted(measured.http_errors.items())}
    classes = error_classes(measured)
    made["errors"] = {name: dataclasses.asdict(error) for name, error in classes.items()}
    return made


def _merge_values(name: str, values: Sequence[Any]) -> Any:
    """The same field of several documents: numbers added up, words side by side."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    first = known[0]
    if isinstance(first, bool):
        return any(known)
    if isinstance(first, (int, float)):
        return _merge_numbers(name, known, whole=len(known) == len(values))
    if isinstance(first, Mapping):
        keys = dict.fromkeys(key for value in known for key in value)
        counts = all(type(item) is int for value in known for item in value.values())
        absent = 0 if counts else None
        return {
            key: _merge_values(str(key), [value.get(key, absent) for value in known])
            for key in keys
        }
    if isinstance(first, (list, tuple)):
        return type(first)({repr(item): item for value in known for item in value}.values())
    return ", ".join(dict.fromkeys(str(value) for value in known if value))


def _merge_numbers(name: str, known: Sequence[Any], *, whole: bool) -> Any:
    if name in _SMALLEST:
        return min(known)
    if name.endswith(_LARGEST) or name in _LARGEST_TOO:
        return max(known)
    # A sum that lacks a part would be told as the whole.
    return sum(known) if whole else None


def _common(runs: Sequence[RecordedRun]) -> dict[str, Any]:
    """What all plans agree on, and all clients."""
    first = runs[0].plan
    plan = {
        key: value
        for key, value in first.items()
        if all(run.plan.get(key) == value for run in runs)
    }
    shares = not segment_of(runs[0]).is_whole  # each plan tells the clients of all segments
    if not shares and all("clients" in run.plan for run in runs):
        plan["clients"] = sum(int(run.plan["clients"]) for run in runs)
    return plan


def _moment(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 text; of none, the end of time."""
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except ValueError:
        return float("inf")


def _span(runs: Sequence[RecordedRun]) -> tuple[float, float]:
    """Begin of the first and end of the last run, in seconds since 1970."""
    known = [(_moment(run.started_at), run.duration_seconds) for run in runs]
    known = [(begin, length) for begin, length in known if begin != float("inf")]
    if not known:
        return 0.0, max(run.duration_seconds for run in runs)
    return min(begin for begin, _ in known), max(begin + length for begin, length in known)


def _notes(runs: Sequence[RecordedRun]) -> tuple[str, ...]:
    notes = [f"{run.name}: {note}" for run in runs for note in run.notes]
    for what, values in (
        ("streams", {run.url for run in runs}),
        ("ways to measure", {str(run.summary.get("measure", "")) for run in runs}),
    ):
        if len(values) > 1:
            notes.append(f"The runs are of different {what}: {', '.join(sorted(values))}.")
    begin, end = _span(runs)
    if end - begin >= sum(run.duration_seconds for run in runs):
        notes.append("The runs did not run at the same time: their load never came together.")
    return tuple(notes)
