"""Ends by SIGKILL held against the machine's counter of out-of-memory kills."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from hlsswarm.controller.oom_kills import OomKills
from hlsswarm.core.exits import CLD_EXITED, CLD_KILLED
from hlsswarm.core.unit_specs import Abilities, Limits

V1, V2 = Abilities(252), Abilities(252, held_limits=frozenset({"oom-policy"}))
KILL = (CLD_KILLED, int(signal.SIGKILL))


def counted(vmstat: Path, kills: int) -> None:
    vmstat.write_text(f"nr_free_pages 12\noom_kill {kills}\nswap_ra 0\n")


def test_where_systemd_does_not_tell_the_counter_does(tmp_path: Path) -> None:
    vmstat = tmp_path / "vmstat"
    counted(vmstat, 7)

    async def scenario() -> None:
        kills = OomKills(systemd_tells=False, vmstat=vmstat)
        assert kills.result("signal", *KILL) == "signal"
        counted(vmstat, 8)
        assert kills.result("exit-code", CLD_EXITED, 9) == "exit-code"
        assert kills.result("signal", CLD_KILLED, signal.SIGTERM) == "signal"
        assert kills.result("signal", *KILL) == "oom-kill"
        assert kills.result("signal", *KILL) == "signal"

    asyncio.run(scenario())


def test_where_systemd_tells_its_word_is_enough(tmp_path: Path) -> None:
    vmstat = tmp_path / "vmstat"
    counted(vmstat, 7)

    async def scenario() -> None:
        kills = OomKills(systemd_tells=True, vmstat=vmstat)
        counted(vmstat, 8)
        assert kills.result("signal", *KILL) == "signal"
        assert kills.result("oom-kill", *KILL) == "oom-kill"

    asyncio.run(scenario())


def test_a_machine_without_the_counter(tmp_path: Path) -> None:
    async def scenario() -> None:
        kills = OomKills(systemd_tells=False, vmstat=tmp_path / "none")
        kills.look()
        assert kills.result("signal", *KILL) == "signal"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("abilities", "policy", "counter_is_read"),
    [(V1, None, True), (V2, None, False), (V2, "kill", False), (V2, "continue", True)],
)
def test_whose_word_counts(
    abilities: Abilities, policy: str | None, *, counter_is_read: bool
) -> None:
    kills = OomKills.of(abilities, Limits(oom_policy=policy))
    assert kills.reads_counter is counter_is_read
