"""(5) The largest swarm in which every client receives every segment, in steps, on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench import proc
from bench.machine import refusals
from bench.parts import Document, Work
from bench.place import BenchError, Stream, stream
from bench.swarm import Load, Outcome, Watched, watch

SANDBOX = "off"
MEASURE = "light"
ATTEMPTS = 2
BUSY_SHARE = 0.95
_MEMORY_SHARE = 0.05


def measure(work: Work) -> Document:
    """A row for each step, up to the first that does not hold in two attempts."""
    rows: list[Document] = []
    with stream(work.place, "small") as made:
        for clients in work.sizes.capacity:
            for attempt in range(1, ATTEMPTS + 1):
                row = _step(work, made, clients, attempt)
                if row["holds"]:
                    break
            rows.append(row)
            if not row["holds"]:
                break
    return {"rows": rows}


def _step(work: Work, made: Stream, clients: int, attempt: int) -> Document:
    """So many clients, once."""
    rate = work.sizes.capacity_rate
    seconds = clients / rate + work.sizes.capacity_seconds
    load = Load(clients, rate, seconds, work.place.cheapest, measure=MEASURE, sandbox=SANDBOX)
    row = {**load.as_dict(), "attempt": attempt, "holds": False}
    work.say(f"{clients} clients at {rate:g}/s, --measure {MEASURE}, sandbox {SANDBOX}")
    if refused := refusals(clients, ffmpeg="auto", measure=MEASURE, rate=rate):
        return row | {"gives_out": refused[0]}
    try:
        outcome = watch(work.place, made, load, label=f"step{clients}x{attempt}", look=_look)
    except BenchError as error:
        return row | {"gives_out": str(error)}
    machine, received = outcome.last.machine, outcome.delivery
    work.say(f"  {received.complete} of {clients} received every segment")
    row |= outcome.as_dict() | dict(outcome.looked)
    row["memory_available_bytes"] = machine.memory_available_bytes
    row["tcp_in_use"] = machine.tcp_in_use
    row["holds"] = received.is_whole
    return row if received.is_whole else row | {"gives_out": gives_out(outcome)}


def _look(watched: Watched) -> Mapping[str, Any]:
    pids = watched.slice.pids() if watched.slice else set()
    return {"pss_bytes": proc.mean_pss_bytes(pids), "processes": len(pids)}


def gives_out(outcome: Outcome) -> str:
    """What seems to have given out, in words."""
    machine = outcome.last.machine
    found = []
    if outcome.busy_share >= BUSY_SHARE:
        found.append(f"CPU: the processors were busy for {outcome.busy_share:.0%} of the time")
    if (outcome.steady("systemd_cpu_seconds") or 0) > 0.5:
        found.append("systemd was still busy with starts")
    if outcome.looked["processes"] < outcome.load.clients:
        found.append(f"only {outcome.looked['processes']} clients had a process")
    total = machine.memory_available_bytes
    if total < _MEMORY_SHARE * proc.memory_total_bytes():
        found.append(f"memory: {total / 1e6:.0f} MB were left")
    errors = outcome.summary["errors"]
    found += [f"{name} ({one['count']} times)" for name, one in list(errors.items())[:2]]
    return "; ".join(found) or "; ".join(outcome.summary["reasons"]) or "unknown"
