"""Ctrl+C and SIGTERM while a run goes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Stopper:
    """Ctrl+C and SIGTERM: the first asks the run to stop, the second kills at once."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    on_second: Callable[[], None] = lambda: None

    def install(self) -> None:
        """Take the signals over in the running loop."""
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._signal)

    def ask(self) -> None:
        """Ask the run to stop, as a first signal does."""
        self.asked.set()

    def _signal(self) -> None:
        if self.asked.is_set():
            self.on_second()
        self.asked.set()
