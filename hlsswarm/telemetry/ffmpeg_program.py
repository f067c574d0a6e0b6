"""Finds the ffmpeg program and asks it for its version."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from hlsswarm.core.commands import FFmpegVersion, parse_ffmpeg_version
from hlsswarm.errors import PreflightError
from hlsswarm.places import minimal_ffmpeg
from hlsswarm.programs import find_program, is_ours_alone

_TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class FFmpegProgram:
    """An ffmpeg that can be run: absolute path, and version."""

    path: Path
    version: FFmpegVersion
    minimal: bool = False
    """Whether it is the one that `hlsswarm ffmpeg build` has made, which plays and nothing else."""


def find_client_ffmpeg(name: str | None) -> FFmpegProgram:
    """The ffmpeg for clients: the one that is named, else (None or `auto`) the minimal one where
    it was built, else the one in PATH. Raises PreflightError.

    What others could have written into the cache is not run.
    """
    minimal = minimal_ffmpeg()
    if name not in {None, "auto"} or not is_ours_alone(minimal):
        return find_ffmpeg(name)
    program = find_ffmpeg(str(minimal))
    version = replace(program.version, text=f"{program.version.text} (minimal)")
    return replace(program, version=version, minimal=True)


def find_ffmpeg(name: str | None) -> FFmpegProgram:
    """The ffmpeg to use; None and `auto` are the one in PATH.

    Raises PreflightError when there is none, or it is not ffmpeg.
    """
    path = find_program("ffmpeg" if name in {None, "auto"} else name, package="ffmpeg")
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
