"""(5) The largest swarm in which every client receives every segment, in steps, on this machine.

Without the doctor's preflight, which keeps a margin that is looked for here; what must not happen
is that the machine runs out of memory, so a step is left out that would need more than there is by
the one before it.
"""

from __future__ import annotations

from bench import proc
from bench.parts import Document, Work
from bench.place import BenchError, Stream, stream
from bench.swarm import Load, Outcome, client_sizes, watch
from hlsswarm.core.doctor import MEMORY_PER_MINIMAL_CLIENT_BYTES

SANDBOX = "off"
MEASURE = "light"
ATTEMPTS = 2
MEMORY_FILL_SHARE = 0.95
BUSY_SHARE = 0.95
_MEMORY_SHARE = 0.05


def measure(work: Work) -> Document:
    """A row for each step, up to the first that does not hold in two attempts."""
    rows: list[Document] = []
    each = float(MEMORY_PER_MINIMAL_CLIENT_BYTES)
    with stream(work.place, "small") as made:
        for clients in work.sizes.capacity:
            if (lack := memory_lack(clients, each)) is not None:
                rows.append({"clients": clients, "holds": False, "gives_out": lack})
                break
            for attempt in range(1, ATTEMPTS + 1):
                row = _step(work, made, clients, attempt)
                if row["holds"]:
                    break
            rows.append(row)
            if not row["holds"]:
                break
            each = row["memory_bytes_each"] or each
    return {"rows": rows}


def memory_lack(clients: int, each: float) -> str | None:
    """That so many clients of so many bytes do not fit into what is free; None when they do."""
    free = proc.moment().memory_available_bytes
    if clients * each < MEMORY_FILL_SHARE * free:
        return None
    needed = f"{clients * each / 1e9:.1f} GB"
    return f"memory: {clients:,} clients need {needed}, and {free / 1e9:.1f} GB are free"


def _step(work: Work, made: Stream, clients: int, attempt: int) -> Document:
    """So many clients, once."""
    rate = work.sizes.capacity_rate
    seconds = clients / rate + work.sizes.capacity_seconds
    load = Load(
        clients,
        rate,
        seconds,
        work.place.cheapest,
        measure=MEASURE,
        sandbox=SANDBOX,
        preflight=False,
        interrupt=True,
    )
    row = {**load.as_dict(), "attempt": attempt, "holds": False}
    work.say(f"{clients} clients at {rate:g}/s, --measure {MEASURE}, sandbox {SANDBOX}")
    try:
        outcome = watch(work.place, made, load, label=f"step{clients}x{attempt}", look=client_sizes)
    except BenchError as error:
        return row | {"gives_out": str(error)}
    machine, received = outcome.last.machine, outcome.delivery
    work.say(f"  {received.complete} of {clients} received every segment")
    row |= outcome.as_dict() | dict(outcome.looked)
    row["memory_available_bytes"] = machine.memory_available_bytes
    row["tcp_in_use"] = machine.tcp_in_use
    row["stop_seconds"] = outcome.stop_seconds
    row["holds"] = received.is_whole
    return row if received.is_whole else row | {"gives_out": gives_out(outcome)}


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
