"""What the tests of the modules share: a machine's failed assertions, its units' texts, a root
directory with those units for systemd-analyze(1).

Which nixpkgs it is, is private_nix's to know.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.nix.flake import MICROVM
from tests.nix.private_nix import configuration
from tests.support import REPOSITORY

HERE = Path(__file__).parent
GUEST = ("microvm",)
"""Modules of a guest, beside microvm.nix's own."""
Unit = dict[str, dict[str, list[str]]]
_FAILED = "map (each: each.message) (lib.filter (each: !each.assertion) config.assertions)"
_STORE_PROGRAM = re.compile(r"/nix/store/[^\s\"']+/s?bin/[^\s\"']+")


def machine(module: str, wanted: str, *, modules: Sequence[str] = ("default",)) -> Any:
    """What a machine is, that has to be a right one."""
    found = configuration(
        module, f"{{ failed = {_FAILED}; wanted = {wanted}; }}", modules=list(modules)
    )
    assert found["failed"] == []
    return found["wanted"]


def failed_assertions(module: str, *, modules: Sequence[str] = ("default",)) -> list[str]:
    """What a machine says against itself."""
    failed: list[str] = configuration(module, _FAILED, modules=list(modules))
    return [" ".join(each.split()) for each in failed]


def guest(module: str) -> str:
    """A module for a guest: with microvm.nix's own."""
    return f"{{ imports = [ (import {HERE}/microvm.nix {MICROVM}) ({module}) ]; }}"


def golden(path: Path, wanted: str) -> str:
    """What a file says that is made by a test; UPDATE_GOLDEN=1 makes it anew."""
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(wanted)
    return path.read_text() if path.exists() else f"UPDATE_GOLDEN=1 makes {path}"


def read_unit(text: str) -> Unit:
    """A unit file, by section and key."""
    unit: Unit = {}
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            unit.setdefault(section, {}).setdefault(key, []).append(value)
    return unit


@dataclass
class UnitRoot:
    """A directory in which systemd-analyze finds units as on a machine, and what they start."""

    root: Path
    _made: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Copy the units that systemd brings along."""
        shutil.copytree(
            "/usr/lib/systemd/system", self.root / "usr/lib/systemd/system", symlinks=True
        )

    def add(self, name: str, text: str) -> None:
        """One more unit; programs of the store that it names are there, and empty."""
        path = self.root / "etc/systemd/system" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        for program in _STORE_PROGRAM.findall(text):
            file = self.root / program.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o755)

    def verified(self, *names: str) -> str:
        """What systemd says against these units; nothing where they are right."""
        done = self._analyze("verify", "--man=no", *names)
        return done.stderr + done.stdout

    def exposure(self, name: str) -> float:
        """systemd's score of a service's sandbox, from 0 to 10 (worst)."""
        said = self._analyze("security", "--offline=yes", "--no-pager", name).stdout
        found = re.search(r"exposure level for \S+: (\S+)", said)
        assert found is not None, said
        return float(found[1])

    def _analyze(self, verb: str, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["systemd-analyze", verb, f"--root={self.root}", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=REPOSITORY,
        )
