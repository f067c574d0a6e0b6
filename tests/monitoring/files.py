"""What the files below monitoring/ say, as tests need it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.support import REPOSITORY

MONITORING = REPOSITORY / "monitoring"
RULES = MONITORING / "rules.yml"
RULE_TESTS = MONITORING / "rules.test.yml"
DASHBOARD = MONITORING / "dashboard.json"

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_NAME = re.compile(r"(?<![\w:])(?:hlsswarm|process)_\w+")
_RECORDED = re.compile(r"\b(?:swarm|fleet|instance):\w+:\w+")
_SELECTOR = re.compile(r"\{([^}]*)\}")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
_LEGEND = re.compile(r"\{\{\s*(?:with )?(?:\$labels\.)?(?!else|end)(\w+)\s*\}\}")
PROMETHEUS_LABELS = {"job", "instance"}
"""Labels that Prometheus gives each target."""


@dataclass(frozen=True)
class Rule:
    """A recording rule, or an alert, as the text of the file has it."""

    kind: str
    name: str
    text: str
    expression: str


def rules() -> list[Rule]:
    """All rules of rules.yml, in order."""
    found = []
    lines = RULES.read_text().splitlines()
    without_comments = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    for text in re.split(r"^      - (?=record:|alert:)", without_comments, flags=re.MULTILINE)[1:]:
        kind, name = text.split("\n", 1)[0].split(": ")
        match = re.search(r"^ {8}expr: (?:>-\n((?: {10}.*\n?)+)|(.*))", text, re.MULTILINE)
        assert match is not None, name
        found.append(Rule(kind, name, text, " ".join((match[1] or match[2]).split())))
    return found


@dataclass(frozen=True)
class Panel:
    """A panel of the dashboard that shows something."""

    title: str
    description: str
    row: str
    document: dict[str, Any]

    @property
    def queries(self) -> list[str]:
        """Its expressions, with Grafana's variables in them."""
        return [target["expr"] for target in self.document["targets"]]

    @property
    def legends(self) -> list[str]:
        """The words for their series."""
        return [target["legendFormat"] for target in self.document["targets"]]


def dashboard() -> dict[str, Any]:
    """The dashboard as JSON."""
    document: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return document


def panels() -> list[Panel]:
    """All panels but rows."""
    found, row = [], ""
    for document in dashboard()["panels"]:
        if document["type"] == "row":
            row = document["title"]
        else:
            found.append(Panel(document["title"], document["description"], row, document))
    return found


def variable_queries() -> list[str]:
    """The expressions within `label_values(EXPRESSION, LABEL)` of the dashboard's variables."""
    found = []
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            match = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            assert match is not None, variable
            found.append(f"sum by ({match[2]}) ({match[1]})")
    return found


def metric_names(expression: str) -> set[str]:
    """The series of exporters that an expression asks for; recorded ones are not among them."""
    return set(_NAME.findall(_RECORDED.sub("", _STRING.sub("", expression))))


def recorded_names(expression: str) -> set[str]:
    """The recorded series that an expression asks for."""
    return set(_RECORDED.findall(_STRING.sub("", expression)))


def labels(expression: str) -> set[str]:
    """The labels that an expression matches, groups by or joins on."""
    return set(_labels(_STRING.sub('""', expression)))


def _labels(expression: str) -> Iterator[str]:
    for selector in _SELECTOR.findall(expression):
        yield from _MATCHER.findall(selector)
    for names in _GROUPING.findall(expression):
        yield from (name.strip() for name in names.split(",") if name.strip())


def legend_labels(text: str) -> set[str]:
    """The labels that a legend, or the text of an alert, shows."""
    return set(_LEGEND.findall(text))
