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
RIG_EXAMPLES = """\
examples:
  hlsswarm rig
  hlsswarm rig --json
  hlsswarm rig scale evening 200
  hlsswarm rig pause evening
  hlsswarm rig resume evening
  hlsswarm rig stop evening
  hlsswarm rig start evening
  hlsswarm rig start --name morning --clients 20 http://127.0.0.1:8080/stream.m3u8
  hlsswarm rig start swarms.toml
  hlsswarm rig remove morning
  hlsswarm rig events --follow
  hlsswarm rig reload

It speaks to the daemon (`hlsswarm serve`) over its unix socket. What is steered goes on when the
daemon is restarted, until the file says something else of that swarm.
"""


def add_rig(parser: argparse.ArgumentParser) -> None:
    """Arguments of `rig`."""
    actions = (
        "show", "scale", "pause", "resume", "stop", "start", "remove", "events", "reload",
    )  # fmt: skip
    parser.add_argument(
        "action", nargs="?", choices=actions, help="what to do (default: show the rig)"
    )
    parser.add_argument("words", nargs="*", metavar="WORD", help="a swarm's name; clients; a file")
    parser.add_argument("--name", metavar="NAME", help="start: the new swarm's name")
    parser.add_argument("--clients", type=int, metavar="N", help="start: the new swarm's clients")
    parser.add_argument("-f", "--follow", action="store_true", help="events: go on with what comes")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument(
        "--socket", type=Path, metavar="FILE", help="the daemon's socket, where it is configured"
    )


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
