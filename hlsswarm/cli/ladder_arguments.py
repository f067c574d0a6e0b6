"""Arguments of `hlsswarm ladder`."""

from __future__ import annotations

import argparse
import dataclasses

from hlsswarm.cli.arguments import add_settings
from hlsswarm.core.ladder_settings import LADDER_SETTINGS
from hlsswarm.core.settings import RUN_SETTINGS

LADDER_EXAMPLES = """\
examples:
  hlsswarm ladder start                       720p, 480p, 240p of every source that is live
  hlsswarm ladder start --rungs 480p,tiny=160x90@100 --media /srv/live
  hlsswarm ladder start --source live/x=rtsp://127.0.0.1:8554/x
  hlsswarm ladder add 360p
  hlsswarm ladder add 540p=960x540@1800
  hlsswarm ladder add audio --factory audio
  hlsswarm ladder remove 480p
  hlsswarm ladder list --json
  hlsswarm ladder stop
"""


def add_ladder(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ladder`."""
    parser.add_argument(
        "action", choices=("start", "add", "remove", "list", "stop"), help="what to do"
    )
    parser.add_argument(
        "rendition",
        nargs="?",
        metavar="RENDITION",
        help="of add and remove: a preset (1080p, 720p, 480p, 360p, 240p, audio) "
        "or NAME=WIDTHxHEIGHT@KBPS",
    )
    shared = (item for item in RUN_SETTINGS if item.name in {"ffmpeg", "manager"})
    shown = [dataclasses.replace(item, group="ladder", single_dash=False) for item in shared]
    add_settings(parser, [*LADDER_SETTINGS, *shown])
    parser.add_argument("--json", action="store_true", help="of list: as JSON")
    parser.add_argument("--all", action="store_true", help="of stop: every ladder")
