"""`hlsswarm consume`."""

from __future__ import annotations

import argparse
import json

from hlsswarm.cli.arguments import check_manager
from hlsswarm.cli.output import say, say_on
from hlsswarm.core.consume_command import consumed_url
from hlsswarm.core.consumption import table
from hlsswarm.errors import ExitStatus
from hlsswarm.publishers.consume import ConsumeOptions
from hlsswarm.publishers.consume import consume as consume_streams
from hlsswarm.report.files import check_writable, write_atomically


def consume(arguments: argparse.Namespace) -> ExitStatus:
    """Read streams, and say what came of them."""
    options = ConsumeOptions(
        urls=tuple(consumed_url(url) for url in arguments.url),
        duration_seconds=arguments.duration,
        decode=arguments.decode,
        manager=check_manager(arguments.manager),
        ffmpeg=arguments.ffmpeg,
    )
    if arguments.json is not None:
        check_writable(arguments.json)
    result = consume_streams(options, say_on)
    say("\n" + table(result.consumed))
    if arguments.json is not None:
        write_atomically(arguments.json, json.dumps(result.document, indent=2) + "\n")
        say(f"Result: {arguments.json}")
    if result.interrupted:
        return ExitStatus.ABORTED
    return ExitStatus.OK if all(one.well for one in result.consumed) else ExitStatus.FAILED
