"""`hlsswarm serve`: the permanent rig."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from hlsswarm.api.serving import api_served
from hlsswarm.cli.arguments import check_manager
from hlsswarm.cli.output import say_on
from hlsswarm.controller.text_files import read_configuration
from hlsswarm.core.rig import RigConfig
from hlsswarm.core.rig_reading import read_rig
from hlsswarm.errors import ConfigurationError, ExitStatus
from hlsswarm.rig.daemon import DaemonOptions
from hlsswarm.rig.daemon import serve as serve_rig
from hlsswarm.rig.foreground import serve_as_unit


def serve(arguments: argparse.Namespace) -> ExitStatus:
    """Keep the rig that a file describes, until it is ended."""
    path = Path(os.path.abspath(arguments.configuration))  # noqa: PTH100  (a link may be its name)
    manager = check_manager(arguments.manager)
    if os.environ.get("NOTIFY_SOCKET"):
        # What a service says goes where its stderr goes: the journal, or a file of ours.
        return serve_rig(
            DaemonOptions(
                lambda: read_config(path),
                manager,
                lambda words: print(words, file=sys.stderr),
                api_served,
            )
        )
    read_config(path)
    return serve_as_unit(path, manager=manager, say=say_on)


def read_config(path: Path) -> RigConfig:
    """The rig of a file. Raises ConfigurationError with everything that is wrong."""
    reading = read_rig(read_configuration(path))
    if reading.config is None:
        first = reading.problems[0]
        more = len(reading.problems) - 1
        raise ConfigurationError(
            f"{path}:{first.line or 1}: {first.where}: {first.sentence} {first.hint}".strip(),
            hint=f"`hlsswarm check {path}` tells {more} more." if more else None,
        )
    return reading.config
