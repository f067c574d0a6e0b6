"""What publishers need before the first one starts: programs, files, a server, and their units."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hlsswarm.controller.services import Services
from hlsswarm.controller.walled import walled
from hlsswarm.core import names
from hlsswarm.core.backoff import Backoff
from hlsswarm.core.publish import Stream, push_command, server_address
from hlsswarm.core.service_specs import PlainStop, Service, ServiceRestart
from hlsswarm.core.unit_specs import Limits, Property
from hlsswarm.core.videos import TestVideo
from hlsswarm.errors import PreflightError
from hlsswarm.publishers.consume import Say
from hlsswarm.publishers.videos import Making, generated, make, transcoded
from hlsswarm.telemetry.ffmpeg_abilities import FFmpegAbilities
from hlsswarm.telemetry.ffmpeg_program import FFmpegProgram, find_ffmpeg

_CONNECT_SECONDS = 5.0
_BACKOFF = Backoff(1.0, 8.0)
_LIMITS = Limits(memory_max_bytes=1 << 30, tasks_max=128)


def check_publishing(
    streams: Sequence[Stream], ffmpeg: str | None, *, look_for_server: bool
) -> FFmpegProgram:
    """ffmpeg, if it can do what is asked for, and files and server are there. PreflightError."""
    program = find_ffmpeg(ffmpeg)
    abilities = FFmpegAbilities(program.path)
    for target in dict.fromkeys(stream.target for stream in streams):
        if target.muxer not in abilities.muxers or target.protocol not in abilities.input_protocols:
            raise PreflightError(
                f"{program.path} was built without {target.protocol} or {target.muxer}.",
                hint="Name another with --ffmpeg PATH.",
            )
    for codec in dict.fromkeys(s.encoding.codec for s in streams if s.how != "copy"):
        if codec not in abilities.encoders:
            raise PreflightError(
                f"{program.path} has no encoder {codec}.", hint=f"`{program.path} -encoders`"
            )
    for stream in streams:
        if not stream.is_pattern and not Path(stream.source).is_file():
            raise PreflightError(
                f"{stream.name}: there is no file {stream.source}.",
                hint="--source is a file, or one of bars, shapes, gradient.",
            )
    if look_for_server:
        addresses = dict.fromkeys(server_address(stream.url) for stream in streams)
        for address in addresses:
            if address is not None:
                _check_server(*address)
    return program


def _check_server(host: str, port: int) -> None:
    """Raise PreflightError when nobody takes a connection there."""
    try:
        socket.create_connection((host, port), timeout=_CONNECT_SECONDS).close()
    except TimeoutError:
        reason = "no answer"
    except OSError as error:
        reason = error.strerror or str(error)
    else:
        return
    raise PreflightError(
        f"No server at {host}:{port}: {reason}.",
        hint="`hlsswarm rtsp start` starts one, `publish --serve` one for the run.",
    )


async def files_of(
    services: Services, program: FFmpegProgram, streams: Sequence[Stream], say: Say
) -> dict[str, Path]:
    """The file that each stream, by its name, pushes; what is not there yet is made, once each."""
    files: dict[str, Path] = {}
    for stream in streams:
        making = _making(stream, program)
        if isinstance(making, Path):
            files[stream.name] = making
            continue
        if not making.is_there:
            say(f"Encoding {making.label} once …")
            await make(services, making)
        files[stream.name] = making.path
    return files


def _making(stream: Stream, program: FFmpegProgram) -> Making | Path:
    """What has to be made for a stream, or the file of the user's that is pushed itself."""
    source, encoding = Path(os.path.abspath(stream.source)), stream.encoding  # noqa: PTH100
    if not stream.is_pattern:
        if stream.how != "once":
            return source
        return transcoded(program, source, encoding, audio=stream.audio)
    width, height = stream.size
    video = TestVideo(
        pattern=stream.source,  # type: ignore[arg-type]  # is_pattern says that it is one
        width=width,
        height=height,
        audio=stream.audio,
    )
    if stream.how == "live":
        # What is encoded once more is not to have been spoilt before.
        encoding = replace(encoding, codec="libx264", bitrate_bps=4 * encoding.bitrate_bps)
    return generated(program, video, encoding)


def publisher_service(
    stream: Stream,
    unit: str,
    file: Path,
    *,
    program: FFmpegProgram,
    services: Services,
    output: Path | None = None,
) -> Service:
    """The unit of one stream. `output` is a socket that listens for its progress.

    One that plays once stays when it is done, and is not repeated.
    """
    when = ServiceRestart("always" if stream.loop else "on-failure", _BACKOFF)
    service = Service(
        name=unit,
        slice_name=names.part_slice(services.run, "publishers"),
        description=f"hlsswarm publishes {stream.name} to {stream.url}",
        command=push_command(program.path, stream, file),
        log=services.log(unit),
        output_socket=output,
        limits=_LIMITS,
        stop=PlainStop(seconds=3.0),
        restart=when,
        more=() if stream.loop else (Property("RemainAfterExit", "b", True),),
    )
    return walled(service, "encoder", readable=[file])
