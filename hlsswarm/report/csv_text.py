"""A run's time series as CSV: a header, and a line each second. Pure text.

Counts are of that second; times are in seconds and empty where no segment ended; columns are the
same for every run, but for those of HTTP statuses and of the origin, which are the run's own.
"""

from __future__ import annotations

import csv
import io

from hlsswarm.core.measurements import REQUEST_KINDS
from hlsswarm.core.states import ClientState
from hlsswarm.core.timeseries import Row
from hlsswarm.report.run_directory import RecordedRun

_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


def csv_text(run: RecordedRun) -> str:
    """The lines, with their newlines."""
    rows = run.series.rows
    statuses = sorted({status for row in rows for status in row.http_errors})
    readings = sorted({name for row in rows for name in row.origin})
    used = sorted({name for row in rows for name in row.used})
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    lines = [_columns(row, statuses, readings, used) for row in rows]
    writer.writerow(_columns(Row(0, 0), statuses, readings, used))
    writer.writerows(list(line.values()) for line in lines)
    return file.getvalue()


def _columns(row: Row, statuses: list[int], readings: list[str], used: list[str]) -> dict[str, str]:
    """A row's cells by the names of their columns."""
    times = row.segment_seconds
    return {
        "seconds": f"{row.seconds:.3f}",
        "unix_time": str(row.time),
        **{f"clients_{state}": str(row.clients[state]) for state in ClientState},
        "clients_started": str(row.started),
        "restarts": str(row.restarts),
        **{f"{kind}_requests": str(row.requests[kind]) for kind in REQUEST_KINDS},
        **{f"{kind}_failed": str(row.failed[kind]) for kind in REQUEST_KINDS},
        **{f"{kind}_bytes": str(row.bytes[kind]) for kind in REQUEST_KINDS},
        **{
            f"segment_seconds_{name}": f"{times.quantile(share):.6f}" if times.count else ""
            for name, share in _QUANTILES.items()
        },
        "stalls": str(row.stalls),
        "sessions_failed": str(row.sessions_failed),
        **{f"http_{status}": str(row.http_errors[status]) for status in statuses},
        **{f"origin_{n}": f"{row.origin[n]:.6g}" if n in row.origin else "" for n in readings},
        **{f"clients_{n}": f"{row.used[n]:.6g}" if n in row.used else "" for n in used},
        "generator_cpu_share": f"{row.generator_cpu_share:.4f}",
        "telemetry_dropped_bytes": str(row.dropped_bytes),
    }
