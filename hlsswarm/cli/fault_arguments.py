"""Arguments of `hlsswarm fault`."""

from __future__ import annotations

import argparse

from hlsswarm.cli.arguments import add_manager, add_settings
from hlsswarm.core.origin_settings import ORIGIN_SETTINGS

FAULT_EXAMPLES = """\
words of a fault, exactly one of the first column:
  status=503    answer this error         on=segments|playlists|all   (default segments)
  delay=2s      answer so much later      share=20%    of the requests, by chance
  cut=headers   close without an answer   variant=720p only in this directory
  cut=body      break the body off        for=30s      else until it is stopped
  rate=200k     bytes a second
  stale         playlists stay as they are
  outage        nothing listens on the port

examples:
  hlsswarm fault start status=503 share=20% for=30s
  hlsswarm fault start --port 8081 delay=2s variant=720p
  hlsswarm fault start outage for=5s
  hlsswarm fault list
  hlsswarm fault stop 1 2
  hlsswarm fault stop --all
"""


def add_fault(parser: argparse.ArgumentParser) -> None:
    """Arguments of `fault`."""
    parser.add_argument("action", choices=("start", "list", "stop"), help="what to do")
    parser.add_argument(
        "words",
        nargs="*",
        default=[],
        metavar="WORD",
        help="of start: what goes wrong; of stop: numbers",
    )
    add_settings(parser, [setting for setting in ORIGIN_SETTINGS if setting.name == "port"])
    parser.add_argument("--all", action="store_true", help="stop every fault on this port")
    add_manager(parser)
