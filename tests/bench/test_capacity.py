"""What keeps the search for the largest swarm from ending the machine."""

from __future__ import annotations

from bench import proc
from bench.parts.capacity import memory_lack


def test_a_step_must_fit_into_memory() -> None:
    """By what one client needs: a byte each fits, all memory each does not."""
    assert memory_lack(1000, 1.0) is None
    told = memory_lack(2, float(proc.memory_total_bytes()))
    assert told is not None and told.startswith("memory: 2 clients need")
