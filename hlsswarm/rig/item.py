"""One item of a rig that is no swarm (an origin, an encoder, a ladder, publishers): kept running.

systemd keeps its units; this starts what is not there, and leaves alone what somebody stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from hlsswarm.errors import HlsSwarmError
from hlsswarm.rig.events import Events

State = Literal["starting", "running", "waiting", "stopped"]
LOOK_SECONDS = 5.0
_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class Actions:
    """What can be done with an item; each blocks, and so is called in a thread."""

    kind: str
    name: str
    start: Callable[[], object]
    """Raises HlsSwarmError."""
    stop: Callable[[], object]
    is_there: Callable[[], bool]
    """Whether systemd has it."""


class RigItem:
    """Keeps one item; `was_started`: in this boot, by a controller before this one."""

    def __init__(self, actions: Actions, events: Events, *, was_started: bool = False) -> None:
        self.actions = actions
        self.state: State = "starting"
        self.reason = ""
        self.was_started = was_started
        self._events = events
        self._ending = asyncio.Event()

    @property
    def label(self) -> str:
        """`origin main`."""
        return f"{self.actions.kind} {self.actions.name}"

    async def live(self) -> None:
        """Start it and look after it until end() is called; cancelled, it goes on."""
        wait = _FIRST_WAIT_SECONDS
        while not self._ending.is_set():
            try:
                there = await asyncio.to_thread(self.actions.is_there)
                if there or self.was_started:
                    self._found(there=there)
                else:
                    await asyncio.to_thread(self.actions.start)
                    self._found(there=True)
                wait = LOOK_SECONDS
            except (HlsSwarmError, OSError) as error:  # OSError: no file descriptors, a full disk
                message = error.message if isinstance(error, HlsSwarmError) else str(error)
                self._change("waiting", message)
                wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), wait)
        with contextlib.suppress(HlsSwarmError):
            await asyncio.to_thread(self.actions.stop)
        self._change("stopped", "")

    def _found(self, *, there: bool) -> None:
        self.was_started = True
        if there:
            self._change("running", "")
        else:
            self._change("stopped", "somebody stopped it")

    def _change(self, state: State, reason: str) -> None:
        if (state, reason) != (self.state, self.reason):
            self._events.add(state, self.label, reason, role=self.actions.kind)
        self.state, self.reason = state, reason

    def end(self) -> None:
        """Stop it."""
        self._ending.set()

    def resume(self) -> None:
        """Start it again, although somebody stopped it."""
        self.was_started = False

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "kind": self.actions.kind,
            "name": self.actions.name,
            "state": self.state,
            "reason": self.reason,
        }
