"""Figures of the machine: of this one, and of machines written out as files."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path

import pytest

from hlsswarm.controller.machine import (
    ask,
    checks_certificates,
    limits_of,
    read_machine,
    with_manager,
)
from hlsswarm.core.doctor import Level, Needs, checks
from hlsswarm.core.unit_specs import Abilities
from hlsswarm.telemetry.ffmpeg_program import find_ffmpeg

FILES = {
    "meminfo": "MemTotal: 9 kB\nMemAvailable:    2000 kB\n",
    "loadavg": "0.00 0.01 0.05 3/250 999\n",
    "sys/fs/file-nr": "1000\t0\t5000\n",
    "sys/kernel/threads-max": "30000\n",
    "sys/kernel/pid_max": "4194304\n",
    "sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
    "sys/net/ipv4/tcp_tw_reuse": "2\n",
    "sys/net/core/somaxconn": "128\n",
    "sys/net/netfilter/nf_conntrack_max": "1000\n",
    "sys/net/netfilter/nf_conntrack_count": "10\n",
}


def written(root: Path, files: dict[str, str]) -> Path:
    """A directory with these files."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_this_machine() -> None:
    machine = read_machine()
    assert machine.cpus is not None and 0 < machine.cpus <= (os.cpu_count() or 1)
    assert machine.memory_available_bytes is not None and machine.memory_available_bytes > 1e6
    assert machine.ffmpeg_known and machine.ffmpeg_version
    assert machine.ffmpeg_protocols is not None and {"http", "crypto"} <= machine.ffmpeg_protocols
    assert machine.ffmpeg_demuxers is not None and {"hls", "concat"} <= machine.ffmpeg_demuxers
    assert machine.clock_ratio == pytest.approx(1, abs=0.2)
    failing = [c for c in checks(machine, Needs(1)) if c.level is Level.FAIL]
    assert failing == []


def test_figures(tmp_path: Path) -> None:
    machine = read_machine("/missing/ffmpeg", proc=written(tmp_path, FILES))
    assert machine.ffmpeg_version is None and machine.ffmpeg_protocols is None
    assert machine.memory_available_bytes == 2000 * 1024
    assert machine.threads_free == 30_000 - 250
    assert machine.system_files_free == 4000
    assert (machine.ports, machine.time_wait_reuse, machine.somaxconn) == (28_232, 2, 128)
    assert machine.conntrack_free == 990


def test_a_container_that_shows_nothing(tmp_path: Path) -> None:
    machine = read_machine("/missing/ffmpeg", proc=tmp_path)
    unknown = (
        machine.memory_available_bytes,
        machine.threads_free,
        machine.system_files_free,
        machine.ports,
        machine.somaxconn,
        machine.conntrack_free,
    )
    assert unknown == (None,) * 6


@pytest.mark.parametrize(
    "text", ["", "\n", "x y z\n", "1\n", "1 2 3 4\n", "\udcff", "9" * 30 + "\n"]
)
def test_files_with_something_else(tmp_path: Path, text: str) -> None:
    for name in FILES:
        path = written(tmp_path, {name: ""}) / name
        path.write_bytes(text.encode(errors="surrogateescape"))
    read_machine("/missing/ffmpeg", proc=tmp_path)


def test_no_limits_are_told_apart_from_unknown_ones(tmp_path: Path) -> None:
    untracked = {name: text for name, text in FILES.items() if "netfilter" not in name}
    untracked["sys/fs/file-nr"] = "1000\t0\t9223372036854775807\n"
    machine = read_machine("/missing/ffmpeg", proc=written(tmp_path, untracked))
    assert machine.conntrack_free == math.inf
    assert machine.system_files_free == math.inf


def test_cgroup_v2(tmp_path: Path) -> None:
    files = {
        "a/cpu.max": "150000 100000\n",
        "a/memory.max": "1000\n",
        "a/memory.current": "900\n",
        "a/memory.stat": "anon 1\ninactive_file 300\n",
        "a/pids.max": "max\n",
        "a/pids.current": "5\n",
        "cpu.max": "max 100000\n",
        "memory.max": "max\n",
        "pids.max": "100\n",
        "pids.current": "30\n",
    }
    root = written(tmp_path, files)
    limits = limits_of([root / "a", root])
    assert (limits.cpus, limits.memory_free_bytes, limits.tasks_free) == (1.5, 400, 70)


def test_cgroup_v1(tmp_path: Path) -> None:
    files = {
        "cpu.cfs_quota_us": "50000\n",
        "cpu.cfs_period_us": "100000\n",
        "memory.limit_in_bytes": "2000\n",
        "memory.usage_in_bytes": "2500\n",
        "memory.stat": "inactive_file 7\ntotal_inactive_file 100\n",
        "none/cpu.cfs_quota_us": "-1\n",
        "none/memory.limit_in_bytes": "9223372036854771712\n",
    }
    root = written(tmp_path, files)
    limits = limits_of([root])
    assert (limits.cpus, limits.memory_free_bytes, limits.tasks_free) == (0.5, 100, math.inf)
    assert limits_of([root / "none", root / "missing"]) == limits_of([])


def test_what_a_manager_lacks() -> None:
    abilities = Abilities(
        version=252,
        restart_steps=False,
        restart_jitter=False,
        memory_limit=True,
        cpu_limit=True,
        tasks_limit=True,
        ip_filter=True,
    )
    machine = with_manager(read_machine("/missing/ffmpeg"), "user", abilities)
    assert machine.manager == "user"
    assert machine.manager_lacks == abilities.lacks()


def test_asking_ffmpeg() -> None:
    program = find_ffmpeg(None)
    assert "hls" in (ask(program, "-demuxers") or "")
    assert ask(program, "-no-such-option") is None
    assert isinstance(checks_certificates(program), bool)
    assert shutil.which("ffmpeg")
