"""What the API tells of a rig, as JSON: what runs, and what is known but does not run."""

from __future__ import annotations

from typing import Any

from hlsswarm.controller.runs import RunStatus
from hlsswarm.core.headers import redact
from hlsswarm.core.rig import Item
from hlsswarm.core.timeseries import Row
from hlsswarm.rig.rig import Rig
from hlsswarm.rig.steering import Steering

UNITS_SCHEMA = "hlsswarm.units/1"
_DISABLED = "it was stopped by order, or is disabled"


def rig_document(steering: Steering) -> dict[str, Any]:
    """The whole rig (schema `hlsswarm.rig/1`)."""
    return {
        **steering.rig.overview(),
        "swarms": swarm_documents(steering),
        "items": item_documents(steering),
    }


def swarm_documents(steering: Steering) -> list[dict[str, Any]]:
    """Every swarm, in the file's order."""
    names = {item.name: item for item in steering.config.swarms}
    return [swarm_document(steering, item) for item in names.values()]


def swarm_document(steering: Steering, item: Item[Any]) -> dict[str, Any]:
    """One swarm, running or not."""
    if item.name in steering.rig.swarms:
        document = steering.rig.swarm_overview(item.name)
        if document["state"] == "stopped" and not document["reason"]:
            document["reason"] = _DISABLED
        return document
    return {
        "name": item.name,
        "state": "stopped",
        "reason": _DISABLED,
        "url": redact(str(item.values.get("url") or "")),
        "clients": {
            "target": item.values["clients"],
            "active": 0,
            "started": 0,
            "states": {},
            "stopped_outside": [],
        },
        "restarts": 0,
        "requests": {},
        "failed_requests": {},
        "received_bytes": {},
        "stalls": 0,
        "thresholds": [],
        "verdict": None,
        "reasons": [],
    }


def item_documents(steering: Steering) -> list[dict[str, Any]]:
    """Everything that is no swarm."""
    items = [item for item in steering.config.items() if item.section != "swarm"]
    return [item_document(steering.rig, item) for item in items]


def item_document(rig: Rig, item: Item[Any]) -> dict[str, Any]:
    """One of them, running or not."""
    kept = rig.items.get((item.section, item.name))
    if kept is not None:
        return kept.document()
    return {"kind": item.section, "name": item.name, "state": "stopped", "reason": _DISABLED}


def row_document(row: Row) -> dict[str, Any]:
    """One second of a swarm, small enough to be asked for every few seconds."""
    times = row.segment_seconds
    return {
        "time": row.time,
        "clients": dict(row.clients),
        "segments": row.requests["segment"],
        "failed": row.failed.total(),
        "bytes": row.bytes.total(),
        "segment_p95_seconds": round(times.quantile(0.95), 6) if times.count else None,
        "restarts": row.restarts,
        "stalls": row.stalls,
        "http_errors": row.http_errors.total(),
    }


def units_document(found: list[RunStatus]) -> dict[str, Any]:
    """Every unit of every run, as systemd has it."""
    return {
        "schema": UNITS_SCHEMA,
        "runs": [
            {
                "run": run.run,
                "manager": run.manager,
                "systemd_version": run.systemd_version,
                "description": run.description,
                "units": [
                    {"name": unit.name, "active": unit.active, "sub": unit.sub}
                    for unit in run.units
                ],
            }
            for run in found
        ],
    }


def not_ready(rig: Rig) -> list[str]:
    """What has not started yet."""
    swarms = [f"swarm {name}" for name, each in rig.swarms.items() if each.state == "waiting"]
    items = [each.label for each in rig.items.values() if each.state in {"starting", "waiting"}]
    return swarms + items
