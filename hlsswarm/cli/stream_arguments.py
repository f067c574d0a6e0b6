"""Arguments of `publish`, `rtsp`, `consume` and `video`."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from hlsswarm.cli.arguments import add_settings
from hlsswarm.core.publish_settings import (
    CONSUME_SETTINGS,
    PUBLISH_SETTINGS,
    RTSP_SETTINGS,
    STREAM_SETTINGS,
    VIDEO_SETTINGS,
)
from hlsswarm.core.setting import Setting
from hlsswarm.core.settings import RUN_SETTINGS

PUBLISH_EXAMPLES = """\
examples:
  hlsswarm publish --serve --streams 3                with a server of its own, until Ctrl+C
  hlsswarm publish rtsp://127.0.0.1:8554/ --streams 20 --duration 1m
  hlsswarm publish rtsp://cam.example:8554/test --source gradient --encode live --json out.json
  hlsswarm publish srt://127.0.0.1:9000 --streams 1 --audio on
  hlsswarm publish rtmp://127.0.0.1/live --streams 2

exit status:
  0 all streams up at the end   99 not all   105 interrupted   2 usage
  104 configuration             106 could not begin

Streams are named stream1, stream2, … and pushed to URL/NAME; {name} in the URL puts the name there.
"""
RTSP_EXAMPLES = """\
examples:
  hlsswarm rtsp start                    on 127.0.0.1:8554
  hlsswarm rtsp start --port 8555 --server /opt/mediamtx
  hlsswarm rtsp status
  hlsswarm rtsp stop
"""
CONSUME_EXAMPLES = """\
examples:
  hlsswarm consume rtsp://127.0.0.1:8554/stream1 rtsp://127.0.0.1:8554/stream2
  hlsswarm consume --duration 1m --json result.json http://127.0.0.1:8080/stream.m3u8
  hlsswarm consume --decode rtsp://127.0.0.1:8554/stream1

exit status:
  0 every stream gave frames to the end   99 not every one   105 interrupted
"""
VIDEO_EXAMPLES = """\
examples:
  hlsswarm video generate
  hlsswarm video generate --pattern shapes --size 640x360 --fps 25 --duration 16s
  hlsswarm video generate --pattern gradient --no-audio -o gradient.mp4

A second call finds what the first has made. With sound, a duration that is a multiple of 8 s loops
without a seam: 375 frames of AAC at 48 kHz are 8 s, and less than one frame cannot be had.
"""
STREAMING_URL = "where to: rtsp://HOST[:PORT]/[PATH], rtmp://HOST/APP, srt://HOST:PORT"


def _shared(group: str) -> list[Setting]:
    """--ffmpeg and --manager are the same for all commands."""
    rows = {setting.name: dataclasses.replace(setting, group=group) for setting in RUN_SETTINGS}
    ffmpeg = dataclasses.replace(
        rows["ffmpeg"], help="ffmpeg program (default: the one in PATH)", default=None
    )
    return [ffmpeg, rows["manager"]]


def add_publish(parser: argparse.ArgumentParser) -> None:
    """Arguments of `publish`. What is not given is None: --config may say it."""
    parser.add_argument("url", nargs="?", metavar="URL", help=STREAMING_URL)
    parser.add_argument(
        "--config",
        dest="publish_config",
        type=Path,
        metavar="FILE",
        help="TOML with `url`, any of the settings below, and [[stream]] tables",
    )
    parser.add_argument(
        "--serve", action="store_true", help="start an RTSP server for these streams, and end it"
    )
    settings: Sequence[Setting] = (*PUBLISH_SETTINGS, *STREAM_SETTINGS)
    add_settings(parser, settings)
    parser.set_defaults(**dict.fromkeys((setting.key for setting in settings), None))
    add_settings(parser, [*_of_server("port", "listen", "server"), *_shared("programs")])


def _of_server(*names: str) -> list[Setting]:
    return [
        dataclasses.replace(setting, group="server of --serve")
        for setting in RTSP_SETTINGS
        if setting.name in names
    ]


def add_rtsp(parser: argparse.ArgumentParser) -> None:
    """Arguments of `rtsp`."""
    parser.add_argument("action", choices=("start", "status", "stop"), help="what to do")
    manager = [setting for setting in _shared("server") if setting.name == "manager"]
    add_settings(parser, [*RTSP_SETTINGS, *manager])
    parser.add_argument("--all", action="store_true", help="stop every RTSP server")


def add_consume(parser: argparse.ArgumentParser) -> None:
    """Arguments of `consume`."""
    parser.add_argument("url", nargs="+", metavar="URL", help="rtsp, http(s), srt, … or a file")
    add_settings(parser, [*CONSUME_SETTINGS, *_shared("programs")])


def add_video(parser: argparse.ArgumentParser) -> None:
    """Arguments of `video`."""
    parser.add_argument("action", choices=("generate",), help="what to do")
    add_settings(parser, [*VIDEO_SETTINGS, *_shared("programs")])
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="an MP4 file instead of the cache"
    )
