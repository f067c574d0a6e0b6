"""Whether the load generator itself is the bottleneck, and from how many clients on. Pure.

Fed once a second with readings of this machine. A saturated second is one in which the processors
are all but busy, memory is short, or the controller cannot keep up; a few in a row begin a
saturation, so that the storm of a ramp's start alone is none.
"""

from __future__ import annotations

from dataclasses import dataclass

CPU_BUSY_SHARE = 0.97
MEMORY_PRESSURE_SHARE = 0.10
"""Share of time in which some task waited for memory (PSI, `some`)."""
OWN_CPU_SHARE = 0.90
"""Of one processor: the controller has one thread."""
SECONDS_IN_A_ROW = 4


@dataclass(frozen=True)
class Pressure:
    """Readings of one second. Shares from 0 to 1; None where the machine does not tell."""

    cpu_busy_share: float | None = None
    """Of all processors together."""
    memory_waiting_share: float | None = None
    swapped_pages: int = 0
    """Pages swapped in or out."""
    own_cpu_share: float = 0.0
    dropped_bytes: int = 0
    """Telemetry thrown away."""

    def problem(self) -> str | None:
        """What is short, in words; None when nothing is."""
        if self.memory_waiting_share is not None and self.memory_waiting_share > (
            MEMORY_PRESSURE_SHARE
        ):
            return "memory is short"
        if self.swapped_pages:
            return "memory is swapped"
        if self.dropped_bytes:
            return "messages of clients were lost"
        if self.own_cpu_share > OWN_CPU_SHARE:
            return "the controller's processor is busy"
        if self.cpu_busy_share is not None and self.cpu_busy_share > CPU_BUSY_SHARE:
            return "all processors are busy"
        return None


@dataclass
class Saturation:
    """What a run's readings come to."""

    seconds: int = 0
    """Seconds within saturations."""
    clients: int | None = None
    """Processes that ran when the first saturation began."""
    problem: str = ""
    _row: int = 0
    _row_clients: int = 0

    def add(self, pressure: Pressure, clients: int) -> None:
        """Another second, with so many client processes running."""
        problem = pressure.problem()
        if problem is None:
            self._row = 0
            return
        self._row += 1
        if self._row == 1:
            self._row_clients = clients
        if self._row == SECONDS_IN_A_ROW:
            self.seconds += SECONDS_IN_A_ROW
            if self.clients is None:
                self.clients, self.problem = self._row_clients, problem
        elif self._row > SECONDS_IN_A_ROW:
            self.seconds += 1
