"""How long a service that fails again and again waits before its next start. Pure.

systemd does this by itself from 254 on (RestartSteps=). Before, its wait between two starts is
always the same, and the rest of the wait is this (encoders/prepare).

    start ─ runs 1 s ─ fails ─ systemd's 0.5 s ─┬─ 0 s, 0.5 s, 1.5 s, 3.5 s … 29.5 s ─ start
                                                └─ none after a good run of 30 s
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hlsswarm.core.backoff import Backoff

SERVICE_BACKOFF: Final = Backoff(0.5, 30.0)
"""Waits between failed starts of encoders and their like."""
GOOD_RUN_SECONDS: Final = 30.0
"""Whoever ran this long has not failed at the start."""


@dataclass(frozen=True)
class Starts:
    """Starts so far: how many quick ones `in_a_row` before the last, and when that one was."""

    in_a_row: int
    last_seconds: float


def after_another_start(
    before: Starts | None, *, now_seconds: float, backoff: Backoff = SERVICE_BACKOFF
) -> tuple[Starts, float]:
    """The count with this start in it, and how many seconds this start still has to wait.

    systemd has waited the shortest wait of the back-off already.
    """
    if before is None or not 0 <= now_seconds - before.last_seconds < GOOD_RUN_SECONDS:
        return Starts(0, now_seconds), 0.0
    failures = before.in_a_row + 1
    doublings = min(failures - 1, backoff.steps)
    wait = min(backoff.minimum_seconds * 2.0**doublings, backoff.maximum_seconds)
    return Starts(failures, now_seconds), max(0.0, wait - backoff.minimum_seconds)
