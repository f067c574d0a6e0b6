"""`hlsswarm logs`."""

from __future__ import annotations

import argparse
import contextlib

from hlsswarm.cli.arguments import check_manager
from hlsswarm.cli.output import say
from hlsswarm.controller import logs as service_logs
from hlsswarm.errors import ExitStatus, UsageError

_LINES_MAX = 100_000


def logs(arguments: argparse.Namespace) -> ExitStatus:
    """Show what a service has said."""
    if not 0 <= arguments.lines <= _LINES_MAX:
        raise UsageError(
            f"--lines {arguments.lines} cannot be shown.", hint=f"Give 0 to {_LINES_MAX}."
        )
    log = service_logs.find_log(check_manager(arguments.manager), arguments.unit)
    with contextlib.suppress(KeyboardInterrupt):  # how following ends
        service_logs.show(log, arguments.lines, say, follow=arguments.follow)
    return ExitStatus.OK
