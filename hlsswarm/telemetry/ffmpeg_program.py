"""Finds the ffmpeg program and asks it for its version."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from hlsswarm.core.commands import FFmpegVersion, parse_ffmpeg_version
from hlsswarm.errors import PreflightError
from hlsswarm.programs import find_program

_TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class FFmpegProgram:
    """An ffmpeg that can be run: absolute path, and version."""

    path: Path
    version: FFmpegVersion


def find_ffmpeg(name: str | None) -> FFmpegProgram:
    """The ffmpeg to use. Raises PreflightError when there is none, or it is not ffmpeg."""
    path = find_program(name or "ffmpeg", package="ffmpeg")
    hint = "Name another with --ffmpeg PATH."
    try:
        answer = subprocess.run(
            [path, "-version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except OSError as error:
        raise PreflightError(f"{path} cannot be run: {error.strerror}.", hint=hint) from None
    except subprocess.TimeoutExpired:
        raise PreflightError(f"{path} does not answer `-version`.", hint=hint) from None
    version = parse_ffmpeg_version(answer.stdout.decode(errors="replace"))
    if version is None:
        raise PreflightError(f"{path} does not answer as ffmpeg does.", hint=hint)
    return FFmpegProgram(path, version)
