"""Arguments of `hlsswarm origin` and `hlsswarm demo`."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hlsswarm.cli.arguments import add_settings
from hlsswarm.core.origin_settings import ORIGIN_SETTINGS
from hlsswarm.core.setting import Setting
from hlsswarm.core.settings import RUN_SETTINGS

DEMO_EXAMPLES = """\
examples:
  hlsswarm demo
  hlsswarm demo --clients 50 --duration 1m
"""
ORIGIN_EXAMPLES = """\
examples:
  hlsswarm origin start                    720p, 2 s segments, on 127.0.0.1:8080
  hlsswarm origin run                      the same until Ctrl+C, for terminals and containers
  hlsswarm origin start --port 8081 --access-log /tmp/access.json
  hlsswarm origin start --tls --tls-name cdn.example.org
  hlsswarm origin start --profile 4k-abr --encode once
  hlsswarm origin start --set segment_seconds=1 --set 720p.video_bitrate_kbps=4000
  hlsswarm origin start --profile vod --set container=fmp4 --source film.mp4
  hlsswarm origin start --serve media      what preview encoders and ladders write
  hlsswarm origin profiles
  hlsswarm origin status
  hlsswarm origin stop
"""
_SHARED = ("ffmpeg", "manager")
_DEMO_SETTINGS = ("clients", "ramp-rate", "duration", "metrics", "json", "out")
DEMO_DEFAULTS: dict[str, Any] = {
    "clients": 20,
    "duration": 30.0,
    "out": Path("hlsswarm-report"),
    "encode": "once",
}
"""Where a demo's defaults differ from a run's."""


def _add_origin_settings(parser: argparse.ArgumentParser, settings: Sequence[Setting]) -> None:
    shared = [setting for setting in RUN_SETTINGS if setting.name in _SHARED]
    add_settings(parser, [*settings, *(dataclasses.replace(s, group="origin") for s in shared)])


def add_origin(parser: argparse.ArgumentParser) -> None:
    """Arguments of `origin`."""
    actions = ("start", "run", "status", "stop", "profiles")
    parser.add_argument("action", choices=actions, help="what to do")
    _add_origin_settings(parser, ORIGIN_SETTINGS)
    parser.add_argument("--all", action="store_true", help="stop: every test origin")
    parser.add_argument("--json", action="store_true", help="profiles: as JSON")


def add_demo(parser: argparse.ArgumentParser) -> None:
    """Arguments of `demo`: those of an origin, and the few of a run that matter in one."""
    _add_origin_settings(parser, [_of_demo(s) for s in ORIGIN_SETTINGS if s.name != "serve"])
    add_settings(parser, [_of_demo(s) for s in RUN_SETTINGS if s.name in _DEMO_SETTINGS])


def _of_demo(setting: Setting) -> Setting:
    return dataclasses.replace(setting, default=DEMO_DEFAULTS.get(setting.name, setting.default))
