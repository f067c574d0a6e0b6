"""Schemas of what the API takes and gives (JSON Schema 2020-12, as OpenAPI 3.1 has it).

What it takes is made of the tables of settings (core/rig_schema): an item is started from the
same keys as stand in a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hlsswarm.core.rig_schema import json_schema
from hlsswarm.core.rig_sections import BY_NAME, ITEMS

Schema = Mapping[str, Any]

TEXT: Final[Schema] = {"type": "string"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
PORT: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": 65535}
_NUMBER: Final[Schema] = {"type": "number"}
_COUNTS: Final[Schema] = {"type": "object", "additionalProperties": COUNT}
_ANY: Final[Schema] = {"type": "object"}


def named(name: str) -> Schema:
    """One of the schemas by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def items(schema: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": schema}


def record(**properties: Schema) -> Schema:
    """An object that has all of these."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def whole(name: str, **properties: Schema) -> Schema:
    """A document with a schema version."""
    return record(schema={"const": f"hlsswarm.{name}/1"}, **properties)


_STATES: Final = ("waiting", "running", "paused", "stopped", "finished")
_PROBLEM: Final = record(where=TEXT, sentence=TEXT, hint=TEXT)


def components() -> dict[str, Schema]:
    """All schemas with names."""
    return {
        "Error": record(
            error=TEXT, hint={"type": ["string", "null"]}, problems=items(_PROBLEM)
        ),
        "Swarm": record(
            name=TEXT,
            state={"enum": list(_STATES)},
            reason=TEXT,
            url=TEXT,
            clients=record(
                target=COUNT, active=COUNT, started=COUNT, states=_COUNTS,
                stopped_outside=items(TEXT),
            ),
            restarts=COUNT,
            requests=_COUNTS,
            failed_requests=_COUNTS,
            received_bytes=_COUNTS,
            stalls=COUNT,
            thresholds=items(_ANY),
            verdict={"type": ["string", "null"]},
            reasons=items(TEXT),
        ),
        "Row": {
            **record(
                time=COUNT, clients=_COUNTS, segments=COUNT, failed=COUNT, bytes=COUNT,
                segment_p95_seconds={"type": ["number", "null"]}, restarts=COUNT, stalls=COUNT,
                http_errors=COUNT,
            ),
            "description": "One second of a swarm; counts are of that second alone.",
        },
        "Item": record(
            kind={"enum": [each.name for each in ITEMS if each.name != "swarm"]},
            name=TEXT, state={"enum": ["starting", "running", "waiting", "stopped"]}, reason=TEXT,
        ),
        "Rig": whole(
            "rig", manager=TEXT, swarms=items(named("Swarm")), items=items(named("Item")),
            state=record(failures=COUNT, trouble={"type": ["string", "null"]}),
        ),
        "Units": whole(
            "units",
            runs=items(
                record(
                    run=TEXT, manager=TEXT, systemd_version=TEXT, description=TEXT,
                    units=items(record(name=TEXT, active=TEXT, sub=TEXT)),
                )
            ),
        ),
        "Ladder": {**_ANY, "description": "As `hlsswarm ladder list --json` has it."},
        "Fault": record(
            port=PORT, number=COUNT, fault=TEXT, began_at={"type": ["number", "null"]}
        ),
        "Event": record(
            number=COUNT, time=_NUMBER, kind=TEXT, item=TEXT, message=TEXT, role=TEXT,
            client={"type": ["integer", "null"]},
        ),
        "Done": record(done=items(TEXT)),
        "NewFault": closed(
            fault={**TEXT, "description": "Words of `hlsswarm fault start`.",
                   "examples": ["on=segments share=20% status=503 for=30s"]},
        ),
        "NewRendition": {
            **closed(rendition={**TEXT, "examples": ["360p", "mine=640x360@700"]},
                     factory={**TEXT, "default": "x264"}),
            "required": ["rendition"],
        },
        **{f"New{each.name.title()}": _table(each.name) for each in ITEMS},
        "SwarmChange": _changes("swarm"),
    }  # fmt: skip


def closed(**properties: Schema) -> Schema:
    """An object that has these and nothing else."""
    return {**record(**properties), "additionalProperties": False}


def _table(section: str) -> Schema:
    """One table of a section, as the schema of files has it."""
    table: Schema = json_schema()["properties"][section]["items"]
    return table


def _changes(section: str) -> Schema:
    """The settings that a running item can be given."""
    live = {row.name for row in BY_NAME[section].settings if row.live}
    properties = _table(section)["properties"]
    return {
        "type": "object",
        "description": "Settings that can be changed as it runs; of a stopped one, any.",
        "minProperties": 1,
        "properties": {name: schema for name, schema in properties.items() if name in live},
    }
