"""A whole bench's document, with a figure in every field that a table or a goal reads."""

from __future__ import annotations

from typing import Any

from bench import results

MACHINE = {
    "cpu": "Test CPU",
    "processors": 2,
    "memory_bytes": 24_000_000_000,
    "kernel": "6.1",
    "distribution": "Debian 12",
    "cgroups": "v2",
    "systemd": "systemd 252",
    "nginx": "nginx/1.22",
    "ffmpeg": {"debian": "ffmpeg 5.1", "minimal": "ffmpeg 5.1 minimal"},
    "python": "3.11",
    "hlsswarm": "0.1.0",
}


def swarm_row(clients: int, measure: str = "exact", **more: Any) -> dict[str, Any]:
    """A row as every part with a swarm has it."""
    return {
        "clients": clients,
        "rate": 50,
        "measure": measure,
        "sandbox": "strict",
        "ffmpeg": "minimal",
        "controller": {
            "cpu_seconds": 1.5,
            "until_full_cpu_seconds": 0.9,
            "steady_share": 0.01 * clients / 50,
            "cpu_seconds_per_client_minute": 0.0031,
            "max_rss_bytes": 50_000_000,
            "threads": 2,
            "open_files": clients + 10,
        },
        "systemd": {"cpu_seconds": 0.6, "keeper_cpu_seconds": 0.01, "steady_share": 0.001},
        "machine_busy_share": clients / 4000,
        "verdict": "healthy",
        "ramp": {"lateness_p99_seconds": 0.021, "actual_seconds": 4.1, "planned_seconds": 4.0},
        "delivery": {
            "clients": clients,
            "complete": clients,
            "expected": 10 * clients,
            "delivered": 10 * clients,
            "full_seconds": 4.2,
        },
        **more,
    }


def a_document() -> dict[str, Any]:
    """Every part, all goals met but that of the largest swarm."""
    peer = {
        "ffmpeg": "minimal",
        "measure": "exact",
        "cpu_seconds": 1.0,
        "steady_share": 0.01,
        "systemd_cpu_seconds": None,
        "max_rss_bytes": 40_000_000,
        "threads": 3,
        "open_files": 99,
        "client_pss_bytes": 4_000_000.0,
        "client_cpu_seconds": 0.1,
        "segments_per_client": 34.5,
        "stop_seconds": 0.4,
    }
    parts: dict[str, list[dict[str, Any]]] = {
        "controller": [
            swarm_row(clients, how) for clients in (50, 200) for how in ("exact", "light")
        ],
        "clients": [
            swarm_row(
                50,
                pss_bytes=4_400_000.0,
                memory_bytes_each=4_700_000.0,
                cpu_seconds_per_second=0.0009,
                start_cpu_seconds=0.014,
                systemd_start_cpu_seconds=0.002,
            )
        ],
        "ramp": [
            swarm_row(500, sandbox=sandbox, lateness_p50_seconds=0.004)
            for sandbox in ("off", "strict")
        ],
        "thousand": [
            swarm_row(
                1000,
                stop_seconds=1.25,
                exit_seconds=1.5,
                scrape_seconds=[0.011, 0.012, 0.030],
                scrape_bytes=12_400,
                status_seconds=[0.15, 0.16, 0.2],
                status_cpu_seconds=[0.14, 0.15, 0.19],
            )
        ],
        "capacity": [
            swarm_row(1000, "light", holds=True, pss_bytes=2_700_000.0),
            swarm_row(2000, "light", holds=True, pss_bytes=2_800_000.0),
            swarm_row(3000, "light", holds=False, pss_bytes=2_800_000.0, gives_out="CPU"),
            {"clients": 4000, "rate": 50, "holds": False, "gives_out": "memory"},
        ],
        "dbus": [
            {
                "units": 1000,
                "starts_per_second": 500.0,
                "start_call_p50_seconds": 0.0004,
                "start_call_p99_seconds": 0.02,
                "start_cpu_seconds": 0.0003,
                "systemd_start_cpu_seconds": 0.0013,
                "event_cpu_seconds": 0.000064,
                "events_per_second": 15_731.0,
                "list_seconds": 0.004,
                "state_seconds": 0.0003,
                "stop_seconds": 1.0,
                "stopped_units": 2000,
            }
        ],
        "report": [
            {
                "format": "html",
                "seconds": 0.9,
                "cpu_seconds": 0.8,
                "max_rss_bytes": 60_000_000,
                "output_bytes": 900_000,
            }
        ],
        "startup": [
            {
                "command": "hlsswarm --help",
                "p50_seconds": 0.114,
                "max_seconds": 0.12,
                "cpu_seconds": 0.113,
            }
        ],
        "peers": [
            {
                "program": "go-ffmpeg-hls-swarm",
                **peer,
                "cpu_seconds": 3.0,
                "max_rss_bytes": 68_000_000,
            },
            {"program": "sb_hls_load", "failed": "it ended by itself"},
            {"program": "hlsswarm", **peer},
        ],
    }
    document = results.fresh(MACHINE, quick=False)
    for name, rows in parts.items():
        document = results.merged(document, MACHINE, name, {"rows": rows})
    return document
