"""How large a bench is: the full one that the documentation shows, and a quick one for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Sizes:
    """Numbers of clients, seconds and rates of all parts."""

    controller_clients: tuple[int, ...] = (50, 200, 1000)
    controller_seconds: float = 70.0
    """As docs/performance.md's peer was measured."""
    client_clients: int = 50
    client_seconds: float = 30.0
    ramps: tuple[tuple[float, int], ...] = ((5, 50), (50, 500), (200, 1000))
    """Rate, and clients."""
    ramp_after_seconds: float = 10.0
    thousand: int = 1000
    thousand_rate: float = 50.0
    thousand_seconds: float = 15.0
    """After the ramp."""
    capacity: tuple[int, ...] = (500, 1000, 2000, 3000, 3500, 4000)
    capacity_rate: float = 50.0
    capacity_seconds: float = 20.0
    """After the ramp."""
    dbus_units: int = 1000
    report_clients: int = 50
    report_seconds: int = 3600
    peer_clients: int = 200
    peer_seconds: float = 70.0
    repeats: int = 10
    """Of what takes a moment: scrapes, `status`, `--help`."""
    quick: bool = False


FULL: Final = Sizes()
QUICK: Final = Sizes(
    controller_clients=(4, 8),
    controller_seconds=14.0,
    client_clients=5,
    client_seconds=14.0,
    ramps=((5, 5), (20, 10)),
    ramp_after_seconds=10.0,
    thousand=15,
    thousand_rate=10.0,
    thousand_seconds=8.0,
    capacity=(10, 20),
    capacity_rate=10.0,
    capacity_seconds=12.0,
    dbus_units=30,
    report_clients=5,
    report_seconds=120,
    peer_clients=5,
    peer_seconds=14.0,
    repeats=3,
    quick=True,
)


def ramp_rate(clients: int) -> float:
    """Clients a second for a swarm that is measured once it runs: full after 20 s at the latest."""
    return max(20.0, clients / 20)
