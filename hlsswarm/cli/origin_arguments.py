"""Arguments of `hlsswarm origin` and `hlsswarm demo`."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from hlsswarm.cli.arguments import add_settings
from hlsswarm.core.origin_settings import ORIGIN_SETTINGS
from hlsswarm.core.settings import RUN_SETTINGS

ORIGIN_EXAMPLES = """\
examples:
  hlsswarm origin start                    720p, 2 s segments, on 127.0.0.1:8080
  hlsswarm origin start --port 8081 --access-log /tmp/access.json
  hlsswarm origin start --tls --tls-name cdn.example.org
  hlsswarm origin status
  hlsswarm origin stop
"""
_SHARED = ("ffmpeg", "manager")
_DEMO_SETTINGS = ("clients", "ramp-rate", "duration", "metrics", "json", "out")
DEMO_DEFAULTS: dict[str, Any] = {
    "clients": 20,
    "duration": 30.0,
    "out": Path("hlsswarm-report"),
}
"""Where a demo's defaults differ from a run's."""


def _add_origin_settings(parser: argparse.ArgumentParser) -> None:
    shared = [setting for setting in RUN_SETTINGS if setting.name in _SHARED]
    add_settings(
        parser, [*ORIGIN_SETTINGS, *(dataclasses.replace(s, group="origin") for s in shared)]
    )


def add_origin(parser: argparse.ArgumentParser) -> None:
    """Arguments of `origin`."""
    parser.add_argument("action", choices=("start", "status", "stop"), help="what to do")
    _add_origin_settings(parser)
    parser.add_argument("--all", action="store_true", help="stop every test origin")


def add_demo(parser: argparse.ArgumentParser) -> None:
    """Arguments of `demo`: those of an origin, and the few of a run that matter in one."""
    _add_origin_settings(parser)
    add_settings(
        parser,
        [
            dataclasses.replace(s, default=DEMO_DEFAULTS.get(s.name, s.default))
            for s in RUN_SETTINGS
            if s.name in _DEMO_SETTINGS
        ],
    )
