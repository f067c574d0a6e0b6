"""Arguments of `hlsswarm origin` and `hlsswarm demo`."""

from __future__ import annotations

import argparse
from pathlib import Path

from hlsswarm.cli.arguments import add_manager, add_settings
from hlsswarm.core.settings import RUN_SETTINGS

ORIGIN_EXAMPLES = """\
examples:
  hlsswarm origin start                    720p, 2 s segments, on 127.0.0.1:8080
  hlsswarm origin start --port 8081 --access-log /tmp/access.json
  hlsswarm origin status
  hlsswarm origin stop
"""
_DEMO_SETTINGS = ("clients", "ramp-rate", "duration", "metrics", "out")
DEMO_CLIENTS = 20
DEMO_DURATION_SECONDS = 30.0
DEMO_OUT = Path("hlsswarm-report")


def add_place(parser: argparse.ArgumentParser) -> None:
    """Where an origin is, and which stream it has."""
    group = parser.add_argument_group("origin")
    group.add_argument("--profile", default="default", metavar="NAME", help="stream (default)")
    group.add_argument("--port", default="8080", metavar="PORT", help="port (default 8080)")
    group.add_argument(
        "--listen", default="127.0.0.1", metavar="ADDRESS", help="address (default 127.0.0.1)"
    )
    group.add_argument("--nginx", metavar="PATH", help="nginx program (default: found in PATH)")
    group.add_argument(
        "--access-log", type=Path, metavar="FILE", help="write a JSON line for each request"
    )


def add_origin(parser: argparse.ArgumentParser) -> None:
    """Arguments of `origin`."""
    parser.add_argument("action", choices=("start", "status", "stop"), help="what to do")
    add_place(parser)
    parser.add_argument("--ffmpeg", metavar="PATH", help="ffmpeg program")
    parser.add_argument("--all", action="store_true", help="stop every test origin")
    add_manager(parser)


def add_demo(parser: argparse.ArgumentParser) -> None:
    """Arguments of `demo`: those of an origin, and the few of a run that matter in one."""
    add_place(parser)
    parser.add_argument("--ffmpeg", metavar="PATH", help="ffmpeg program")
    add_manager(parser)
    add_settings(parser, [s for s in RUN_SETTINGS if s.name in _DEMO_SETTINGS])
    parser.set_defaults(clients=DEMO_CLIENTS, duration=DEMO_DURATION_SECONDS, out=DEMO_OUT)
