"""Arguments of `hlsswarm encoder`."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from hlsswarm.cli.arguments import add_settings
from hlsswarm.core.encoder_settings import ENCODER_SETTINGS
from hlsswarm.core.settings import RUN_SETTINGS

ENCODER_EXAMPLES = """\
examples:
  hlsswarm encoder start cam1 --input rtsp://10.0.0.7/stream1
  hlsswarm encoder start live/clip --input clip.mp4 --size 640x360 --bitrate 800k
  hlsswarm encoder start test --input lavfi:testsrc2=size=1280x720:rate=25
  hlsswarm encoder start sdi0 --input deltacast:0 --no-audio
  hlsswarm encoder start desk --input v4l2:/dev/video0 --codec h264_vaapi
  hlsswarm encoder list --json
  hlsswarm encoder path live/clip
  hlsswarm encoder stop cam1 live/clip
  hlsswarm encoder stop --all
"""
_SHARED = ("ffmpeg", "manager")


def add_encoder(parser: argparse.ArgumentParser) -> None:
    """Arguments of `encoder`."""
    parser.add_argument("action", choices=("start", "stop", "list", "path"), help="what to do")
    parser.add_argument("name", nargs="*", metavar="NAME", help="such as cam1 or live/cam1")
    start = parser.add_argument_group("start")
    start.add_argument(
        "--input",
        metavar="SPEC",
        help="lavfi:GRAPH, a file (looped), a URL (rtsp, rtmp, http, srt, udp), "
        "or a device (v4l2:/dev/video0, deltacast:0, …)",
    )
    start.add_argument(
        "--media",
        type=Path,
        metavar="DIR",
        help="write DIR/NAME/stream.m3u8, and leave it there when the encoder is stopped",
    )
    start.add_argument(
        "--no-wait", action="store_true", help="do not wait until the playlist has a segment"
    )
    parser.add_argument("--all", action="store_true", help="stop every encoder")
    parser.add_argument("--json", action="store_true", help="list as JSON")
    shared = [setting for setting in RUN_SETTINGS if setting.name in _SHARED]
    programs = [dataclasses.replace(setting, group="programs") for setting in shared]
    add_settings(parser, [*ENCODER_SETTINGS, *programs])
