"""The OpenAPI document says what the router does, and nothing else."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

import jsonschema
import pytest

from hlsswarm.api.errors import ApiError
from hlsswarm.api.routes import Router
from hlsswarm.api.schemas import components
from hlsswarm.api.table import OPERATIONS, document
from hlsswarm.core.rig_schema import json_schema

DOCUMENT = document()
DOCUMENTED = [
    (method.upper(), path, described)
    for path, methods in DOCUMENT["paths"].items()
    for method, described in methods.items()
]


def references(value: Any) -> list[str]:
    """Every $ref below a value."""
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [each for child in value.values() for each in references(child)]
    return (
        [each for child in value for each in references(child)] if isinstance(value, list) else []
    )


def filled(path: str) -> str:
    """A path with a value in each place that the document allows there."""
    values = {"section": "origin", "port": "8080", "number": "1", "file": "rig.js"}
    return re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], "main"), path)


def test_every_route_is_documented_and_every_documented_one_is_routed() -> None:
    routed = {(each.method, each.path): each for each in OPERATIONS}
    assert len(routed) == len(OPERATIONS)
    assert set(routed) == {(method, path) for method, path, _ in DOCUMENTED}
    router = Router(OPERATIONS)
    for method, path, described in DOCUMENTED:
        found = router.find(method, filled(path)).operation
        assert (found.method, found.path, found.name) == (method, path, described["operationId"])
        in_path = {each["name"] for each in described.get("parameters", ()) if each["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", path))


def test_names_are_unique_and_references_lead_somewhere() -> None:
    names = [described["operationId"] for _, _, described in DOCUMENTED]
    assert len(names) == len(set(names))
    there = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert set(references(DOCUMENT)) <= there
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT


@pytest.mark.parametrize("name", components())
def test_every_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(components()[name])


def test_items_are_started_from_what_stands_in_files() -> None:
    schemas = components()
    for section in ("origin", "encoder", "ladder", "publisher", "swarm"):
        table = json_schema()["properties"][section]["items"]
        assert schemas[f"New{section.title()}"] == table
    assert "clients" in schemas["SwarmChange"]["properties"]
    assert "url" not in schemas["SwarmChange"]["properties"]


def test_only_what_shows_nothing_answers_without_a_token() -> None:
    assert {each.path for each in OPERATIONS if each.open} == {"/", "/healthz", "/page/{file}"}
    for _, path, described in DOCUMENTED:
        is_open = path in {"/", "/healthz", "/page/{file}"}
        assert ("401" in described["responses"]) != is_open
        assert ("security" in described) == is_open


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/swarms/", 404),
        ("GET", "/v1/swarms/a/b/c", 404),
        ("GET", "/v1/items/swarm/x", 404),
        ("POST", "/v1/origins/0/faults", 404),
        ("POST", "/v1/origins/65536/faults", 404),
        ("POST", "/v1/origins/8080.5/faults", 404),
        ("GET", "/v1/swarms/%ff", 404),
        ("GET", "/v1/swarms/%00", 404),
        ("GET", "/page/..%2f..%2fserver.py", 404),
        ("PUT", "/v1/rig", 405),
        ("DELETE", "/v1/swarms", 405),
        ("TRACE", "/", 405),
    ],
)
def test_what_is_not_there_is_refused(method: str, path: str, status: int) -> None:
    with pytest.raises(ApiError) as raised:
        Router(OPERATIONS).find(method, path)
    assert raised.value.status == HTTPStatus(status)


def test_a_name_may_have_a_slash_when_it_is_quoted() -> None:
    found = Router(OPERATIONS).find("GET", "/v1/items/encoder/live%2Fcam1")
    assert found.path == {"section": "encoder", "name": "live/cam1"}
