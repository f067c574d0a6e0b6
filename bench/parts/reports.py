"""(8) What a report over an hour costs. The hour is a real run's seconds, over and over."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.parts import Document, Work
from bench.place import stream, timed
from bench.sizes import ramp_rate
from bench.swarm import Load, watch
from hlsswarm.report.run_directory import TIMESERIES_FILE

FORMATS = ("text", "json", "html", "junit", "csv")
_REAL_SECONDS = 20.0


def measure(work: Work) -> Document:
    """A row for each format."""
    sizes, kept = work.sizes, work.place.root / "report"
    with stream(work.place, "standard") as made:
        work.say(f"{sizes.report_clients} clients for {_REAL_SECONDS:g} s, as material")
        rate = ramp_rate(sizes.report_clients)
        load = Load(sizes.report_clients, rate, _REAL_SECONDS, work.place.cheapest, out=kept)
        watch(work.place, made, load, label="report")
    rows_file = kept / TIMESERIES_FILE
    rows_file.write_text("\n".join(tiled(rows_file.read_text(), sizes.report_seconds)) + "\n")
    work.say(f"reports over {sizes.report_seconds} s of rows")
    rows = [_report(work, kept, name) for name in FORMATS]
    return {
        "clients": sizes.report_clients,
        "seconds": sizes.report_seconds,
        "rows_bytes": rows_file.stat().st_size,
        "rows": rows,
    }


def _report(work: Work, kept: Path, name: str) -> Document:
    output = work.place.root / f"report.{name}"
    took = timed(work.place, "report", str(kept), "--format", name, "--output", str(output))
    return {
        "format": name,
        "seconds": took.seconds,
        "cpu_seconds": took.cpu_seconds,
        "max_rss_bytes": took.max_rss_bytes,
        "output_bytes": output.stat().st_size,
    }


def tiled(text: str, seconds: int) -> Iterator[str]:
    """A time series' lines, its rows repeated until there is one for each of so many seconds."""
    header, *lines = [line for line in text.split("\n") if line]
    yield header
    rows = [json.loads(line) for line in lines]
    began = rows[0]["time"]
    for second, row in zip(range(1, seconds + 1), _again(rows), strict=False):
        yield json.dumps(row | {"seconds": float(second), "time": began + second})


def _again(rows: Iterable[Document]) -> Iterator[Document]:
    known = list(rows)
    while True:
        yield from known
