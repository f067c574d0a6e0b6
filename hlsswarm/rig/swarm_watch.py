"""What is told of a swarm that no single process tells: stalls, units stopped by hand, thresholds.

Looked at once a second, and told as numbers: a thousand clients that stall are one event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from hlsswarm.controller.swarm import Swarm
from hlsswarm.core.thresholds import Outcome

LOOK_SECONDS = 1.0
_NAMED_MAX = 5

Tell = Callable[[str, str], None]
"""Kind and message of an event."""


class SwarmWatch:
    """Watches one swarm from now on; clients in `stopped_before` are told of already."""

    def __init__(
        self,
        swarm: Swarm,
        outcomes: Callable[[], tuple[Outcome, ...]],
        tell: Tell,
        *,
        stopped_before: Collection[int],
    ) -> None:
        self._swarm = swarm
        self._outcomes = outcomes
        self._tell = tell
        self._stalls = self._count_stalls()
        self._stopped = set(stopped_before)
        self._failed: dict[str, bool] = {}

    async def follow(self) -> None:
        """Look every second."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Tell what has happened since the last look."""
        stalls, stopped = self._count_stalls(), self._stopped_by_hand()
        if stalls > self._stalls:
            count = stalls - self._stalls
            self._tell("stall", f"{count} stall{'s' if count > 1 else ''}")
        new = sorted(stopped - self._stopped)
        if new:
            named = ", ".join(f"#{number}" for number in new[:_NAMED_MAX])
            more = f" and {len(new) - _NAMED_MAX} more" if len(new) > _NAMED_MAX else ""
            self._tell("stopped-by-hand", f"{named}{more}")
        self._stalls, self._stopped = stalls, stopped
        for outcome in self._outcomes():
            if outcome.had_data:
                self._look_at(outcome)

    def _look_at(self, outcome: Outcome) -> None:
        name = str(outcome.threshold)
        failed = not outcome.passed
        if failed != self._failed.get(name, False):
            self._tell("threshold-failed" if failed else "threshold-met", name)
        self._failed[name] = failed

    def _count_stalls(self) -> int:
        return self._swarm.totals.measured.sessions.stalls

    def _stopped_by_hand(self) -> set[int]:
        return {client.number for client in self._swarm.clients if client.stopped_outside}
