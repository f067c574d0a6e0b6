"""Makes videos once and keeps them: a one-shot unit encodes, a rename puts it under its name.

Whatever is killed on the way leaves nothing half-written under a name that means a whole video.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hlsswarm.controller.services import Services, opened_services
from hlsswarm.controller.walled import walled
from hlsswarm.core import names
from hlsswarm.core.service_specs import PlainStop, Service, ServiceRestart
from hlsswarm.core.videos import (
    Encoding,
    TestVideo,
    cache_name,
    generate_command,
    transcode_command,
)
from hlsswarm.errors import PreflightError, UnitError
from hlsswarm.places import cache_directory
from hlsswarm.programs import find_font
from hlsswarm.publishers.complaints import last_complaint
from hlsswarm.telemetry.ffmpeg_program import FFmpegProgram, find_ffmpeg

_ENCODING_SECONDS_MAX = 3600.0
_STALE_SECONDS = 2 * _ENCODING_SECONDS_MAX
_SLICE_PART = "encoders"


@dataclass(frozen=True)
class Making:
    """A video that is to be: where it will lie, and the command that writes it to a path."""

    label: str
    path: Path
    command: Callable[[Path], list[str]]

    @property
    def is_there(self) -> bool:
        """Whether it was made before."""
        return self.path.is_file()


def program_for_videos(name: str | None) -> FFmpegProgram:
    """The ffmpeg that encodes. Raises PreflightError."""
    return find_ffmpeg(name)


def videos_directory() -> Path:
    """Where videos are kept. Raises PreflightError when it cannot be."""
    directory = cache_directory() / "videos"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PreflightError(f"{directory} cannot be made: {error.strerror}.") from None
    return directory


def generated(
    program: FFmpegProgram, video: TestVideo, encoding: Encoding, output: Path | None = None
) -> Making:
    """A test video, at `output` or in the cache."""
    font = find_font()
    label = f"{video.pattern}-{video.width}x{video.height}-{encoding.fps}"
    name = cache_name(label, video, encoding, program.version.text, font)
    path = output or videos_directory() / name

    def command(target: Path) -> list[str]:
        return generate_command(program.path, video, encoding, target, font=font)

    return Making(label, path, command)


def transcoded(program: FFmpegProgram, source: Path, encoding: Encoding, *, audio: bool) -> Making:
    """A file of the user, encoded once. Raises PreflightError when it is not there."""
    try:
        stat = source.stat()
    except OSError as error:
        raise PreflightError(f"{source} cannot be read: {error.strerror}.") from None
    facts = (str(source), stat.st_size, stat.st_mtime_ns, audio)
    name = cache_name(source.stem, *facts, encoding, program.version.text)

    def command(target: Path) -> list[str]:
        return transcode_command(program.path, source, encoding, target, audio=audio)

    return Making(source.name, videos_directory() / name, command)


async def make(services: Services, making: Making) -> Path:
    """Make a video in a run that is open. Raises UnitError with ffmpeg's own last words."""
    directory = making.path.parent
    _remove_stale(directory, making.path.name)
    temporary = directory / f".{making.path.name}.{secrets.token_hex(4)}"
    unit = names.service_unit(services.run, "encoder", f"video-{secrets.token_hex(4)}")
    service = Service(
        name=unit,
        slice_name=names.part_slice(services.run, _SLICE_PART),
        description=f"hlsswarm encodes {making.label}",
        command=making.command(temporary),
        log=services.log(unit),
        stop=PlainStop(seconds=2.0),
        restart=ServiceRestart("no"),
        one_shot=True,
        start_timeout_seconds=_ENCODING_SECONDS_MAX,
    )
    service = walled(service, "encoder", writable=[temporary.parent])
    try:
        await services.start(service)
        await services.stop([unit])
        temporary.replace(making.path)
    except UnitError:
        said = last_complaint(services.log(unit))
        raise UnitError(f"{making.label} could not be encoded: {said}") from None
    except OSError as error:
        raise PreflightError(f"{making.path} cannot be written: {error.strerror}.") from None
    finally:
        # What is being written still is stopped first, or it would come back.
        await services.stop([unit])
        with contextlib.suppress(OSError):
            temporary.unlink()
    return making.path


async def make_alone(making: Making, *, manager: str) -> Path:
    """Make a video in a run of its own, which ends with it."""
    run = f"video{secrets.token_hex(4)}"
    async with opened_services(
        run, f"makes the video {making.label}", manager=manager, keep=False
    ) as services:
        return await make(services, making)


def _remove_stale(directory: Path, name: str) -> None:
    """Remove what commands that were killed have left of this very video, long ago."""
    for path in directory.glob(f".{name}.*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                path.unlink()
