"""The scripts of tests/vm are right for both drivers: the checks that a NixOS test runs on them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.vm_driver import SCRIPTS, machines_of
from tests.support import REPOSITORY

PRELUDE = """\
from typing import cast
from tests.lab.vm_names import NixosMachine, StartAll, Subtest
start_all = cast(StartAll, None)
subtest = cast(Subtest, None)
machines = cast(list[NixosMachine], None)
"""


def typed(script: Path, text: str | None = None) -> str:
    """A script with the names that its driver gives it, as a module."""
    names = "".join(
        f"{machine.name} = cast(NixosMachine, None)\n" for machine in machines_of(script)
    )
    return PRELUDE + names + (script.read_text() if text is None else text)


def checked(directory: Path, text: str) -> subprocess.CompletedProcess[str]:
    """What `ruff check --select F` and `ty check` say of a module, the first that objects."""
    (directory / "script.py").write_text(text)
    ruff = _told(
        directory, "ruff", "check", "--isolated", "--no-cache", "--select", "F", "script.py"
    )
    if ruff.returncode:
        return ruff
    where = ("--python", sys.prefix, "--extra-search-path", str(REPOSITORY))
    return _told(directory, "ty", "check", *where, "script.py")


def _told(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.py")), ids=lambda path: path.stem)
def test_a_script_uses_only_what_nixos_has(script: Path, tmp_path: Path) -> None:
    done = checked(tmp_path, typed(script))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        "machine.wait_until_suceeds('true')",
        "machine.succeed(7)",
        "machine.wait_for_unit('a.service', timeout='5')",
        "machine.end()",  # our own, and none of NixOS's
        "server.succeed('true')",
        "machine.succeed(f'{missing}')",
    ],
)
def test_what_nixos_has_not_is_found(wrong: str, tmp_path: Path) -> None:
    smoke = SCRIPTS / "smoke.py"
    assert checked(tmp_path, typed(smoke, wrong + "\n")).returncode != 0
