"""The linters and the type checker are tests: what they do not pass is not finished."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support import REPOSITORY


@pytest.mark.parametrize(
    "words",
    [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",)],
    ids=["ruff check", "ruff format", "mypy"],
)
def test_linter_finds_nothing(words: tuple[str, ...]) -> None:
    found = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=REPOSITORY,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert found.returncode == 0, found.stdout


def test_mypy_is_strict_and_sees_everything() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text()
    assert "strict = true" in text
    assert 'packages = ["hlsswarm", "tests"]' in text
