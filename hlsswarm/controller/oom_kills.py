"""Tells ends of clients that ran out of memory, on each version of cgroups (core.oom says how)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hlsswarm.core.cgroup_text import flat_keyed
from hlsswarm.core.exits import OOM_KILL
from hlsswarm.core.oom import OomLedger, may_be_oom
from hlsswarm.core.unit_specs import Abilities, Limits

_VMSTAT = Path("/proc/vmstat")


def _count(vmstat: Path) -> int | None:
    try:
        return flat_keyed(vmstat.read_text()).get("oom_kill")
    except OSError:
        return None


class OomKills:
    """Watches the machine's counter of out-of-memory kills, where systemd itself does not tell."""

    def __init__(self, *, systemd_tells: bool, vmstat: Path = _VMSTAT) -> None:
        self._systemd_tells = systemd_tells
        self._vmstat = vmstat
        self._ledger = OomLedger(None if systemd_tells else _count(vmstat))

    @classmethod
    def of(cls, abilities: Abilities, limits: Limits) -> OomKills:
        """For clients with these limits. systemd's Result is `oom-kill` where it hears of it, but
        for units that are to go on (systemd.service(5), OOMPolicy=continue).
        """
        hears = "oom-policy" in abilities.held_limits
        return cls(systemd_tells=hears and limits.oom_policy != "continue")

    @property
    def reads_counter(self) -> bool:
        """Whether the machine's counter is read."""
        return not self._systemd_tells

    def look(self) -> None:
        """Read the counter; about once a second, so that old kills explain nothing."""
        if self.reads_counter:
            self._ledger.seen(_count(self._vmstat), asyncio.get_running_loop().time())

    def result(self, result: str, code: int, status: int) -> str:
        """systemd's Result of an end, or `oom-kill` where that is what it was."""
        if result == OOM_KILL or not may_be_oom(code, status):
            return result
        self.look()
        return OOM_KILL if self._ledger.claim() else result
