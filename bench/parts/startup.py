"""How long the program itself takes to start: `hlsswarm --help` and `--version`."""

from __future__ import annotations

from bench.compare import percentile
from bench.parts import Document, Work
from bench.place import timed

COMMANDS = (("--version",), ("--help",), ("run", "--help"))


def measure(work: Work) -> Document:
    """A row for each command: the median and the worst of several."""
    rows = []
    for words in COMMANDS:
        timed(work.place, *words)  # the first one reads from the disk
        times = [timed(work.place, *words) for _ in range(work.sizes.repeats)]
        rows.append(
            {
                "command": " ".join(("hlsswarm", *words)),
                "p50_seconds": percentile([one.seconds for one in times], 0.5),
                "max_seconds": max(one.seconds for one in times),
                "cpu_seconds": percentile([one.cpu_seconds for one in times], 0.5),
            }
        )
    return {"rows": rows}
