"""The script that an engine asks for a container's health: what it asks, of whom."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from types import ModuleType

import pytest

from tests.support import REPOSITORY

SCRIPT = REPOSITORY / "containers" / "health"
PLAYLIST, FIGURES = "http://127.0.0.1:8080/stream.m3u8", "http://127.0.0.1:9090/healthz"


@pytest.fixture(scope="module")
def health() -> ModuleType:
    loader = SourceFileLoader("container_health", str(SCRIPT))
    specification = importlib.util.spec_from_loader("container_health", loader)
    assert specification is not None
    made = importlib.util.module_from_spec(specification)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(made)
    finally:
        sys.dont_write_bytecode = before
    return made


@pytest.mark.parametrize(
    ("line", "variables", "url"),
    [
        ("origin run", {}, PLAYLIST),
        ("origin run --port 8099 --tls", {}, "https://127.0.0.1:8099/stream.m3u8"),
        ("origin run", {"PORT": "8099", "TLS": "on"}, "https://127.0.0.1:8099/stream.m3u8"),
        ("run http://h/a", {}, FIGURES),
        ("run http://h/a", {"METRICS": "0.0.0.0:9100"}, "http://127.0.0.1:9100/healthz"),
        ("run --metrics=:9200", {"METRICS": "off"}, "http://127.0.0.1:9200/healthz"),
        ("run http://h/a", {"METRICS": ""}, FIGURES),  # an empty variable is as good as none
        ("run http://h/a", {"METRICS": "off"}, None),
        ("run --metrics off http://h/a", {"METRICS": "0.0.0.0:9090"}, None),
    ],
)
def test_what_has_to_answer(
    health: ModuleType, line: str, variables: dict[str, str], url: str | None
) -> None:
    environment = {f"HLSSWARM_{name}": value for name, value in variables.items()}
    assert health.url_of(["hlsswarm", *line.split(), ""], environment) == url


def in_a_container(command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    """The script beside a first process with this environment, in a namespace of its own."""
    first = f'"{sys.executable}" -I "{SCRIPT}"; exit $?'
    return subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", first, *command],
        env={"PATH": "/usr/bin:/bin", **variables},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_metrics_that_are_off_are_no_illness() -> None:
    done = in_a_container(["run", "http://h/a"], HLSSWARM_METRICS="off")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Metrics are off: there is nothing to ask.\n"


@pytest.mark.parametrize("metrics", ["127.0.0.1:1", "nonsense", "[::1"])
def test_what_does_not_answer_is_one_sentence(metrics: str) -> None:
    done = in_a_container(["run", "http://h/a"], HLSSWARM_METRICS=metrics)
    assert done.returncode == 1
    assert done.stderr.startswith("http://127.0.0.1:")
    assert done.stderr.count("\n") == 1, done.stderr
