"""Arguments of the commands about a permanent rig."""

from __future__ import annotations

import argparse
from pathlib import Path

from hlsswarm.cli.arguments import add_manager

SERVE_EXAMPLES = """\
examples:
  hlsswarm serve --config /etc/hlsswarm/hlsswarm.toml
  hlsswarm serve --config rig.toml --manager embedded
"""


def add_serve(parser: argparse.ArgumentParser) -> None:
    """Arguments of `serve`."""
    parser.add_argument(
        "--config",
        dest="configuration",  # `config` is a run's own file, which is read before all else
        type=Path,
        default=Path("/etc/hlsswarm/hlsswarm.toml"),
        metavar="FILE",
        help="what the rig is (default /etc/hlsswarm/hlsswarm.toml)",
    )
    add_manager(parser)
