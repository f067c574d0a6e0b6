"""rules.yml by promtool, and held against what we say and what we emit elsewhere."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from hlsswarm.core import verdict
from hlsswarm.core.saturation import MEMORY_PRESSURE_SHARE, OWN_CPU_SHARE
from tests.lab.prometheus import promtool
from tests.monitoring.files import MONITORING, RULE_TESTS, RULES, Rule, recorded_names, rules
from tests.support import REPOSITORY

ALERTS = {rule.name: rule for rule in rules() if rule.kind == "alert"}


def bound(alert: str) -> float:
    """The number that an alert's expression ends with."""
    return float(ALERTS[alert].expression.split()[-1])


def test_promtool_accepts_rules_and_configuration() -> None:
    checked = promtool("check", "rules", RULES)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(rules())} rules found" in checked.stdout
    checked = promtool("check", "config", MONITORING / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_promtool_accepts_what_compose_gives_prometheus(tmp_path: Path) -> None:
    """The files as its service mounts them, side by side."""
    for path in (REPOSITORY / "containers" / "prometheus.yml", RULES):
        shutil.copy(path, tmp_path)
    checked = promtool("check", "config", tmp_path / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "1 rule files found" in checked.stdout


def test_every_alert_fires_when_it_should() -> None:
    tested = promtool("test", "rules", RULE_TESTS)
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_case_that_fires_and_one_that_does_not(alert: str) -> None:
    cases = re.findall(rf"alertname: {alert}\n +exp_alerts:(.*)\n", RULE_TESTS.read_text())
    fires = [not rest.strip() for rest in cases]
    assert any(fires)
    assert fires.count(False) >= 2, "beside the healthy rig, one near the border"


@pytest.mark.parametrize("rule", ALERTS.values(), ids=ALERTS)
def test_an_alert_says_what_is_wrong_and_what_to_do(rule: Rule) -> None:
    severity = re.search(r"severity: (\w+)", rule.text)
    assert severity is not None
    assert severity[1] in {"critical", "warning", "info"}
    for name in ("summary", "description", "runbook"):
        assert f"          {name}: " in rule.text, name
    page = (REPOSITORY / "docs" / "monitoring.md").read_text()
    assert f"runbook: docs/monitoring.md#{rule.name.lower()}\n" in rule.text + "\n"
    assert re.search(rf"^### {rule.name}$", page, re.MULTILINE), "the page has no such heading"


def test_what_is_recorded_is_there_before_it_is_used() -> None:
    known: set[str] = set()
    for rule in rules():
        assert recorded_names(rule.expression) <= known, rule.name
        if rule.kind == "record":
            assert rule.name not in known
            known.add(rule.name)


def test_bounds_are_those_of_a_runs_verdict() -> None:
    assert bound("HlsswarmSwarmFailing") == verdict.FAILING_SHARE
    assert bound("HlsswarmSwarmAtLimit") == verdict.HEALTHY_SHARE
    assert bound("HlsswarmRequestsFail") == verdict.HEALTHY_FAILURE_RATE
    assert bound("HlsswarmRequestsFailWidely") == verdict.FAILING_FAILURE_RATE
    assert bound("HlsswarmRampLate") == verdict.LATENESS_TOLD_SECONDS
    assert bound("HlsswarmControllerBusy") == OWN_CPU_SHARE
    assert bound("HlsswarmGeneratorSaturated") == MEMORY_PRESSURE_SHARE
