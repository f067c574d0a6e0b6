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
from hlsswarm.core import names
from hlsswarm.core.encoder import encoder_command
from hlsswarm.core.nginx import nginx_command, nginx_configuration
from hlsswarm.core.profiles import PROFILES, STREAM_PLAYLIST, OriginProfile, window_bytes
from hlsswarm.core.unit_specs import Abilities, Limits, UnitSpec, origin_service_spec, slice_spec
from hlsswarm.errors import PreflightError, UnitError, UsageError
from hlsswarm.programs import find_program
from hlsswarm.telemetry.ffmpeg_program import find_ffmpeg
from hlsswarm.units.abilities import probe
from hlsswarm.units.connect import connect, release
from hlsswarm.units.manager import SystemdManager
from hlsswarm.units.runtime_directory import (
    fresh_run_directory,
    locked,
    media_directory,
    remove_run_directory,
)

_READY_TIMEOUT_SECONDS = 40.0
_READY_SEGMENTS = 2
_STOP_TIMEOUT_SECONDS = 10.0
_OPEN_FILES_MAX = 65_536
_ENCODER_MEMORY_BYTES = 768 << 20
_NGINX_MEMORY_BYTES = 1 << 30
# Where distributions keep the font that ffmpeg's own packages bring; without one there is no
# wall clock in the picture, and testsrc2's timer runs alone.
_CLOCK_FONTS = (
    Path("/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf"),
    Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"),
    Path("/usr/share/fonts/dejavu-sans-mono-fonts/DejaVuSansMono.ttf"),
)
_ENCODER_LOG = "encoder.log"
_NGINX_LOG = "nginx.log"


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
    async with contextlib.AsyncExitStack() as stack:
        with locked() as parent:
            manager = connect(options.manager)
            stack.callback(release, manager)
            manager.listen()
            if runs.is_active(manager, options.run):
                raise PreflightError(
                    f"A test origin on port {options.port} runs already: {options.url}",
                    hint="`hlsswarm origin status` shows it, `hlsswarm origin stop` ends it.",
                )
            _check_port(options)
            directory = fresh_run_directory(parent, options.run, kind=manager.kind)
            stack.callback(_clean_up_unless_active, manager, options.run, directory)
            try:
                await _start_units(prepared, manager, directory)
            except BaseException:
                await manager.stop_run(options.run, timeout_seconds=_STOP_TIMEOUT_SECONDS)
                raise
        try:
            await _wait_until_ready(options, manager, directory)
        except BaseException:
            await manager.stop_run(options.run, timeout_seconds=_STOP_TIMEOUT_SECONDS)
            raise


def _clean_up_unless_active(manager: SystemdManager, run: str, directory: Path) -> None:
    if not runs.is_active(manager, run):
        remove_run_directory(directory)


async def _start_units(prepared: _Prepared, manager: SystemdManager, directory: Path) -> None:
    options, profile = prepared.options, prepared.profile
    needed = window_bytes(profile)
    media = media_directory(directory, needed_bytes=needed)
    configuration = _write_configuration(prepared, directory, media)
    abilities = await probe(manager, directory)
    what = f"test origin {profile.name} at {options.url}"
    await manager.start_and_wait(slice_spec(names.run_slice(options.run), what, Limits()))
    for spec in _specs(prepared, abilities, directory, media, configuration):
        await manager.start_and_wait(spec)


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


def _specs(
    prepared: _Prepared,
    abilities: Abilities,
    directory: Path,
    media: Path,
    configuration: Path,
) -> tuple[UnitSpec, UnitSpec]:
    run, profile = prepared.options.run, prepared.profile
    encoder = origin_service_spec(
        names.encoder_unit(run, profile.name),
        run,
        f"hlsswarm encoder {profile.name}",
        encoder_command(
            prepared.ffmpeg,
            profile,
            media,
            start_epoch=int(time.time()),
            clock_font=next((font for font in _CLOCK_FONTS if font.is_file()), None),
        ),
        abilities=abilities,
        log_file=directory / _ENCODER_LOG,
        # The segments in memory are charged to the encoder, which writes them.
        limits=Limits(memory_max_bytes=_ENCODER_MEMORY_BYTES + 2 * window_bytes(profile)),
        before=_tidy_command(media, profile),
        environment=(f"PYTHONPATH={Path(hlsswarm.__file__).parent.parent}",),
    )
    nginx = origin_service_spec(
        names.nginx_unit(run),
        run,
        f"hlsswarm nginx on port {prepared.options.port}",
        nginx_command(prepared.nginx, configuration, directory),
        abilities=abilities,
        log_file=directory / _NGINX_LOG,
        limits=Limits(memory_max_bytes=_NGINX_MEMORY_BYTES),
    )
    return encoder, nginx


def _tidy_command(media: Path, profile: OriginProfile) -> tuple[str, ...]:
    keep = str(profile.unreferenced_segments)
    return (sys.executable, "-m", "hlsswarm.origin.tidy", str(media), keep)


async def _wait_until_ready(
    options: OriginOptions, manager: SystemdManager, directory: Path
) -> None:
    """Wait until the playlist has segments. Raises UnitError as soon as a unit fails."""
    deadline = time.monotonic() + _READY_TIMEOUT_SECONDS
    while await asyncio.to_thread(playlist_segments, options.url) < _READY_SEGMENTS:
        for unit in manager.list_units(names.run_pattern(options.run)):
            if unit.sub not in {"running", "start", "start-pre"}:
                role = names.parse_unit(unit.name)
                log = directory / (_NGINX_LOG if role and role.role == "nginx" else _ENCODER_LOG)
                raise UnitError(f"{unit.name} does not run: {_last_line(log)}")
        if time.monotonic() > deadline:
            raise UnitError(
                f"The stream at {options.url} does not play after {_READY_TIMEOUT_SECONDS:.0f} s: "
                f"{_why_not(options.url)}; the encoder: {_last_line(directory / _ENCODER_LOG)}",
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
