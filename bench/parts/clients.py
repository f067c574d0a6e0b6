"""(2) What one client costs: memory, CPU while it plays, CPU to start; by ffmpeg and sandbox."""

from __future__ import annotations

from bench.parts import Document, Work
from bench.place import stream
from bench.swarm import Load, Outcome, client_sizes, watch

_RATE = 10.0


def measure(work: Work) -> Document:
    """A row for each ffmpeg and sandbox."""
    rows = []
    with stream(work.place, "standard") as made:
        for ffmpeg in sorted(work.place.ffmpegs):
            for sandbox in ("off", "strict"):
                work.say(f"{work.sizes.client_clients} clients, ffmpeg {ffmpeg}, sandbox {sandbox}")
                load = Load(
                    work.sizes.client_clients,
                    _RATE,
                    work.sizes.client_seconds,
                    ffmpeg,
                    sandbox=sandbox,
                )
                label = f"client{ffmpeg[0]}{sandbox[0]}"
                outcome = watch(work.place, made, load, label=label, look=client_sizes)
                rows.append(outcome.as_dict() | _each(outcome))
    return {"rows": rows}


def _each(outcome: Outcome) -> Document:
    """Of one client. The start is all CPU until the first sample, less what playing took."""
    clients = outcome.load.clients
    steady = outcome.steady("clients_cpu_seconds")
    used = outcome.first.clients_cpu_seconds
    start = None
    if steady is not None and used is not None:
        # Clients started evenly: on average each has played since the middle of the ramp.
        played = outcome.first.seconds - outcome.load.ramp_seconds / 2
        start = used / clients - played * steady / clients
    return {
        **outcome.looked,
        "cpu_seconds_per_second": None if steady is None else steady / clients,
        "start_cpu_seconds": start,
        "systemd_start_cpu_seconds": outcome.first.systemd_cpu_seconds / clients,
    }
