"""(1) What the controller costs: CPU and memory for 50, 200, 1,000 clients, exact and light."""

from __future__ import annotations

from bench.parts import Document, Work
from bench.place import stream
from bench.sizes import ramp_rate
from bench.swarm import Load, watch


def measure(work: Work) -> Document:
    """A row for each size and way of measuring."""
    rows = []
    with stream(work.place, "standard") as made:
        for clients in work.sizes.controller_clients:
            for how in ("exact", "light"):
                work.say(f"{clients} clients, --measure {how}")
                load = Load(
                    clients,
                    ramp_rate(clients),
                    work.sizes.controller_seconds,
                    work.place.cheapest,
                    measure=how,
                )
                outcome = watch(work.place, made, load, label=f"controller{clients}{how[0]}")
                rows.append(outcome.as_dict())
    return {"rows": rows}
