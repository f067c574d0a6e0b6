"""Arguments of the commands about what runs, about this machine, and about its ffmpeg."""

from __future__ import annotations

import argparse

from hlsswarm.cli.arguments import add_manager, add_settings
from hlsswarm.core.settings import RUN_SETTINGS

DOCTOR_EXAMPLES = """\
examples:
  hlsswarm doctor --clients 1000 --ramp-rate 50
"""
STATUS_EXAMPLES = """\
examples:
  hlsswarm status
  hlsswarm status --units
  hlsswarm status --json
"""
LOGS_EXAMPLES = """\
examples:
  hlsswarm logs live/cam1
  hlsswarm logs nginx -n 50 --follow
  hlsswarm logs evening
  hlsswarm logs --disk
  hlsswarm logs hlsswarm-origin8080-encoder-default.service
"""
STOP_EXAMPLES = """\
examples:
  hlsswarm stop a1b2c3
  hlsswarm stop --all
"""
FFMPEG_EXAMPLES = """\
examples:
  hlsswarm ffmpeg build
  hlsswarm ffmpeg options
"""

DOCTOR_SETTINGS = ("clients", "ramp-rate", "measure", "ffmpeg", "manager")


def add_doctor(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, [s for s in RUN_SETTINGS if s.name in DOCTOR_SETTINGS])


def add_status(parser: argparse.ArgumentParser) -> None:
    add_manager(parser)
    parser.add_argument("--units", action="store_true", help="list every unit")
    parser.add_argument("--json", action="store_true", help="as JSON")


def add_stop(parser: argparse.ArgumentParser) -> None:
    add_manager(parser)
    parser.add_argument("run", nargs="*", metavar="RUN", help="runs to end")
    parser.add_argument("--all", action="store_true", help="end everything of hlsswarm")


def add_ffmpeg(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("build", "options"), help="what to do")
    parser.add_argument("--again", action="store_true", help="build anew, from a newer source")


def add_logs(parser: argparse.ArgumentParser) -> None:
    add_manager(parser)
    parser.add_argument(
        "unit", metavar="UNIT", nargs="?", help="a unit, or the name of an encoder or a rig's swarm"
    )
    parser.add_argument("--disk", action="store_true", help="say what all logs take")
    parser.add_argument(
        "-n", "--lines", type=int, default=20, metavar="LINES", help="how many (default 20)"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what comes")
