"""The JSON Schema of a rig's file, held against what reads such files."""

from __future__ import annotations

import json
import os
import tomllib
from typing import Any

import jsonschema
import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings

from hlsswarm.core import rig_schema
from hlsswarm.core.rig_reading import read_rig
from hlsswarm.core.rig_sections import BY_NAME
from hlsswarm.core.setting_values import read_value
from tests.core.rig_documents import any_documents, right_documents
from tests.support import REPOSITORY

SCHEMA = rig_schema.json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
DOCUMENTATION = REPOSITORY / "docs" / "configuration.md"
BEGIN, END = "<!-- options: begin -->\n", "<!-- options: end -->\n"
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize("name", BY_NAME)
def test_examples_and_defaults_keep_to_their_own_schema(name: str) -> None:
    table = SCHEMA["properties"][name]
    properties = table.get("items", table)["properties"]
    for key, schema in properties.items():
        validator = jsonschema.Draft202012Validator(schema)
        if "default" in schema:
            assert validator.is_valid(schema["default"]), key
        one = jsonschema.Draft202012Validator(schema.get("items", schema))
        for example in schema.get("examples", ()):
            assert one.is_valid(example), key


@pytest.mark.parametrize("name", BY_NAME)
def test_examples_and_bounds_are_read(name: str) -> None:
    for row in BY_NAME[name].settings:
        kind = row.kind
        assert kind.example is None or read_value(row, kind.example) is not None, row.name
        for bound in (kind.minimum, kind.maximum):
            if bound and "number" not in kind.types:
                assert read_value(row, int(bound)) is not None, row.name


@SLOW
@given(right_documents())
def test_right_documents_are_right_for_both(document: dict[str, Any]) -> None:
    text = tomli_w.dumps(document)
    assert read_rig(text).problems == ()
    assert list(VALIDATOR.iter_errors(tomllib.loads(text))) == []


@SLOW
@given(any_documents())
def test_what_is_read_is_allowed_and_all_else_is_told(document: dict[str, Any]) -> None:
    text = tomli_w.dumps(document)
    reading = read_rig(text)
    if reading.config is not None:
        assert reading.problems == ()
        assert list(VALIDATOR.iter_errors(tomllib.loads(text))) == []
        return
    assert reading.problems
    for problem in reading.problems:
        assert problem.sentence.endswith((".", "?")), problem
        assert problem.line is not None
        assert 1 <= problem.line <= text.count("\n") + 1


@pytest.mark.parametrize(
    "text",
    [
        '[[swarm]]\nname = "a"\n',
        '[[swarm]]\nurl = "http://h/x"\n',
        '[[swarm]]\nname = "a"\nurl = "ftp://h/x"\n',
        '[[swarm]]\nname = "a"\nurl = "http://h/x"\nclients = 0\n',
        '[[swarm]]\nname = "a"\nurl = "http://h/x"\nclients = "3"\n',
        '[[swarm]]\nname = "a"\nurl = "http://h/x"\nduration = "soon"\n',
        '[[swarm]]\nname = "a"\nurl = "http://h/x"\nout = "results"\n',
        '[[swarm]]\nname = "a"\nurl = "http://h/x"\nno_cache = true\n',
        '[swarm]\nname = "a"\n',
        '[[origin]]\nname = "a"\nport = 0\n',
        '[[encoder]]\nname = "a"\nenabled = true\n',
        'manager = "mine"\n',
        "[metrics]\nlisten = 9090\n",
        "[[ladder]]\nname = 3\n",
    ],
)
def test_both_refuse(text: str) -> None:
    assert not VALIDATOR.is_valid(tomllib.loads(text))
    assert read_rig(text).problems


def test_options_are_the_rows() -> None:
    rows = rig_schema.options()
    by_name = {row["name"]: row for row in rows}
    assert len(by_name) == len(rows) == 1 + sum(len(each.rows) for each in BY_NAME.values())
    assert by_name["swarm.*.clients"]["default"] == 10
    assert by_name["swarm.*.clients"]["live"]
    assert not by_name["swarm.*.measure"]["live"]
    assert by_name["swarm.*.client-memory-max"]["default"] == "256M"
    assert by_name["limits.cpu-quota"]["example"] == "150%"
    assert "%%" not in json.dumps(rows)


def test_the_documentation_is_up_to_date() -> None:
    """UPDATE_GOLDEN=1 renews it."""
    before, _, rest = DOCUMENTATION.read_text().partition(BEGIN)
    table, end, after = rest.partition(END)
    assert end
    wanted = "\n" + rig_schema.markdown() + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        DOCUMENTATION.write_text(before + BEGIN + wanted + END + after)
        return
    assert table == wanted, "run this test with UPDATE_GOLDEN=1"
