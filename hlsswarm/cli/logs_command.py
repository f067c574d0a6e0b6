"""`hlsswarm logs`."""

from __future__ import annotations

import argparse
import contextlib

from hlsswarm.cli.arguments import check_manager
from hlsswarm.cli.output import say
from hlsswarm.controller import logs as service_logs
from hlsswarm.controller.log_bounds import bound_logs, log_bytes
from hlsswarm.core.quantities import format_size
from hlsswarm.errors import ExitStatus, UsageError
from hlsswarm.units.runtime_directory import runtime_directory

_LINES_MAX = 100_000


def logs(arguments: argparse.Namespace) -> ExitStatus:
    """Show what a service has said, or with --disk what all of them take."""
    if not 0 <= arguments.lines <= _LINES_MAX:
        raise UsageError(
            f"--lines {arguments.lines} cannot be shown.", hint=f"Give 0 to {_LINES_MAX}."
        )
    if (arguments.unit is None) != arguments.disk:
        raise UsageError(
            "logs needs a UNIT, or --disk." if not arguments.disk else "--disk is for all logs.",
            hint="`hlsswarm status --units` has the units.",
        )
    bound_logs(runtime_directory())
    if arguments.disk:
        _say_disk()
        return ExitStatus.OK
    log = service_logs.find_log(check_manager(arguments.manager), arguments.unit)
    with contextlib.suppress(KeyboardInterrupt):  # how following ends
        service_logs.show(log, arguments.lines, say, follow=arguments.follow)
    return ExitStatus.OK


def _say_disk() -> None:
    found = log_bytes(runtime_directory())
    width = max(map(len, found), default=0)
    for run, count in sorted(found.items()):
        say(f"  {run:<{width}}  {format_size(count)}")
    total = format_size(sum(found.values()))
    say(f"Logs of services take {total} in {runtime_directory()}.")
    say("Each is cut to its last lines when it has grown beyond 1 MB.")
