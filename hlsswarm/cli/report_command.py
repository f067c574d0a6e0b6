"""`hlsswarm report`."""

from __future__ import annotations

import argparse
import sys

from hlsswarm.cli.report_arguments import REPORT_FORMATS
from hlsswarm.errors import ExitStatus, UsageError
from hlsswarm.report.formats import write_report_command


def report(arguments: argparse.Namespace) -> ExitStatus:
    """Render kept runs."""
    if arguments.format not in REPORT_FORMATS:
        raise UsageError(
            f"--format {arguments.format!r} is none that there is.",
            hint=f"Choose one of {', '.join(REPORT_FORMATS)}.",
        )
    return write_report_command(
        arguments.directory,
        arguments.format,
        arguments.output,
        sys.stdout.write,
        judge=arguments.judge,
    )
