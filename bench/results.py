"""The results of a bench as one document, `hlsswarm.bench/1`, and what they say of the goals. Pure.

    {"schema", "machine": {…}, "quick": bool, "parts": {NAME: {"measured_at", "load", …}}}

Parts are measured one by one, and later ones take the place of earlier: a document is of one
machine, so that what stands in it can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

SCHEMA: Final = "hlsswarm.bench/1"
GO_CPU_SECONDS: Final = 3.30
"""The Go program's, for 200 clients and 70 s on the lab's machine, as is its memory below."""
GO_RSS_BYTES: Final = 68e6
CPU_SHARE_OF_GO: Final = 0.6
STOP_SECONDS: Final = 5.0
LATENESS_SECONDS: Final = 0.050
SCRAPE_SECONDS: Final = 0.050
HELP_SECONDS: Final = 0.150
LARGEST: Final = 3000
_COMPARED_CLIENTS: Final = 200
_COMPARED_RATE: Final = 50

Row = Mapping[str, Any]
Document = Mapping[str, Any]


def fresh(machine: Mapping[str, Any], *, quick: bool) -> dict[str, Any]:
    """A document without any part."""
    return {"schema": SCHEMA, "machine": dict(machine), "quick": quick, "parts": {}}


def merged(
    document: Document, machine: Mapping[str, Any], name: str, part: Mapping[str, Any]
) -> dict[str, Any]:
    """The document with this part in it, and the machine as it is described now."""
    parts = {**document["parts"], name: dict(part)}
    return {**document, "machine": dict(machine), "parts": parts}


def rows(document: Document, part: str) -> Sequence[Row]:
    """A part's rows; none when it was not measured."""
    found: Sequence[Row] = document["parts"].get(part, {}).get("rows", ())
    return found


def row(document: Document, part: str, **wanted: Any) -> Row | None:
    """The first row of a part with these values."""
    return next(
        (one for one in rows(document, part) if all(one.get(k) == v for k, v in wanted.items())),
        None,
    )


@dataclass(frozen=True)
class Goal:
    """Something that was to be reached; `met` is None when it was not measured."""

    what: str
    wanted: str
    measured: str
    met: bool | None

    @property
    def mark(self) -> str:
        """In a word."""
        return {True: "met", False: "NOT met", None: "not measured"}[self.met]


def _below(what: str, found: float | None, bound: float, words: Callable[[float], str]) -> Goal:
    if found is None:
        return Goal(what, f"< {words(bound)}", "—", None)
    return Goal(what, f"< {words(bound)}", words(found), found < bound)


def _seconds(value: float) -> str:
    return f"{value:.2f} s"


def _milliseconds(value: float) -> str:
    return f"{value * 1000:.1f} ms"


def _megabytes(value: float) -> str:
    return f"{value / 1e6:.0f} MB"


def goals(document: Document) -> list[Goal]:
    """Every goal, in the order of the parts."""
    return [
        *_controller_goals(document),
        *_ramp_goals(document),
        *_thousand_goals(document),
        _capacity_goal(document),
        _startup_goal(document),
        *_peer_goals(document),
    ]


def _controller_goals(document: Document) -> list[Goal]:
    found, clients = [], _COMPARED_CLIENTS
    for how in ("exact", "light"):
        one = row(document, "controller", clients=clients, measure=how)
        own = one["controller"] if one else {}
        what = f"controller, {clients} clients, 70 s, {how}"
        bound = CPU_SHARE_OF_GO * GO_CPU_SECONDS
        found.append(_below(f"{what}: CPU", own.get("cpu_seconds"), bound, _seconds))
        found.append(_below(f"{what}: memory", own.get("max_rss_bytes"), GO_RSS_BYTES, _megabytes))
    one = row(document, "controller", clients=clients, measure="light")
    what = f"telemetry at light, {clients} clients: CPU below that of supervision"
    if one is None:
        return [*found, Goal(what, "less", "—", None)]
    telemetry, supervision = telemetry_and_supervision(one)
    return [*found, _below(what, telemetry, supervision, _seconds)]


def telemetry_and_supervision(one: Row) -> tuple[float, float]:
    """CPU seconds of a run for telemetry and for supervision.

    Telemetry is all that the controller does while nothing starts or ends; supervision is the
    controller's work until all clients run, and systemd's of the whole run.
    """
    own, systemd = one["controller"], one["systemd"]
    full = own["until_full_cpu_seconds"]
    return own["cpu_seconds"] - full, full + systemd["cpu_seconds"] + systemd["keeper_cpu_seconds"]


def _ramp_goals(document: Document) -> list[Goal]:
    found = []
    for sandbox in ("strict", "off"):
        one = row(document, "ramp", rate=_COMPARED_RATE, sandbox=sandbox)
        late = one["ramp"]["lateness_p99_seconds"] if one else None
        what = f"ramp at {_COMPARED_RATE}/s, sandbox {sandbox}: p99 of lateness"
        found.append(_below(what, late, LATENESS_SECONDS, _milliseconds))
    return found


def _thousand_goals(document: Document) -> list[Goal]:
    one = next(iter(rows(document, "thousand")), None)
    stop = one["stop_seconds"] if one else None
    scrapes = one["scrape_seconds"] if one else None
    clients = one["clients"] if one else 1000
    worst = max(scrapes) if scrapes else None
    return [
        _below(f"stop {clients:,} clients", stop, STOP_SECONDS, _seconds),
        _below(f"/metrics with {clients:,} clients, worst", worst, SCRAPE_SECONDS, _milliseconds),
    ]


def largest(document: Document) -> int | None:
    """The largest swarm whose clients all received everything; None if not measured."""
    found = rows(document, "capacity")
    return max((one["clients"] for one in found if one["holds"]), default=0) if found else None


def _capacity_goal(document: Document) -> Goal:
    what, found = "clients that all receive every segment", largest(document)
    if found is None:
        return Goal(what, f"≥ {LARGEST:,}", "—", None)
    return Goal(what, f"≥ {LARGEST:,}", f"{found:,}", found >= LARGEST)


def _startup_goal(document: Document) -> Goal:
    one = row(document, "startup", command="hlsswarm --help")
    return _below(
        "hlsswarm --help", one["p50_seconds"] if one else None, HELP_SECONDS, _milliseconds
    )


def _peer_goals(document: Document) -> list[Goal]:
    """CPU and memory beside the Go program's, where it was measured in the same run."""
    peer = row(document, "peers", program="go-ffmpeg-hls-swarm")
    if peer is None or "failed" in peer:
        return []
    found = []
    for one in rows(document, "peers"):
        if one["program"] == "hlsswarm":
            what = f"controller beside the Go program, ffmpeg {one['ffmpeg']}, {one['measure']}"
            share = one["cpu_seconds"] / peer["cpu_seconds"]
            found.append(_below(f"{what}: CPU", share, CPU_SHARE_OF_GO, lambda x: f"{x:.2f} of it"))
            share = one["max_rss_bytes"] / peer["max_rss_bytes"]
            found.append(_below(f"{what}: memory", share, 1.0, lambda x: f"{x:.2f} of it"))
    return found
