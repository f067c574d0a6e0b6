"""CSV of the time series."""

from __future__ import annotations

import csv
import io

from hlsswarm.core.timeseries import Row, TimeSeries
from hlsswarm.report.csv_text import csv_text
from hlsswarm.report.run_directory import RecordedRun
from tests.report.runs import as_recorded, made_run

RUN = as_recorded(made_run(seconds=60, clients=20))


def read(run: RecordedRun) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_text(run)), strict=True))


def test_a_line_for_each_second_with_the_rows_own_figures() -> None:
    lines = read(RUN)
    assert len(lines) == 60
    for line, row in zip(lines, RUN.series.rows, strict=True):
        assert int(line["unix_time"]) == row.time
        assert int(line["clients_streaming"]) == row.clients["streaming"]
        assert int(line["clients_started"]) == row.started
        assert int(line["segment_requests"]) == row.requests["segment"]
        assert int(line["segment_bytes"]) == row.bytes["segment"]
        assert int(line["http_503"]) == row.http_errors[503]
        assert float(line["origin_cpu_share"]) > 0
        p95 = row.segment_seconds.quantile(0.95)
        assert abs(float(line["segment_seconds_p95"] or 0) - p95) < 1e-6


def test_columns_are_the_same_in_every_line() -> None:
    text = csv_text(RUN)
    assert {line.count(",") for line in text.splitlines()} == {text.partition("\n")[0].count(",")}
    assert text.endswith("\n")


def test_what_is_unknown_is_empty() -> None:
    rows = [Row(1, 100), Row(2, 101, origin={"connections": 5.0})]
    lines = read(RecordedRun("r", {}, {}, RUN.measurements, TimeSeries("r", "", rows)))
    assert [line["origin_connections"] for line in lines] == ["", "5"]
    assert [line["segment_seconds_p99"] for line in lines] == ["", ""]
    assert lines[0]["segment_requests"] == "0"


def test_a_run_without_rows_is_a_header() -> None:
    text = csv_text(RecordedRun("r", {}, {}, RUN.measurements, TimeSeries("r", "")))
    assert text.startswith("seconds,unix_time,clients_")
    assert text.count("\n") == 1
