"""(3) How fast a swarm is there, and how late starts are; by rate and sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.metrics_text import quantile, scrape
from bench.origin import free_port
from bench.parts import Document, Work
from bench.place import stream
from bench.swarm import Load, Watched, watch

_LATENESS = "hlsswarm_ramp_lateness_seconds"


def measure(work: Work) -> Document:
    """A row for each rate and sandbox."""
    rows = []
    with stream(work.place, "standard") as made:
        for rate, clients in work.sizes.ramps:
            for sandbox in ("off", "strict"):
                work.say(f"{clients} clients at {rate:g}/s, sandbox {sandbox}")
                load = Load(
                    clients,
                    rate,
                    clients / rate + work.sizes.ramp_after_seconds,
                    work.place.cheapest,
                    sandbox=sandbox,
                    metrics=f"127.0.0.1:{free_port()}",
                )
                label = f"ramp{rate:g}{sandbox[:3]}"
                outcome = watch(work.place, made, load, label=label, look=_look)
                rows.append(outcome.as_dict() | dict(outcome.looked))
    return {"rows": rows}


def _look(watched: Watched) -> Mapping[str, Any]:
    text = scrape(watched.load.metrics).text
    return {"lateness_p50_seconds": quantile(text, _LATENESS, 0.5)}
