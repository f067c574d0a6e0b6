"""How the process of a unit has ended: systemd's word, and the last complaint in its log."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hlsswarm.controller.services import Services
from hlsswarm.core.exits import exit_label, explain_exit
from hlsswarm.core.unit_specs import Property
from hlsswarm.publishers.complaints import last_complaint

REMEMBERED_END = (
    Property("RemainAfterExit", "b", True),
    Property("SuccessExitStatus", "(aiai)", (list(range(1, 256)), list(range(1, 32)))),
)
"""For a unit whose end is to be asked for: however its process ends, systemd keeps it (`exited`)
until it is stopped. One that has failed would be forgotten, or have to be reset."""
_LOOKS = 8
_FIRST_LOOK_SECONDS = 0.01


@dataclass(frozen=True)
class Ending:
    """An end: `label` counts (`0`, `145`, `SIGKILL`), `words` and `complaint` are for people."""

    label: str
    words: str
    complaint: str


async def ending_of(services: Services, unit: str, pid: int | None) -> Ending:
    """The end of process `pid` of a unit, once systemd has done with it.

    Its output is closed a moment before systemd has reaped it, so this looks a few times.
    """
    delay = _FIRST_LOOK_SECONDS
    for _ in range(_LOOKS):
        await asyncio.sleep(delay)
        state = services.manager.service_state(unit)
        if state.main_pid != pid and not state.is_passing:
            break
        delay *= 2
    label = exit_label(state.exit_code, state.exit_status)
    words = explain_exit(state.exit_code, state.exit_status, result=state.result)
    return Ending(label, words, last_complaint(services.log(unit)))
