"""`hlsswarm ffmpeg`: an ffmpeg for clients alone."""

from __future__ import annotations

import argparse

from hlsswarm.cli.output import say, say_on
from hlsswarm.errors import ExitStatus
from hlsswarm.ffmpeg_minimal.build import build, options


def ffmpeg(arguments: argparse.Namespace) -> ExitStatus:
    """Build the minimal ffmpeg, or show what it is built with."""
    if arguments.action == "options":
        say("\n".join(options()))
        return ExitStatus.OK
    program = build(say_on, again=arguments.again)
    say(f"Clients get it from now on: {program}")
    return ExitStatus.OK
