"""What a cgroup has used, in words, in cells and as JSON."""

from __future__ import annotations

import json

from hlsswarm.core.cgroup_text import Stall
from hlsswarm.core.usage import USAGE_COLUMNS, Usage, usage_cells, usage_document, usage_words

NOTHING = Usage()
MUCH = Usage(
    cpu_seconds=12.34,
    memory_peak_bytes=64_000_000,
    memory_bytes=12_300_000,
    tasks=1,
    read_bytes=4096,
    written_bytes=0,
    throttled=7,
    stalls={"cpu": Stall(0.25, 3.0, 0.0, 0.0), "memory": Stall(0.0, 0.0, 0.0, 0.0)},
)


def test_words() -> None:
    assert usage_words(MUCH) == (
        "12.3 MB of memory (at most 64 MB), 12.3 s of CPU, throttled 7 times, 1 task, "
        "4.1 kB read and 0 B written on disks, pressure cpu 25%, memory 0%"
    )
    assert usage_words(NOTHING) == "nothing that this machine accounts"


def test_cells_are_as_many_as_there_are_columns() -> None:
    assert usage_cells(MUCH) == ("12.3", "12.3 MB", "64 MB", "1", "4.1 kB", "0 B", "25%/0%")
    assert usage_cells(NOTHING) == ("-",) * len(USAGE_COLUMNS)
    assert len(usage_cells(MUCH)) == len(USAGE_COLUMNS)


def test_json_says_what_is_not_accounted() -> None:
    assert usage_document(NOTHING)["memory_bytes"] is None
    assert usage_document(NOTHING)["pressure"] == {}
    read = json.loads(json.dumps(usage_document(MUCH)))
    assert read["pressure"]["cpu"]["some_share"] == 0.25
    assert read["throttled_periods"] == 7
