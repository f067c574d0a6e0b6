"""The machine that a bench runs on: its description, and whether it lets a swarm be so large.

Reads; judges only by hlsswarm's own doctor. Identity is what two measurements must have in common
to stand in one table.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from bench.proc import memory_total_bytes
from hlsswarm import __version__
from hlsswarm.controller.machine import read_machine
from hlsswarm.core.doctor import Level, Needs, checks
from hlsswarm.programs import find_program
from hlsswarm.units import cgroups

IDENTITY: Final = ("cpu", "processors", "memory_bytes", "kernel")
_LIBRARIES: Final = ("pystemd", "prometheus-client", "aiohttp")


def describe(ffmpegs: Mapping[str, str]) -> dict[str, Any]:
    """What a reader has to know of the machine; `ffmpegs` are programs by the name in tables."""
    return {
        "cpu": _cpu_model(),
        "processors": os.cpu_count(),
        "memory_bytes": memory_total_bytes(),
        "kernel": platform.release(),
        "distribution": _distribution(),
        "cgroups": _cgroup_layout(),
        "systemd": _first_line("systemctl", "--version"),
        "nginx": _first_line("nginx", "-v"),
        "ffmpeg": {name: _first_line(path, "-version") for name, path in ffmpegs.items()},
        "python": platform.python_version(),
        "hlsswarm": __version__,
        "commit": _first_line("git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"),
        "libraries": {name: metadata.version(name) for name in _LIBRARIES},
    }


def same_machine(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two descriptions may be of one machine."""
    return all(one.get(name) == other.get(name) for name in IDENTITY)


def refusals(clients: int, *, ffmpeg: str, measure: str, rate: float) -> list[str]:
    """Why this machine cannot run so many clients, in the doctor's sentences; none when it can."""
    needs = Needs(
        clients=clients,
        ramp_rate_per_second=rate,
        target_duration_seconds=2.0,
        kept_alive=measure == "light",
        https=False,
    )
    found = checks(read_machine(ffmpeg), needs)
    return [
        check.sentence + (f" ({check.command})" if check.command else "")
        for check in found
        if check.level is Level.FAIL
    ]


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, text = line.partition(":")
        if name.strip() in {"model name", "Model"}:
            return text.strip()
    return platform.machine()


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "unknown"


def _cgroup_layout() -> str:
    trees = cgroups.hierarchies()
    v2 = any(tree.is_v2 for tree in trees)
    v1 = [tree.controllers for tree in trees if not tree.is_v2]
    if not v1:
        return "v2"
    named = sorted(name for name in v1 if not name.startswith("name="))
    return f"{'hybrid: v1' if v2 else 'v1'} ({', '.join(named)})"


def _first_line(program: str, *words: str) -> str:
    """What a program says of itself; `not there` when it is not."""
    try:
        path = find_program(program, package=program)
        answer = subprocess.run(
            [path, *words], capture_output=True, text=True, check=False, timeout=20
        )
    except Exception:
        return "not there"
    return (answer.stdout or answer.stderr).strip().partition("\n")[0]
