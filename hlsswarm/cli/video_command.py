"""`hlsswarm video generate`."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from hlsswarm.cli.arguments import check_manager
from hlsswarm.cli.output import say
from hlsswarm.core.quantities import format_size
from hlsswarm.core.videos import Encoding, TestVideo, seamless_duration
from hlsswarm.errors import ExitStatus, PreflightError
from hlsswarm.publishers.videos import generated, make_alone, program_for_videos
from hlsswarm.report.files import check_writable


def video(arguments: argparse.Namespace) -> ExitStatus:
    """Make a test video, or find the one that was made."""
    width, height = arguments.size
    wanted = TestVideo(
        pattern=arguments.pattern,
        width=width,
        height=height,
        duration_seconds=arguments.duration,
        audio=not arguments.no_audio,
    )
    encoding = Encoding(fps=arguments.fps, bitrate_bps=arguments.bitrate)
    output = arguments.output
    if output is not None:
        check_writable(output)
        if output.exists() and not output.is_file():
            raise PreflightError(f"{output} is no file.", hint="Give the name of a file.")
        output = Path(output).absolute()
    making = generated(program_for_videos(arguments.ffmpeg), wanted, encoding, output)
    if output is None and making.is_there:
        say("It was made before.")
    else:
        asyncio.run(make_alone(making, manager=check_manager(arguments.manager)))
        say(f"Made {wanted.frames(encoding.fps)} frames, {format_size(_size(making.path))}.")
    if wanted.audio and abs(seamless_duration(wanted.duration_seconds) - arguments.duration) > 1e-6:
        say("Looped, it has a seam of up to 11 ms: give a multiple of 8s, or --no-audio.")
    say(str(making.path))
    return ExitStatus.OK


def _size(path: Path) -> int:
    return path.stat().st_size
