"""(4, 6, 7) A thousand clients: stop time, /metrics, and what `status` costs beside them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from bench.metrics_text import scrape
from bench.origin import free_port
from bench.parts import Document, Work
from bench.place import stream, timed
from bench.swarm import Load, Watched, watch

_BETWEEN_SECONDS = 0.5


def measure(work: Work) -> Document:
    """One row: the run with everything that was looked at."""
    sizes = work.sizes
    load = Load(
        sizes.thousand,
        sizes.thousand_rate,
        sizes.thousand / sizes.thousand_rate + sizes.thousand_seconds,
        work.place.cheapest,
        metrics=f"127.0.0.1:{free_port()}",
        interrupt=True,
    )
    work.say(f"{load.clients} clients: /metrics, status, stop")
    with stream(work.place, "standard") as made:
        outcome = watch(work.place, made, load, label="thousand", look=_look(sizes.repeats))
    ends = {"stop_seconds": outcome.stop_seconds, "exit_seconds": outcome.exit_seconds}
    return {"rows": [outcome.as_dict() | dict(outcome.looked) | ends]}


def _look(repeats: int) -> Callable[[Watched], Mapping[str, Any]]:
    def look(watched: Watched) -> Mapping[str, Any]:
        scrapes = []
        for _ in range(repeats):
            scrapes.append(scrape(watched.load.metrics))
            time.sleep(_BETWEEN_SECONDS)
        asked = [timed(watched.place, "status") for _ in range(max(1, repeats // 3))]
        return {
            "scrape_seconds": sorted(one.seconds for one in scrapes),
            "scrape_bytes": len(scrapes[-1].text),
            "status_seconds": sorted(one.seconds for one in asked),
            "status_cpu_seconds": sorted(one.cpu_seconds for one in asked),
        }

    return look
