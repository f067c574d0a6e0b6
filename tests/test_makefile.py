"""The Makefile's targets: those that people know are there, and `make help` names each."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.support import REPOSITORY

KNOWN = (
    *("test-origin", "test-origin-low-latency", "test-origin-4k-abr", "test-origin-stress"),
    *("microvm-check-kvm", "microvm-origin", "dev", "build", "check"),
)
"""What the older Go tool's users type."""
UNTOLD = {"help", "packages", "packages-containers", "packages-test", "packages-vm"}
"""Parts of others."""


def made(*words: str) -> str:
    done = subprocess.run(
        ["make", "--no-print-directory", *words],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def phony_targets() -> set[str]:
    """Of the whole .PHONY, with what its variables mean."""
    database = subprocess.run(
        ["make", "-pnrR", "help"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    ).stdout
    line = next(line for line in database.splitlines() if line.startswith(".PHONY:"))
    return set(line.split()[1:])


def test_help_names_every_target_and_no_other() -> None:
    told = {line.split()[1] for line in made("help").splitlines() if line.startswith("  make ")}
    assert told == phony_targets() - UNTOLD
    assert set(KNOWN) <= told


def test_help_fits_a_terminal_and_shows_no_variable_of_make() -> None:
    for line in made("help").splitlines():
        assert len(line) <= 100, line
        assert "$" not in line


@pytest.mark.parametrize(
    ("target", "profile"),
    [
        ("test-origin-low-latency", "low-latency"),
        ("test-origin-4k-abr", "4k-abr"),
        ("test-origin-stress", "stress"),
    ],
)
def test_a_test_origin_has_its_profile_and_port(target: str, profile: str) -> None:
    command = made("-n", target, "PORT=8099").splitlines()[-1]
    assert f"origin start --profile {profile} --port 8099" in command


@pytest.mark.parametrize(
    ("flags", "end"),
    [
        ((), "--encode once"),
        (("ORIGIN_FLAGS=--listen 0.0.0.0",), "--encode once --listen 0.0.0.0"),
        (("ORIGIN_FLAGS=--encode live",), "--encode once --encode live"),  # the last one counts
    ],
)
def test_the_ladder_of_five_is_encoded_once_whatever_else_is_asked(
    flags: tuple[str, ...], end: str
) -> None:
    command = made("-n", "test-origin-4k-abr", *flags).rstrip().splitlines()[-1]
    assert command.rstrip().endswith(end)
    other = made("-n", "test-origin-stress", *flags).splitlines()[-1]
    assert "--encode once" not in other


def installed_by(target: str) -> set[str]:
    """The packages that a target's first step looks for."""
    commands = made("-n", target).replace("\\\n", " ")
    found = re.findall(r"for package in ([^;]*);", commands)
    return set(" ".join(found).split())


def test_targets_install_what_they_need_and_no_more() -> None:
    assert "python3-venv" in installed_by("build")
    assert installed_by("containers") == {"buildah", "podman", "runc"}
    assert {"buildah", "podman", "runc", "mmdebstrap"} <= installed_by("packages-test")


def test_what_units_run_is_installed() -> None:
    """A small Debian has no /bin/kill, and systemd reports a reload that fails."""
    unit = (REPOSITORY / "systemd" / "hlsswarm.service").read_text()
    assert "ExecReload=/bin/kill " in unit
    assert "procps" in installed_by("packages")
    assert " procps " in (REPOSITORY / "containers" / "Containerfile").read_text()
