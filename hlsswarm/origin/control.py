"""The test origin as units: an encoder and nginx, in a run of their own.

    origin start ─► slice ─► encoder unit ─► segments in memory ◄─ nginx unit ◄─ clients
                                └── ready when the playlist that nginx serves has segments

Knows where files go and when an origin is ready. What the files and commands say is core's.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
import urllib.error
from dataclasses import dataclass
from pathlib import Path

import hlsswarm
from hlsswarm.controller import runs
from hlsswarm.controller.services import Services, opened_services
from hlsswarm.core import names
from hlsswarm.core.encoder import TestPattern, live_command
from hlsswarm.core.origin_options import OriginOptions
from hlsswarm.core.presentation import has_ladder
from hlsswarm.core.profiles import STREAM_PLAYLIST, OriginProfile, media_bytes
from hlsswarm.core.service_specs import Service
from hlsswarm.core.shipped_profiles import PROFILES
from hlsswarm.core.unit_specs import Limits
from hlsswarm.errors import UnitError, UsageError
from hlsswarm.origin.web_server import WebServer, fetched
from hlsswarm.programs import find_font
from hlsswarm.telemetry.ffmpeg_program import find_ffmpeg
from hlsswarm.units.runtime_directory import media_directory

_READY_TIMEOUT_SECONDS = 40.0
_READY_SEGMENTS = 2
_ENCODER_MEMORY_BYTES = 768 << 20


@dataclass(frozen=True)
class _Prepared:
    """Programs and profile, checked before anything is started."""

    options: OriginOptions
    profile: OriginProfile
    ffmpeg: Path
    server: WebServer


def check(options: OriginOptions) -> _Prepared:
    """What an origin needs. Raises UsageError or PreflightError for what is not there."""
    profile = PROFILES.get(options.profile)
    if profile is None:
        raise UsageError(
            f"There is no profile {options.profile!r}.", hint=f"There is: {', '.join(PROFILES)}."
        )
    server = _web_server(options, profile)
    server.check()
    return _Prepared(options, profile, find_ffmpeg(options.ffmpeg).path, server)


def _web_server(options: OriginOptions, profile: OriginProfile) -> WebServer:
    return WebServer(
        run=options.run,
        listen=options.listen,
        port=options.port,
        title=f"profile {profile.name}: {profile.description}",
        status_lines=_status_lines(profile),
        segment_seconds=profile.segment_seconds,
        multivariant=has_ladder(profile),
        nginx=options.nginx,
        access_log=options.access_log,
        tls=options.tls,
        tls_names=options.tls_names,
    )


def _status_lines(profile: OriginProfile) -> tuple[str, ...]:
    """What the web server's status page says of the stream."""
    return (
        f"/{STREAM_PLAYLIST}  the stream: Media Segments of {profile.segment_seconds} s,"
        f" {profile.playlist_segments} in the playlist",
        *(
            f"    {rendition.width}x{rendition.height}, {rendition.frame_rate} frames/s,"
            f" video {rendition.video_bitrate_kbps} kbit/s,"
            f" audio {rendition.audio_bitrate_kbps} kbit/s"
            for rendition in profile.renditions
        ),
    )


def start(options: OriginOptions) -> str:
    """Start an origin and wait until its stream plays; the stream's URL.

    Raises HlsSwarmError, and leaves nothing behind then.
    """
    prepared = check(options)
    asyncio.run(_start(prepared))
    return options.url


async def _start(prepared: _Prepared) -> None:
    options = prepared.options
    async with opened_services(
        options.run,
        f"test origin {prepared.profile.name} at {options.url}",
        manager=options.manager,
        taken=f"A test origin on port {options.port} runs already: {options.url}",
        taken_hint="`hlsswarm origin status` shows it, `hlsswarm origin stop` ends it.",
    ) as services:
        prepared.server.check_port()
        needed = media_bytes(prepared.profile)
        media = media_directory(services.directory, needed_bytes=needed)
        for service in _services(prepared, services, media):
            await services.start(service)
        await _wait_until_ready(options, services)


def _services(prepared: _Prepared, services: Services, media: Path) -> tuple[Service, Service]:
    run, profile = prepared.options.run, prepared.profile
    encoder_unit = names.encoder_unit(run, profile.name)
    encoder = Service(
        name=encoder_unit,
        slice_name=names.origin_slice(run),
        description=f"hlsswarm encoder {profile.name}",
        command=live_command(
            prepared.ffmpeg,
            profile,
            media,
            start_number=int(time.time()),
            source=TestPattern(find_font()),
        ),
        log=services.log(encoder_unit),
        # The segments in memory are charged to the encoder, which writes them.
        limits=Limits(memory_max_bytes=_ENCODER_MEMORY_BYTES + 2 * media_bytes(profile)),
        before=(_tidy_command(media, profile),),
        environment=(f"PYTHONPATH={Path(hlsswarm.__file__).parent.parent}",),
    )
    return encoder, prepared.server.service(services, media)


def _tidy_command(media: Path, profile: OriginProfile) -> tuple[str, ...]:
    keep = str(profile.unreferenced_segments)
    return (sys.executable, "-m", "hlsswarm.origin.tidy", str(media), keep)


async def _wait_until_ready(options: OriginOptions, services: Services) -> None:
    """Wait until the playlist has segments. Raises UnitError as soon as a unit fails."""
    deadline = time.monotonic() + _READY_TIMEOUT_SECONDS
    while await asyncio.to_thread(playlist_segments, options.url) < _READY_SEGMENTS:
        for unit in services.manager.list_units(names.run_pattern(options.run)):
            if unit.sub not in {"running", "start", "start-pre"}:
                said = _last_line(services.log(unit.name))
                raise UnitError(f"{unit.name} does not run: {said}")
        if time.monotonic() > deadline:
            encoder = next(name for name in services.started if "-encoder-" in name)
            raise UnitError(
                f"The stream at {options.url} does not play after {_READY_TIMEOUT_SECONDS:.0f} s: "
                f"{_why_not(options.url)}; the encoder: {_last_line(services.log(encoder))}",
                hint="Is this machine fast enough to encode the profile?",
            )
        await asyncio.sleep(0.1)


def _last_line(log: Path) -> str:
    with contextlib.suppress(OSError):
        lines = log.read_text(errors="replace").strip().splitlines()
        if lines:
            return lines[-1][:300]
    return "it left no message"


def playlist_segments(url: str) -> int:
    """Media Segments in the playlist now; 0 when it is not there."""
    try:
        return fetched(url).count(b"#EXTINF")
    except OSError:
        return 0


def _why_not(url: str) -> str:
    """Why the stream does not play, as far as the web server tells."""
    try:
        fetched(url)
    except urllib.error.HTTPError as error:
        with error:
            return f"nginx answers {error.code} {error.reason}"
    except OSError as error:
        return str(error)
    return "its playlist has no segments"


def origins(kind: str) -> list[runs.RunStatus]:
    """Test origins that run."""
    return [run for run in runs.status(kind) if run.counts("nginx") or run.counts("encoder")]


def stop(kind: str, wanted: list[str]) -> list[str]:
    """Stop these origins; the names of those that were there."""
    return runs.stop(kind, wanted)
