"""The tests of units and restarts pass on every kind of manager, and on a later systemd.

Here they ran on the machine's own embedded one; these run the same files on the system manager and
the user manager of a throw-away machine, and on an embedded systemd that has restart steps.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from hlsswarm.units.embedded import SYSTEMD_ENVIRONMENT
from tests.lab.machine_groups import REPOSITORY
from tests.lab.system_machine import SystemMachine
from tests.lab.systemd_versions import later_systemd
from tests.units import test_manager as units_tests

FILES = (
    Path(units_tests.__file__),
    Path(units_tests.__file__).with_name("test_graceful_stop.py"),
    REPOSITORY / "tests/controller/test_restarts.py",
    REPOSITORY / "tests/controller/test_limits.py",
    REPOSITORY / "tests/units/test_sandbox.py",
    REPOSITORY / "tests/units/test_secrets.py",
)
_TIMEOUT_SECONDS = 240.0
_PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", "-rs")
_ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(REPOSITORY)}
Done = subprocess.CompletedProcess[str]


def in_machine(machine: SystemMachine, kind: str) -> Done:
    run = machine.run_as_user if kind == "user" else machine.run
    return run(
        [*_PYTEST, *FILES],
        env={**_ENVIRONMENT, "HLSSWARM_TEST_MANAGER": kind},
        timeout=_TIMEOUT_SECONDS,
    )


def on_a_later_systemd() -> Done:
    return subprocess.run(
        [*_PYTEST, *FILES],
        cwd=REPOSITORY,
        env={**os.environ, **_ENVIRONMENT, **later_systemd().environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_SECONDS,
    )


@pytest.fixture(scope="module")
def results() -> Iterator[dict[str, Future[Done]]]:
    """All three at the same time: they wait most of their time."""
    with SystemMachine() as machine, ThreadPoolExecutor() as pool:
        actions: dict[str, Callable[[], Done]] = {
            "system": lambda: in_machine(machine, "system"),
            "user": lambda: in_machine(machine, "user"),
            "later": on_a_later_systemd,
        }
        yield {name: pool.submit(action) for name, action in actions.items()}


@pytest.mark.parametrize("kind", ["system", "user", "later"])
def test_the_same_holds(results: dict[str, Future[Done]], kind: str) -> None:
    done = results[kind].result()
    said = done.stdout[-6000:] + done.stderr[-2000:]
    assert done.returncode == 0, said
    assert " passed" in said or "[100%]" in said
    assert "skipped" not in said


def test_the_later_systemd_has_restart_steps() -> None:
    asked = (
        "from tests.units.live import opened\n"
        "with opened('embedded') as live: print(live.abilities.version, live.abilities.lacks())\n"
        "assert live.abilities.restart_steps\n"
    )
    environment = later_systemd().environment
    assert environment[SYSTEMD_ENVIRONMENT]
    done = subprocess.run(
        [sys.executable, "-c", asked],
        cwd=REPOSITORY,
        env={**os.environ, **_ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) >= 254
    assert "restart steps" not in done.stdout
