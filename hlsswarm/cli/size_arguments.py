"""Arguments of `hlsswarm size`."""

from __future__ import annotations

import argparse

from hlsswarm.cli.arguments import add_settings
from hlsswarm.core.kinds import described
from hlsswarm.core.setting import SIZE, Setting, size
from hlsswarm.core.settings import RUN_SETTINGS
from hlsswarm.core.sizing import Machine, parse_bitrate

SIZE_EXAMPLES = """\
examples:
  hlsswarm size --clients 100000 --bitrate 5M
  hlsswarm size --clients 10000 --bitrate 3M --processors 4 --memory 16G --network 1G
"""
_BITS = "bits per second such as 5M or 10G"
_MACHINE = Machine()
SIZE_SETTINGS = (
    *(row for row in RUN_SETTINGS if row.name == "clients"),
    Setting("bitrate", "swarm", "of the stream", parse_bitrate, "5M", "BITS", _BITS),
    Setting(
        "processors",
        "each machine",
        "how many",
        described(float, minimum=0),
        _MACHINE.processors,
        "N",
        "a number",
    ),
    Setting("memory", "each machine", "how much", size, _MACHINE.memory_bytes, "SIZE", SIZE),
    Setting("network", "each machine", "how fast", parse_bitrate, "10G", "BITS", _BITS),
)


def add_size(parser: argparse.ArgumentParser) -> None:
    """The swarm, and what each machine has."""
    add_settings(parser, SIZE_SETTINGS)
