"""Whether recorded runs are the segments of one plan: all of them, each once, of the same plan.

Runs that were no segments are left alone: several hosts may well have loaded one origin by plans of
their own. Knows plans as documents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hlsswarm.core.segment import WHOLE, Segment
from hlsswarm.errors import UsageError
from hlsswarm.report.run_directory import RecordedRun

_SAME = ("clients", "ramp_rate_per_second", "ramp_jitter_seconds", "duration_seconds", "seed")
_SAME_TOO = ("variant", "backoff", "thresholds")
_CLIENTS_OWN = frozenset({"selection", "resolution", "trust"})
"""Of a client's options what a machine may have settled for itself."""
_SHOWN = 5


def segment_of(run: RecordedRun) -> Segment:
    """The share that a run was; the whole where it does not say."""
    found = run.plan.get("segment") or {}
    try:
        return Segment(int(found["number"]), int(found["of"]))
    except (KeyError, TypeError, ValueError):
        return WHOLE


def check_segments(runs: Sequence[RecordedRun]) -> str | None:
    """What is missing of a plan that was cut into segments, in a sentence; None if nothing is.

    Raises UsageError for runs that cannot be one plan's: a segment twice, different plans.
    """
    cut = [run for run in runs if not segment_of(run).is_whole]
    if not cut:
        return None
    first = cut[0]
    whole = next((run for run in runs if segment_of(run).is_whole), None)
    if whole is not None:
        raise UsageError(
            f"{_place(first)} is segment {segment_of(first)} of a plan, and {_place(whole)} is "
            "no segment.",
            hint="Name the segments of one plan, and nothing else.",
        )
    for run in cut[1:]:
        _check_same_plan(first, run)
    return _missing(cut)


def _check_same_plan(one: RecordedRun, other: RecordedRun) -> None:
    if segment_of(one).of != segment_of(other).of:
        differs = ["segment"]
    else:
        ours, theirs = _identity(one.plan), _identity(other.plan)
        differs = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
    if differs:
        raise UsageError(
            f"{_place(one)} and {_place(other)} are segments of different plans: they differ in "
            f"{', '.join(differs[:_SHOWN])}.",
            hint="Run all segments of a plan with the same settings, but for --segment.",
        )


def _identity(plan: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a plan the one that it is, as far as the load goes."""
    made = {key: plan.get(key) for key in (*_SAME, *_SAME_TOO)}
    client = plan.get("client", {})
    return made | {key: value for key, value in client.items() if key not in _CLIENTS_OWN}


def _missing(runs: Sequence[RecordedRun]) -> str | None:
    there: dict[Segment, RecordedRun] = {}
    for run in runs:
        segment = segment_of(run)
        if segment in there:
            raise UsageError(
                f"{_place(there[segment])} and {_place(run)} are both segment {segment}.",
                hint="Name each segment once.",
            )
        there[segment] = run
    of = segment_of(runs[0]).of
    missing = [one for k in range(1, of + 1) if (one := Segment(k, of)) not in there]
    if not missing:
        return None
    shown = ", ".join(map(str, missing[:_SHOWN])) + (", …" if len(missing) > _SHOWN else "")
    clients = int(runs[0].plan.get("clients", 0))
    own = sum(len(segment.numbers(clients)) for segment in there)
    words = "Segment {} is" if len(missing) == 1 else "Segments {} are"
    return f"{words.format(shown)} missing: these are {own} of {clients} clients."


def _place(run: RecordedRun) -> str:
    return run.sources[0] if run.sources else run.name
