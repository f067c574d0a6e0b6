"""The test origin as units: an encoder and nginx, in a run of their own.

    origin start ─► slice ─► encoder unit ─► segments in memory ◄─ nginx unit ◄─ clients
                                └── ready when the playlist that nginx serves has segments

Knows where files go and when an origin is ready. What the files and commands say is core's.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import resource
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import hlsswarm
from hlsswarm.controller import runs
from hlsswarm.controller.services import Services, opened_services
from hlsswarm.core import names
from hlsswarm.core.encoder import encoder_command
from hlsswarm.core.nginx import nginx_command, nginx_configuration
from hlsswarm.core.profiles import PROFILES, STREAM_PLAYLIST, OriginProfile, window_bytes
from hlsswarm.core.service_specs import Service
from hlsswarm.core.unit_specs import Limits
from hlsswarm.errors import PreflightError, UnitError, UsageError
from hlsswarm.programs import find_font, find_program
from hlsswarm.telemetry.ffmpeg_program import find_ffmpeg
from hlsswarm.units.runtime_directory import media_directory

_READY_TIMEOUT_SECONDS = 40.0
_READY_SEGMENTS = 2
_OPEN_FILES_MAX = 65_536
_ENCODER_MEMORY_BYTES = 768 << 20
_NGINX_MEMORY_BYTES = 1 << 30


@dataclass(frozen=True)
class OriginOptions:
    """What is asked of an origin."""

    profile: str = "default"
    listen: str = "127.0.0.1"
    port: int = 8080
    manager: str = "auto"
    ffmpeg: str | None = None
    nginx: str | None = None
    access_log: Path | None = None

    @property
    def run(self) -> str:
        """The run that the origin is: one for each port."""
        return f"origin{self.port}"

    @property
    def url(self) -> str:
        """Where the stream is."""
        host = "127.0.0.1" if ipaddress.ip_address(self.listen).is_unspecified else self.listen
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/{STREAM_PLAYLIST}"


@dataclass(frozen=True)
class _Prepared:
    """Programs and profile, checked before anything is started."""

    options: OriginOptions
    profile: OriginProfile
    ffmpeg: Path
    nginx: Path


def check(options: OriginOptions) -> _Prepared:
    """What an origin needs. Raises UsageError or PreflightError for what is not there."""
    profile = PROFILES.get(options.profile)
    if profile is None:
        raise UsageError(
            f"There is no profile {options.profile!r}.", hint=f"There is: {', '.join(PROFILES)}."
        )
    try:
        ipaddress.ip_address(options.listen)
    except ValueError:
        raise UsageError(
            f"--listen {options.listen!r} is not an IP address.", hint="Give, say, 127.0.0.1."
        ) from None
    if options.access_log is not None and not options.access_log.parent.is_dir():
        raise PreflightError(f"The directory {options.access_log.parent} does not exist.")
    nginx = find_program(options.nginx or "nginx", package="nginx-light")
    return _Prepared(options, profile, find_ffmpeg(options.ffmpeg).path, nginx)


def _check_port(options: OriginOptions) -> None:
    """Raise PreflightError when something else has the port."""
    family = socket.AF_INET6 if ":" in options.listen else socket.AF_INET
    try:
        socket.create_server((options.listen, options.port), family=family).close()
    except OSError as error:
        reason = os.strerror(error.errno or 0)  # its own text repeats the address
        raise PreflightError(
            f"Port {options.port} of {options.listen} cannot be used: {reason}.",
            hint="Choose another with --port, or stop what has it.",
        ) from None


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
        _check_port(options)
        needed = window_bytes(prepared.profile)
        media = media_directory(services.directory, needed_bytes=needed)
        configuration = _write_configuration(prepared, services.directory, media)
        for service in _services(prepared, services, media, configuration):
            await services.start(service)
        await _wait_until_ready(options, services)


def _write_configuration(prepared: _Prepared, directory: Path, media: Path) -> Path:
    """nginx's configuration, checked by nginx itself. Raises PreflightError."""
    options = prepared.options
    log = options.access_log
    text = nginx_configuration(
        prepared.profile,
        listen_address=options.listen,
        port=options.port,
        document_root=media,
        run_directory=directory,
        access_log=None if log is None else Path(os.path.abspath(log)),  # noqa: PTH100
        max_open_files=_open_files(),
        workers=1,
    )
    configuration = directory / "nginx.conf"
    configuration.write_text(text)
    command = nginx_command(prepared.nginx, configuration, directory, check_only=True)
    checked = subprocess.run(command, capture_output=True, check=False, timeout=30)
    if checked.returncode != 0:
        said = checked.stderr.decode(errors="replace").strip().splitlines()
        raise PreflightError(f"nginx refuses its configuration: {said[-1] if said else '?'}")
    return configuration


def _open_files() -> int:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES_MAX)


def _services(
    prepared: _Prepared, services: Services, media: Path, configuration: Path
) -> tuple[Service, Service]:
    run, profile = prepared.options.run, prepared.profile
    encoder_unit, nginx_unit = names.encoder_unit(run, profile.name), names.nginx_unit(run)
    encoder = Service(
        name=encoder_unit,
        slice_name=names.origin_slice(run),
        description=f"hlsswarm encoder {profile.name}",
        command=encoder_command(
            prepared.ffmpeg,
            profile,
            media,
            start_epoch=int(time.time()),
            clock_font=find_font(),
        ),
        log=services.log(encoder_unit),
        # The segments in memory are charged to the encoder, which writes them.
        limits=Limits(memory_max_bytes=_ENCODER_MEMORY_BYTES + 2 * window_bytes(profile)),
        before=(_tidy_command(media, profile),),
        environment=(f"PYTHONPATH={Path(hlsswarm.__file__).parent.parent}",),
    )
    nginx = Service(
        name=nginx_unit,
        slice_name=names.origin_slice(run),
        description=f"hlsswarm nginx on port {prepared.options.port}",
        command=nginx_command(prepared.nginx, configuration, services.directory),
        log=services.log(nginx_unit),
        limits=Limits(memory_max_bytes=_NGINX_MEMORY_BYTES),
    )
    return encoder, nginx


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
        return _playlist(url).count(b"#EXTINF")
    except OSError:
        return 0


def _playlist(url: str) -> bytes:
    """The playlist as the origin serves it. Raises OSError, HTTP error statuses included."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=2) as answer:
        body: bytes = answer.read(1 << 20)
        return body


def _why_not(url: str) -> str:
    """Why the stream does not play, as far as the web server tells."""
    try:
        _playlist(url)
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
