"""`hlsswarm fault`."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import time

from hlsswarm.cli.arguments import check_manager
from hlsswarm.cli.output import say
from hlsswarm.core.faults import Fault, parse
from hlsswarm.core.quantities import format_duration
from hlsswarm.errors import ExitStatus, UsageError
from hlsswarm.origin import faults


def fault(arguments: argparse.Namespace) -> ExitStatus:
    """Start, list or stop faults of test origins."""
    kind = check_manager(arguments.manager)
    if arguments.all and arguments.action != "stop":
        raise UsageError("--all is for `fault stop`.", hint="See `hlsswarm fault --help`.")
    if arguments.action == "start":
        return _start(kind, arguments.port, parse(arguments.words))
    if arguments.action == "stop":
        return _stop(kind, arguments)
    if arguments.words:
        raise UsageError("`fault list` takes no words.", hint="`hlsswarm fault list`")
    return _list(kind)


def _start(kind: str, port: int, wanted: Fault) -> ExitStatus:
    number = asyncio.run(faults.start(kind, port, wanted))
    say(f"Fault {number} of the test origin on port {port}: {wanted}")
    say(_until(wanted, time.time()))
    return ExitStatus.OK


def _until(fault: Fault, began_at: float) -> str:
    if fault.for_seconds is None:
        return "It lasts until it is stopped: `hlsswarm fault stop`, or with its origin."
    ends = datetime.datetime.fromtimestamp(began_at + fault.for_seconds).astimezone()
    return f"It ends at {ends:%H:%M:%S}, or with its origin."


def _list(kind: str) -> ExitStatus:
    there = faults.listed(kind)
    if not there:
        say("No test origin has a fault.")
    for found in there:
        say(f"{found.port}  {found.number:>3}  {found.words}  ({_left(found)})")
    return ExitStatus.OK


def _left(found: faults.RunningFault) -> str:
    seconds = parse(found.words.split()).for_seconds
    if seconds is None or found.began_at is None:
        return "until it is stopped"
    left = max(0.0, found.began_at + seconds - time.time())
    return f"{format_duration(left)} left"


def _stop(kind: str, arguments: argparse.Namespace) -> ExitStatus:
    port = arguments.port
    if bool(arguments.words) == arguments.all:
        raise UsageError(
            "Name the faults to stop, or --all.", hint="`hlsswarm fault list` shows them."
        )
    for word in arguments.words:
        if not (word.isascii() and word.isdigit()):
            raise UsageError(
                f"{word!r} is no number of a fault.", hint="`hlsswarm fault list` shows them."
            )
    numbers = sorted({int(word) for word in arguments.words})
    if arguments.all:
        numbers = [found.number for found in faults.listed(kind) if found.port == port]
    if not numbers:
        say(f"The test origin on port {port} has no fault.")
        return ExitStatus.OK
    faults.stop(kind, port, numbers)
    for number in numbers:
        say(f"Fault {number} has ended.")
    return ExitStatus.OK
