"""`hlsswarm size`."""

from __future__ import annotations

import argparse

from hlsswarm.cli.output import say
from hlsswarm.core.plan import ALL_CLIENTS_MAX
from hlsswarm.core.quantities import format_duration, format_size
from hlsswarm.core.sizing import EPHEMERAL_PORTS, Machine, format_bitrate
from hlsswarm.core.sizing import size as size_of
from hlsswarm.errors import ExitStatus, UsageError

_WORDS = {
    "network": "its network",
    "processors": "its processors",
    "memory": "its memory",
    "systemd": "what one systemd was seen to carry",
}


def size(arguments: argparse.Namespace) -> ExitStatus:
    """Compute what so many viewers take."""
    viewers: int = arguments.clients
    if not 1 <= viewers <= ALL_CLIENTS_MAX:
        raise UsageError(
            f"--clients {viewers} makes no swarm.",
            hint=f"Give a number from 1 to {ALL_CLIENTS_MAX}.",
        )
    machine = Machine(
        processors=arguments.processors, memory_bytes=arguments.memory, network=arguments.network
    )
    try:
        made = size_of(viewers, arguments.bitrate, machine)
    except ValueError as error:
        raise UsageError(f"{str(error).capitalize()}.", hint="Give a larger one.") from None
    has = (
        f"{machine.processors:g} processors, {format_size(machine.memory_bytes)}, "
        f"{format_bitrate(machine.network)}"
    )
    say(f"{viewers:,} viewers of {format_bitrate(arguments.bitrate)} take "
        f"{format_bitrate(made.bandwidth)}: the origin has to send that.")  # fmt: skip
    say(f"A machine with {has} carries {made.limits[made.first]:,}; first to give out is "
        f"{_WORDS[made.first]}.")  # fmt: skip
    say("  " + ", ".join(f"{name} {count:,}" for name, count in made.limits.items()))
    share = f", with --segment K/{made.machines}" if made.machines > 1 else ""
    say(f"Machines: {made.machines:,}, of {made.clients_each:,} clients each at most{share}.")
    say(f"  each: {made.processors_each:.1f} processors busy, "
        f"{format_size(made.memory_each_bytes)}, source addresses: {made.source_addresses_each} "
        f"(of {EPHEMERAL_PORTS:,} ports)")  # fmt: skip
    length = format_duration(float(max(1, round(viewers / made.ramp_rate_per_second))))
    say(f"Ramp: up to {made.ramp_rate_per_second:,.0f}/s on all of them, so {length} or longer.")
    return ExitStatus.OK
