"""An hour out of seconds."""

from __future__ import annotations

from collections import Counter

from bench.parts.reports import tiled
from hlsswarm.core.timeseries import Row, header_line, read_lines, row_line


def test_rows_come_again_second_by_second() -> None:
    """What was counted stays, the time goes on, and hlsswarm reads it."""
    rows = [Row(1.0, 100, requests=Counter(segment=7)), Row(2.0, 101), Row(3.0, 102)]
    text = header_line("a1", "2026-11-21T00:00:00+00:00") + "".join(map(row_line, rows))
    series = read_lines("\n".join(tiled(text, 8)) + "\n")
    assert series.notes == ()
    assert [row.seconds for row in series.rows] == [float(second) for second in range(1, 9)]
    assert [row.time - series.rows[0].time for row in series.rows] == list(range(8))
    assert [row.requests["segment"] for row in series.rows] == [7, 0, 0, 7, 0, 0, 7, 0]
