"""Arguments of `hlsswarm set-limit`."""

from __future__ import annotations

import argparse
import dataclasses

from hlsswarm.cli.arguments import add_manager, add_settings
from hlsswarm.core.limit_settings import limit_setting
from hlsswarm.core.limits import LIVE_KINDS, or_none

LIMIT_EXAMPLES = """\
examples:
  hlsswarm set-limit a1b2c3                                  what holds now
  hlsswarm set-limit a1b2c3/clients --memory-max 2G --cpu-quota 150%
  hlsswarm set-limit a1b2c3/client-7 --cpu-quota 20%
  hlsswarm set-limit origin8080/nginx --tasks-max 16 --cpu-weight 500
  hlsswarm set-limit a1b2c3/clients --cpu-quota none         lifts it
  hlsswarm set-limit hlsswarm-a1b2c3-encoder-x.service --io-read-max /var:10M

Limits hold while the unit runs: nothing is written that outlives it.
"""


def add_set_limit(parser: argparse.ArgumentParser) -> None:
    """Arguments of `set-limit`."""
    parser.add_argument(
        "unit", metavar="RUN|RUN/PART|UNIT", help="a run, a part or a member of it, or a unit"
    )
    rows = [
        dataclasses.replace(
            limit_setting(kind, ""),
            group="limits, or `none`",
            parse=or_none(kind.parse),
            wanted=f"{kind.wanted}, or none",
            single_dash=False,
        )
        for kind in LIVE_KINDS
    ]
    add_settings(parser, rows)
    parser.add_argument("--show", action="store_true", help="only show (as without any limit)")
    parser.add_argument("--json", action="store_true", help="as JSON")
    add_manager(parser)
