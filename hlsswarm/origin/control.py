"""The test origin as units: an encoder and nginx, in a run of their own.

    origin start ─► slice ─► encoder unit ─► segments in memory ◄─ nginx unit ◄─ clients
                                └── ready when every playlist that nginx serves has segments

Knows in which order things start and when an origin is ready. Who encodes: encoding; what the files
and commands say is core's.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urljoin

from hlsswarm.controller import runs
from hlsswarm.controller.services import Services, opened_services
from hlsswarm.core.nginx import HEALTH_PATH
from hlsswarm.core.origin_options import OriginOptions
from hlsswarm.core.presentation import has_ladder, media_playlists, source_rendition
from hlsswarm.core.profiles import STREAM_PLAYLIST, OriginProfile
from hlsswarm.errors import PreflightError, UsageError
from hlsswarm.origin.encoding import Encoding, write_multivariant
from hlsswarm.origin.profile_files import find_profile
from hlsswarm.origin.readiness import lacking, lacking_segments, wait_until
from hlsswarm.origin.web_server import WebServer
from hlsswarm.places import media_root
from hlsswarm.telemetry.pace import TOO_SLOW, presentation_speed
from hlsswarm.units.runtime_directory import media_directory, runtime_directory

_READY_SECONDS = 36.0
"""Beside the time that two Media Segments take."""
_SERVES_SECONDS = 10.0
_ACCESS_LOG = "access.json"
_MEDIA_WORD = "media"


@dataclass(frozen=True)
class _Prepared:
    """Programs and profile, checked before anything is started."""

    options: OriginOptions
    server: WebServer
    encoding: Encoding | None


def check(options: OriginOptions) -> _Prepared:
    """What an origin needs. Raises HlsSwarmError for what is not there."""
    if options.serve is not None:
        server = _directory_server(options, _served(options.serve))
        server.check()
        return _Prepared(options, server, None)
    profile = find_profile(options.profile, options.changes)
    server = _web_server(options, profile)
    server.check()
    encoding = Encoding.checked(profile, options.ffmpeg, options.encode, options.source)
    return _Prepared(options, server, encoding)


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


def own_access_log(options: OriginOptions) -> Path | None:
    """The log that a profile asks for, in the run's directory; None when it asks for none, or
    another file was named.
    """
    if options.serve is not None or options.access_log is not None:
        return None
    profile = find_profile(options.profile, options.changes)
    return runtime_directory() / options.run / _ACCESS_LOG if profile.access_log else None


def _served(directory: Path) -> Path:
    """The directory that is meant: `media` is the one of preview encoders and ladders."""
    if str(directory) != _MEDIA_WORD:
        return Path(os.path.abspath(directory))  # noqa: PTH100
    root = media_root()
    root.mkdir(mode=0o755, parents=True, exist_ok=True)
    return root


def _directory_server(options: OriginOptions, directory: Path) -> WebServer:
    if options.source is not None or options.changes:
        raise UsageError(
            "--serve serves what others write: --source and --set say nothing there.",
            hint="Leave out --serve, or the others.",
        )
    if not directory.is_dir():
        raise PreflightError(
            f"--serve {directory} is not a directory.",
            hint="`--serve media` is the one of preview encoders and ladders.",
        )
    return WebServer(
        run=options.run,
        listen=options.listen,
        port=options.port,
        title=f"directory {directory}",
        status_lines=(f"/NAME/{STREAM_PLAYLIST}  what encoders write to {directory}/NAME",),
        nginx=options.nginx,
        access_log=options.access_log,
        tls=options.tls,
        tls_names=options.tls_names,
    )


def _status_lines(profile: OriginProfile) -> tuple[str, ...]:
    """What the web server's status page says of the stream."""
    count = f", {profile.playlist_segments} in the playlist" if profile.is_live else ""
    return (
        f"/{STREAM_PLAYLIST}  the stream: Media Segments of {profile.segment_seconds} s{count}",
        *(
            f"    {rendition.width}x{rendition.height}, {rendition.frame_rate} frames/s,"
            f" video {rendition.video_bitrate_kbps} kbit/s,"
            f" audio {rendition.audio_bitrate_kbps} kbit/s"
            for rendition in profile.renditions
        ),
        *(f"    audio {track.name}, {track.bitrate_kbps} kbit/s" for track in profile.audio),
    )


def start(options: OriginOptions, say: Callable[[str], None]) -> str:
    """Start an origin and wait until its stream plays; the stream's URL. `say` is told of what
    takes long, and what will not do.

    Raises HlsSwarmError, and leaves nothing behind then.
    """
    prepared = check(options)
    asyncio.run(_start(prepared, say))
    return options.url


async def _start(prepared: _Prepared, say: Callable[[str], None]) -> None:
    options, encoding = prepared.options, prepared.encoding
    what = f"of {options.serve}" if encoding is None else encoding.profile.name
    async with opened_services(
        options.run,
        f"test origin {what} at {options.url}",
        manager=options.manager,
        taken=f"A test origin on port {options.port} runs already: {options.url}",
        taken_hint="`hlsswarm origin status` shows it, `hlsswarm origin stop` ends it.",
    ) as services:
        prepared.server.check_port()
        if encoding is None:
            await _serve(prepared, services)
        else:
            await _play(prepared, encoding, services, say)


async def _serve(prepared: _Prepared, services: Services) -> None:
    await services.start(
        prepared.server.service(services, _served(prepared.options.serve or Path()))
    )
    url = urljoin(prepared.options.url, HEALTH_PATH)
    await wait_until(
        lambda: lacking(url, b"ok"), services, what=url, timeout_seconds=_SERVES_SECONDS
    )


async def _play(
    prepared: _Prepared, encoding: Encoding, services: Services, say: Callable[[str], None]
) -> None:
    profile, url = encoding.profile, prepared.options.url
    media = media_directory(services.directory, needed_bytes=encoding.needed_bytes)
    server = prepared.server
    if profile.access_log and server.access_log is None:
        server = replace(server, access_log=services.directory / _ACCESS_LOG)
    nginx = server.service(services, media)
    await encoding.start(services, media, say)
    await services.start(nginx)
    paths = [playlist.path for playlist in media_playlists(profile)]
    await wait_until(
        lambda: lacking_segments(url, paths),
        services,
        what=f"The stream at {url}",
        timeout_seconds=_READY_SECONDS + 2 * profile.segment_seconds,
        hint="Is this machine fast enough to encode the profile? Try `--encode once`.",
    )
    write_multivariant(profile, media)
    if has_ladder(profile):
        await wait_until(
            lambda: lacking(url, b"#EXT-X-STREAM-INF"),
            services,
            what=f"The stream at {url}",
            timeout_seconds=_SERVES_SECONDS,
        )
    if profile.is_live and encoding.mode == "live":
        await _look_at_speed(profile, media, say)


async def _look_at_speed(profile: OriginProfile, media: Path, say: Callable[[str], None]) -> None:
    """Say when the encoder does not keep up, which is held against one more segment."""
    playlist = _slowest_playlist(profile, media)
    speed = presentation_speed(playlist)
    if speed is not None and speed < TOO_SLOW:
        await asyncio.sleep(profile.segment_seconds / speed)
        speed = presentation_speed(playlist)
    if speed is not None and speed < TOO_SLOW:
        say(_too_slow_text(speed))


def _too_slow_text(speed: float) -> str:
    """What is said of an encoder that does not keep up with real time."""
    return (
        f"Warning: this machine encodes at {speed:.2f} times real time: the stream will stall.\n"
        "  Hint: `--encode once` encodes before it plays; `--set` makes a profile smaller."
    )


def _slowest_playlist(profile: OriginProfile, media: Path) -> Path:
    """One ffmpeg makes all Renditions; the largest comes last."""
    largest = source_rendition(profile)
    return next(media / one.path for one in media_playlists(profile) if one.part == largest)


def slowness(run: str) -> str | None:
    """What is to be said of an origin's encoder that does not keep up; None when it does, where
    there is none, and while it cannot be told.
    """
    media = runtime_directory() / run / "media"
    speeds = [
        speed
        for playlist in (media / STREAM_PLAYLIST, *media.glob(f"*/{STREAM_PLAYLIST}"))
        if (speed := presentation_speed(playlist)) is not None
    ]
    slowest = min(speeds, default=1.0)
    return _too_slow_text(slowest) if slowest < TOO_SLOW else None


def origins(kind: str) -> list[runs.RunStatus]:
    """Test origins that run."""
    return [run for run in runs.status(kind) if run.counts("nginx") or run.counts("encoder")]


def stop(kind: str, wanted: list[str]) -> list[str]:
    """Stop these origins; the names of those that were there."""
    return runs.stop(kind, wanted)
