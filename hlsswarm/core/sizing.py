"""How many machines a great many viewers take, and what of a machine gives out first. Pure.

    viewers × bitrate                               bandwidth, of machines and of the origin alike
    viewers × (processor time each + per byte)      processors
    viewers × memory each                           memory
    connections each × viewers ÷ ephemeral ports    source addresses of a machine

Computed from what was measured for one client (core.doctor); only the number of clients on one
systemd has a bound that was seen and not computed. A machine is filled to USABLE of what it has.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from hlsswarm.core.doctor import (
    CONNECTIONS_PER_CLIENT,
    MEMORY_PER_CLIENT_BYTES,
    MEMORY_PER_MINIMAL_CLIENT_BYTES,
    START_CPU_MINIMAL_SECONDS,
    START_CPU_SECONDS,
    STEADY_CPU_SECONDS,
)
from hlsswarm.core.kinds import Kind, reads

USABLE = 0.7
MEDIA_CPU_SECONDS_PER_GIGABYTE = 1.3
"""ffmpeg's processor time to read and take apart MPEG-TS over http; TLS comes on top."""
SEEN_ON_ONE_SYSTEMD = 3500
"""Clients that one systemd and one controller were seen to carry; more may go, on more processors.
"""
EPHEMERAL_PORTS = 28_232
"""net.ipv4.ip_local_port_range as Linux has it."""

_BITRATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kMGT]?)(?:bit/s|bps)?")
_FACTORS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


@reads(Kind("bitrate", pattern=_BITRATE.pattern, example="5M"))
def parse_bitrate(text: str) -> float:
    """Bits per second of `5M`, `800k`, `10Gbit/s`. Raises ValueError; for none at all, too."""
    match = _BITRATE.fullmatch(text.strip())
    value = float(match[1]) * _FACTORS[match[2]] if match else 0.0
    if not 0 < value <= 1e15:
        raise ValueError(f"{text!r} is no bitrate")
    return value


def format_bitrate(bits_per_second: float) -> str:
    """A short text: `12.5 Gbit/s`."""
    for unit, factor in reversed(_FACTORS.items()):
        if bits_per_second >= factor:
            return f"{bits_per_second / factor:.3g} {unit}bit/s"
    return f"{bits_per_second:.3g} bit/s"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What one machine has; `network` in bits per second."""

    processors: float = 8.0
    memory_bytes: int = 32 << 30
    network: float = 10e9


@dataclass(frozen=True, kw_only=True)
class Size:
    """What so many viewers take."""

    viewers: int
    bandwidth: float
    """Of all, in bits per second: the origin has to send it, too."""
    limits: dict[str, int]
    """How many clients each thing of a machine would carry; the first to give out comes first."""
    machines: int
    clients_each: int
    """On each machine, at most."""
    processors_each: float
    """Busy with so many, on each machine."""
    memory_each_bytes: float
    source_addresses_each: int
    """With ephemeral ports enough for so many, one origin address given."""
    ramp_rate_per_second: float
    """Starts of all machines together that leave the rest of their processors idle."""

    @property
    def first(self) -> str:
        """What gives out first."""
        return next(iter(self.limits))


def size(viewers: int, bitrate: float, machine: Machine, *, minimal: bool = True) -> Size:
    """What so many viewers of a stream of `bitrate` bits per second take.

    `minimal`: with the ffmpeg that `hlsswarm ffmpeg build` makes. Raises ValueError for a machine
    that carries nobody.
    """
    memory = MEMORY_PER_MINIMAL_CLIENT_BYTES if minimal else MEMORY_PER_CLIENT_BYTES
    start = START_CPU_MINIMAL_SECONDS if minimal else START_CPU_SECONDS
    each = STEADY_CPU_SECONDS + MEDIA_CPU_SECONDS_PER_GIGABYTE * bitrate / 8e9
    carried = {
        "network": int(USABLE * machine.network / bitrate),
        "processors": int(USABLE * machine.processors / each),
        "memory": int(USABLE * machine.memory_bytes / memory),
        "systemd": SEEN_ON_ONE_SYSTEMD,
    }
    limits = dict(sorted(carried.items(), key=lambda item: item[1]))
    most = next(iter(limits.values()))
    if most < 1:
        raise ValueError(f"such a machine carries nobody: its {next(iter(limits))} is too small")
    machines = math.ceil(viewers / most)
    share = math.ceil(viewers / machines)
    return Size(
        viewers=viewers,
        bandwidth=viewers * bitrate,
        limits=limits,
        machines=machines,
        clients_each=share,
        processors_each=share * each,
        memory_each_bytes=share * memory,
        source_addresses_each=math.ceil(share * CONNECTIONS_PER_CLIENT / EPHEMERAL_PORTS),
        ramp_rate_per_second=USABLE * machine.processors / start * machines,
    )


def markdown() -> str:
    """The table of the documentation."""
    machine = Machine()
    rows = [
        "| viewers | bitrate | bandwidth | machines | gives out first | a machine carries | "
        "processors busy | memory |",
        "|--:|--:|--:|--:|---|--:|--:|--:|",
    ]
    for viewers in (10_000, 100_000, 1_000_000):
        for bitrate in (1e6, 5e6):
            made = size(viewers, bitrate, machine)
            cells = (
                f"{viewers:,}",
                format_bitrate(bitrate),
                format_bitrate(made.bandwidth),
                f"{made.machines:,}",
                made.first,
                f"{made.clients_each:,}",
                f"{made.processors_each:.1f} of {machine.processors:g}",
                f"{made.memory_each_bytes / (1 << 30):.1f} GiB",
            )
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"
