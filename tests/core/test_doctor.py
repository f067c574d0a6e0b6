"""The doctor's judgement: for each figure the step from enough to too little."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.doctor import Check, Level, Machine, Needs, checks, worst
from hlsswarm.core.doctor_text import render

GOOD = Machine(
    cpus=64.0,
    memory_available_bytes=64e9,
    memory_limit_bytes=math.inf,
    open_files_limit=1e6,
    system_files_free=1e6,
    user_processes_limit=math.inf,
    threads_free=1e6,
    cgroup_tasks_free=math.inf,
    ports=64512,
    time_wait_reuse=2,
    conntrack_free=math.inf,
    somaxconn=4096,
    ffmpeg_version="7.1",
    ffmpeg_known=True,
    ffmpeg_protocols=frozenset({"http", "https", "tcp", "tls", "crypto"}),
    ffmpeg_demuxers=frozenset({"hls"}),
    manager="embedded",
    clock_ratio=1.0,
    clock_year=2026,
)
NEEDS = Needs(1000, ramp_rate_per_second=50, target_duration_seconds=2)


def check(name: str, needs: Needs = NEEDS, **changes: Any) -> Check:
    """The named check of a good machine with changes."""
    machine = dataclasses.replace(GOOD, **changes)
    (found,) = (check for check in checks(machine, needs) if check.name == name)
    return found


def test_a_good_machine() -> None:
    needs = dataclasses.replace(NEEDS, clients=200)
    found = checks(GOOD, needs)
    assert {c.level for c in found} == {Level.OK} and worst(found) is Level.OK
    assert {c.command for c in found} == {None, "hlsswarm ffmpeg build"}
    better = checks(dataclasses.replace(GOOD, ffmpeg_minimal=True), needs)
    assert all(c.command is None for c in better)
    assert len({c.name for c in found}) == len(found) == 15


def test_a_machine_that_tells_nothing() -> None:
    found = checks(Machine(), NEEDS)
    assert {c.name for c in found if c.level is not Level.UNKNOWN} == {"ffmpeg"}
    assert worst([c for c in found if c.name != "ffmpeg"]) is Level.OK


@pytest.mark.parametrize(
    ("name", "field", "needed", "command"),
    [
        ("open files", "open_files_limit", 1100, "ulimit -Hn 2048"),
        ("open files of the system", "system_files_free", 10_000, "sysctl -w fs.file-max=65536"),
        ("tasks of the system", "threads_free", 4050, "kernel.threads-max=8192"),
        ("tasks of the cgroup", "cgroup_tasks_free", 4050, "TasksMax=8192"),
        ("processes of the user", "user_processes_limit", 4050, "ulimit -Hu 8192"),
        ("ephemeral ports", "ports", 4000, "ip_local_port_range"),
        ("conntrack", "conntrack_free", 124_000, "nf_conntrack_max=524288"),
        ("somaxconn", "somaxconn", 50, "somaxconn=1024"),
    ],
)
def test_limit(name: str, field: str, needed: int, command: str) -> None:
    failing = check(name, needs=NEEDS, **{field: needed - 1})
    assert (failing.level, failing.needed, failing.found) == (Level.FAIL, needed, needed - 1)
    assert f" {needed} " in failing.sentence and failing.sentence.endswith("too few.")
    assert failing.command is not None and command in failing.command
    assert check(name, needs=NEEDS, **{field: needed}).level is Level.WARN
    assert check(name, needs=NEEDS, **{field: None}).level is Level.UNKNOWN
    if name != "ephemeral ports":  # what waits for an origin that does not close comes on top
        assert check(name, needs=NEEDS, **{field: round(needed * 1.3)}).level is Level.OK


def test_ports_that_may_wait_are_a_warning() -> None:
    """64,000 connections of a minute, of which ours keep a port only if the origin lets us."""
    found = check("ephemeral ports", ports=28_232)
    assert found.level is Level.WARN and "up to 64000" in found.sentence
    assert found.command is not None and "--measure light" in found.command
    assert check("ephemeral ports", ports=28_232, time_wait_reuse=1).level is Level.OK
    light = dataclasses.replace(NEEDS, kept_alive=True)
    assert check("ephemeral ports", light, ports=28_232).level is Level.OK


def test_memory() -> None:
    found = check("memory", memory_available_bytes=1.1e9, memory_limit_bytes=math.inf)
    assert found.level is Level.FAIL and "for 53 clients" in found.sentence
    assert found.command is not None and found.command.startswith("--clients 53 ")
    assert check("memory", memory_limit_bytes=1.1e9).level is Level.FAIL
    assert check("memory", memory_available_bytes=19e9).level is Level.WARN
    one = check("memory", memory_available_bytes=None, memory_limit_bytes=20e9)
    assert one.found == 20e9
    assert check("memory", memory_available_bytes=0.0).sentence.endswith("for 0 clients.")


def test_cpu() -> None:
    ramp = check("CPU of the ramp", cpus=2.0)
    assert (ramp.level, ramp.command) == (Level.WARN, "--ramp-rate 14")
    assert ramp.sentence == "The ramp will keep 5 processors busy, of 2."
    all_at_once = dataclasses.replace(NEEDS, ramp_rate_per_second=0)
    assert check("CPU of the ramp", all_at_once).needed == pytest.approx(100)
    assert check("CPU of the clients", cpus=1.0).level is Level.WARN


def test_ffmpeg() -> None:
    assert check("ffmpeg", ffmpeg_version=None).command == "apt-get install ffmpeg"
    assert check("ffmpeg", ffmpeg_known=False).level is Level.WARN


@pytest.mark.parametrize(
    ("missing", "https", "level"),
    [
        ("https", False, Level.WARN),
        ("https", True, Level.FAIL),
        ("crypto", True, Level.WARN),
        ("http", False, Level.FAIL),
    ],
)
def test_protocols(missing: str, https: bool, level: Level) -> None:
    there = (GOOD.ffmpeg_protocols or frozenset()) - {missing}
    needs = dataclasses.replace(NEEDS, https=https)
    found = check("ffmpeg's protocols", needs, ffmpeg_protocols=there)
    assert (found.level, missing in found.sentence) == (level, True)
    gone = check("ffmpeg's protocols", ffmpeg_demuxers=frozenset())
    assert gone.level is Level.FAIL and "hls demuxer" in gone.sentence


def test_manager() -> None:
    found = check("systemd", manager_lacks=("IP address filters", "restart steps"))
    assert found.level is Level.WARN
    assert found.sentence == ("The embedded manager is without: IP address filters; restart steps.")


@pytest.mark.parametrize(
    ("ratio", "year", "level"),
    [(1.0, 1970, Level.FAIL), (1.02, 2026, Level.WARN), (-5.0, 2026, Level.WARN)],
)
def test_clock(ratio: float, year: int, level: Level) -> None:
    assert check("clock", clock_ratio=ratio, clock_year=year).level is level


def test_render() -> None:
    found = (
        Check("one", Level.OK, "All is well."),
        Check("second", Level.FAIL, "It is not.", command="mend it"),
        Check("3", Level.UNKNOWN, "Who knows."),
        Check("4", Level.WARN, "Hm."),
    )
    assert render(found) == (
        "✓ one     All is well.\n"
        "✗ second  It is not.\n"
        "          → mend it\n"
        "? 3       Who knows.\n"
        "! 4       Hm."
    )
    assert worst(found) is Level.FAIL and worst(found[2:]) is Level.WARN
    assert render(()) == ""


@given(
    clients=st.integers(1, 100_000),
    rate=st.floats(0, 1e6),
    target=st.floats(0, 1e4),
    figure=st.floats(0, 1e12) | st.just(math.inf) | st.none(),
)
def test_any_figures_give_sentences(
    clients: int, rate: float, target: float, figure: float | None
) -> None:
    names = ("cpus", "memory_available_bytes", "threads_free", "open_files_limit")
    figures: dict[str, Any] = dict.fromkeys(names, figure)
    machine = dataclasses.replace(GOOD, **figures)
    for found in checks(machine, Needs(clients, rate, target)):
        assert found.sentence.endswith(".") and "nan" not in found.sentence
        assert (found.level is Level.FAIL) <= (found.command is not None)


def test_ports_are_counted_for_each_network_namespace() -> None:
    few = dataclasses.replace(GOOD, ports=28232)

    def ports(namespaces: int) -> Check:
        needs = Needs(10_001, kept_alive=True, network_namespaces=namespaces)
        return next(check for check in checks(few, needs) if check.name == "ephemeral ports")

    assert ports(1).level is Level.FAIL
    assert ports(2).level is Level.OK
    assert ports(2).needed == 4 * 5001
    assert ports(2).sentence.startswith("Each network namespace, with 5001 clients, needs 20004 ")
