"""Rules and dashboard on the figures of a real run and a real rig, in a real Prometheus."""

from __future__ import annotations

import math
import re
import time
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from hlsswarm.metrics.ladder import TranscoderFigures, ladder_registry
from tests.lab.prometheus import promtool
from tests.monitoring.files import (
    PROMETHEUS_LABELS,
    Panel,
    labels,
    legend_labels,
    metric_names,
    panels,
    rules,
    variable_queries,
)
from tests.monitoring.live import RIG_CLIENTS, Live, live

_VARIABLES = {"$__rate_interval": "10s", "$__range": "1m", "$__interval": "1s"}


@pytest.fixture(scope="module")
def running() -> Iterator[Live]:
    with live() as made:
        yield made


def expositions(running: Live) -> list[str]:
    """What the run, the rig and a ladder's runner tell."""
    texts = []
    for port in (running.run_metrics, running.rig_metrics):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            texts.append(answer.read().decode())
    figures = TranscoderFigures("x264", "720p", 3, 1000, {"running": 1})
    return [*texts, generate_latest(ladder_registry(lambda: [figures])).decode()]


def emitted(running: Live) -> dict[str, set[str]]:
    """The labels of each series that we emit."""
    found: dict[str, set[str]] = {}
    for text in expositions(running):
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    return found


def resolved(expression: str) -> str:
    """An expression of the dashboard as Grafana asks it when everything is selected."""
    for name, value in _VARIABLES.items():
        expression = expression.replace(name, value)
    return re.sub(r"\$\w+", ".*", expression)


def finite_values(running: Live, expression: str) -> list[float]:
    """All values of the last minute that are numbers."""
    now = time.time()
    answer = running.server.ask("query_range", query=expression, start=now - 60, end=now, step=1)
    values = [float(value) for series in answer["result"] for _, value in series["values"]]
    return [value for value in values if math.isfinite(value)]


def test_promtool_likes_our_metrics(running: Live) -> None:
    for text in expositions(running):
        checked = promtool("check", "metrics", text=text)
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_rules_and_dashboard_name_only_what_we_emit(running: Live) -> None:
    known = emitted(running)
    all_labels = PROMETHEUS_LABELS.union(*known.values(), {"severity"})
    asked = [(rule.name, rule.expression, rule.text) for rule in rules()]
    for panel in panels():
        asked += [(panel.title, query, " ".join(panel.legends)) for query in panel.queries]
    asked += [("a variable", query, "") for query in variable_queries()]
    for where, expression, text in asked:
        names = metric_names(expression)
        assert names <= set(known), (where, names - set(known))
        used = labels(expression) | legend_labels(text)
        assert used <= all_labels, (where, used - all_labels)
    assert len(asked) > 90


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel.title)
def test_no_panel_is_empty(running: Live, panel: Panel) -> None:
    for query in panel.queries:
        assert finite_values(running, resolved(query)), query


def test_variables_have_values(running: Live) -> None:
    for query in variable_queries():
        assert running.server.ask("query", query=resolved(query))["result"], query


def test_every_recording_rule_records(running: Live) -> None:
    for rule in rules():
        if rule.kind == "record":
            assert finite_values(running, rule.name), rule.name


def test_no_rule_is_broken(running: Live) -> None:
    groups = running.server.ask("rules")["groups"]
    found = [rule for group in groups for rule in group["rules"]]
    assert len(found) == len(rules())
    assert {rule["health"] for rule in found} == {"ok"}, [rule.get("lastError") for rule in found]


def test_merged_over_hosts_it_is_one_series_of_a_kind(running: Live) -> None:
    kinds = running.server.ask(
        "query", query='fleet:hlsswarm_request_seconds:p95_5m{job="hlsswarm"}'
    )
    found = sorted(result["metric"]["kind"] for result in kinds["result"])
    assert found == ["playlist", "segment"]


def test_a_rig_tells_of_its_own_work_and_of_what_its_clients_use(running: Live) -> None:
    value = running.server.value
    assert value('hlsswarm_ramp_lateness_seconds_count{job="hlsswarm"}') == RIG_CLIENTS
    assert (value('hlsswarm_dbus_call_seconds_count{job="hlsswarm"}') or 0) > RIG_CLIENTS
    for name in ("memory_bytes", "cpu_seconds_total"):
        assert value(f'hlsswarm_clients_{name}{{job="hlsswarm", swarm="evening"}}'), name
