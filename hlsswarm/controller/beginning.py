"""When a run begins: at once, or at the time that several machines have agreed on.

Each machine goes by its own clock (NTP keeps them within milliseconds as a rule).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from hlsswarm.controller.stopper import Stopper
from hlsswarm.core.plan import Plan
from hlsswarm.core.quantities import format_moment
from hlsswarm.errors import PreflightError

_TOLD_SECONDS = 0.1


def check_beginning(plan: Plan) -> None:
    """Raise PreflightError where the time to begin has gone by."""
    if plan.start_at is not None and plan.start_at < time.time():
        raise PreflightError(
            f"--start-at {format_moment(plan.start_at)} has gone by.",
            hint="Give a time to come: $(date -d '+1 minute' +%s)",
        )


async def beginning(plan: Plan, stopper: Stopper, say: Callable[[str], None]) -> None:
    """Wait until the run is to begin, or to be stopped."""
    if plan.start_at is None:
        return
    wait = plan.start_at - time.time()
    if wait > 0:
        say(f"Waiting until {format_moment(plan.start_at)} …")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopper.asked.wait(), wait)
    elif wait < -_TOLD_SECONDS:
        say(f"Careful: ready {-wait:.1f} s later than --start-at; all starts here are as late.")
