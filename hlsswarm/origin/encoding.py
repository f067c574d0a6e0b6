"""What an origin plays, made by ffmpeg as units: live, from a loop that is encoded once, or a VOD.

    live   encoder unit: source ─► x264, AAC ─► segments
    once   loop unit (only where the cache has no such loop) ─► loop.mp4
           encoder unit: loop.mp4 ─── copied, in real time ───► segments
    VOD    either of them, without waiting, to its end

Knows which files lie where. Must not know who serves them.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from hlsswarm.controller.services import Services
from hlsswarm.controller.walled import walled
from hlsswarm.core import names
from hlsswarm.core.encoder import (
    LOOP_SECONDS_MAX,
    SourceFile,
    TestPattern,
    live_command,
    loop_command,
    loop_seconds,
    replay_command,
)
from hlsswarm.core.hls_muxer import KEY_FILE, key_info_text
from hlsswarm.core.presentation import (
    average_bandwidth_bps,
    has_ladder,
    media_playlists,
    multivariant_text,
)
from hlsswarm.core.profiles import STREAM_PLAYLIST, Encryption, OriginProfile, media_bytes
from hlsswarm.core.service_specs import Service, ServiceRestart
from hlsswarm.core.starts import SERVICE_BACKOFF
from hlsswarm.core.unit_specs import Limits
from hlsswarm.encoders.prepare import prepare_command
from hlsswarm.errors import UnitError
from hlsswarm.origin import loop_cache
from hlsswarm.origin.readiness import last_message
from hlsswarm.programs import find_font, package_environment
from hlsswarm.telemetry.ffmpeg_program import FFmpegProgram, find_ffmpeg
from hlsswarm.telemetry.source_file import MediaFile, look_into

_ENCODER_MEMORY_BYTES = 1 << 30
_MEMORY_BYTES_A_PIXEL = 96
"""Of an encoder with the frames that it holds, for the largest picture (measured at 2160p: 75)."""
_MAKING_SECONDS_MAX = 4 * 3600.0
_TOLD_EVERY_SECONDS = 4.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Encoding:
    """An origin's encoder, looked at and not yet started."""

    profile: OriginProfile
    ffmpeg: FFmpegProgram
    mode: str
    file: MediaFile | None

    @classmethod
    def checked(
        cls, profile: OriginProfile, ffmpeg: str | None, mode: str, source: Path | None
    ) -> Encoding:
        """Raises PreflightError for what is not there."""
        program = find_ffmpeg(ffmpeg)
        file = None if source is None else look_into(program.path, source)
        return cls(profile, program, mode, file)

    @property
    def loop_seconds(self) -> int:
        """How long its loop is."""
        return loop_seconds(self.profile, None if self.file is None else self.file.seconds)

    def _source(self, *, clock: bool) -> TestPattern | SourceFile:
        if self.file is not None:
            return SourceFile(self.file.path, self.file.has_sound)
        return TestPattern(find_font() if clock else None)

    def _loop(self) -> Path:
        """Where its loop is, or is to be."""
        command = self._loop_command(Path("/"))
        of_file = () if self.file is None else loop_cache.identity(self.file.path)
        return loop_cache.loop_file(
            self.profile.name, (self.ffmpeg.version.text, *command, *of_file)
        )

    def _loop_command(self, part: Path, progress: Path | None = None) -> list[str]:
        return loop_command(
            self.ffmpeg.path,
            self.profile,
            part,
            # A loop says the same time again and again: no clock.
            source=self._source(clock=False),
            seconds=self.loop_seconds,
            progress_target=None if progress is None else progress.as_uri(),
        )

    @property
    def needed_bytes(self) -> int:
        """What its segments need in memory."""
        return media_bytes(self.profile)

    async def start(self, services: Services, root: Path, say: Say) -> None:
        """Start the encoder; a VOD is whole then. Raises HlsSwarmError."""
        for playlist in media_playlists(self.profile):
            (root / playlist.path).parent.mkdir(exist_ok=True)
        if self.mode == "once":
            loop = self._loop()
            if not loop_cache.is_there(loop):
                await self._make_loop(services, loop, say)
            command = loop_cache.played(
                loop,
                replay_command(
                    self.ffmpeg.path,
                    self.profile,
                    root,
                    loop=loop,
                    start_number=int(time.time()),
                    key_info=self._key_info(services.directory, root),
                ),
            )
        else:
            command = live_command(
                self.ffmpeg.path,
                self.profile,
                root,
                source=self._source(clock=True),
                start_number=int(time.time()),
                key_info=self._key_info(services.directory, root),
            )
        unit = names.encoder_unit(services.run, self.profile.name)
        service = self._service(services, unit, command, writes=root)
        if self.profile.is_live:
            await services.start(replace(service, before=(self._prepare(services, unit, root),)))
        else:
            await _run_to_its_end(services, service, f"The VOD {self.profile.name}")

    def _key_info(self, run_directory: Path, root: Path) -> list[Path]:
        """A file for each Media Playlist that tells the muxer of the key, which is made here."""
        if self.profile.encryption is not Encryption.AES_128:
            return []
        key, iv = root / KEY_FILE, secrets.token_hex(16)
        key.write_bytes(secrets.token_bytes(16))
        files = []
        for playlist in media_playlists(self.profile):
            file = (
                run_directory / f"key-info{'-' if playlist.directory else ''}{playlist.directory}"
            )
            file.write_text(key_info_text(playlist, key, iv))
            files.append(file)
        return files

    def _service(
        self, services: Services, unit: str, command: list[str], *, writes: Path
    ) -> Service:
        pixels = max(part.width * part.height for part in self.profile.renditions)
        # The segments in memory are charged to the encoder, which writes them.
        memory = _ENCODER_MEMORY_BYTES + pixels * _MEMORY_BYTES_A_PIXEL + 2 * self.needed_bytes
        service = Service(
            name=unit,
            slice_name=names.origin_slice(services.run),
            description=f"hlsswarm encoder {self.profile.name}",
            command=command,
            log=services.log(unit),
            limits=Limits(memory_max_bytes=memory),
            environment=(package_environment(),),
        )
        return walled(service, "encoder", writable=[writes, services.directory])

    def _prepare(self, services: Services, unit: str, root: Path) -> tuple[str, ...]:
        return prepare_command(
            [(root / playlist.path).parent for playlist in media_playlists(self.profile)],
            keep=self.profile.unreferenced_segments,
            log=services.log(unit),
            starts=None,
        )

    async def _make_loop(self, services: Services, loop: Path, say: Say) -> None:
        seconds = self.loop_seconds
        what = f"a loop of {seconds} s" + (f" of {self.file.path.name}" if self.file else "")
        say(f"Encoding {what} once ({loop_cache.loops_directory()}) …")
        if self.file is not None and (self.file.seconds or 0) > LOOP_SECONDS_MAX:
            say(f"The source is longer than {LOOP_SECONDS_MAX} s: only so much of it is played.")
        bits = sum(average_bandwidth_bps(self.profile, part) for part in self.profile.parts)
        unit = names.encoder_unit(services.run, f"{self.profile.name}-loop")
        progress = services.directory / "loop.progress"
        with loop_cache.being_made(loop, expected_bytes=bits * seconds // 8) as part:
            command = self._loop_command(part, progress)
            telling = asyncio.create_task(_tell_progress(progress, seconds, say))
            try:
                service = self._service(services, unit, command, writes=part.parent)
                await _run_to_its_end(services, service, "The loop")
                # ffmpeg that somebody ends closes its file in order, however short it is.
                if (_done_seconds(progress) or 0) < seconds - 1:
                    raise UnitError("The loop's encoder was ended before the loop was whole.")
            finally:
                telling.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await telling
                progress.unlink(missing_ok=True)


async def _run_to_its_end(services: Services, service: Service, what: str) -> None:
    """Run a service whose command ends by itself. Raises UnitError with its last words."""
    once = replace(
        service,
        one_shot=True,
        restart=ServiceRestart("no", SERVICE_BACKOFF),
        start_timeout_seconds=_MAKING_SECONDS_MAX,
    )
    try:
        await services.start(once)
    except UnitError:
        raise UnitError(f"{what} could not be made: {last_message(services, once.name)}") from None
    await services.stop([once.name])


async def _tell_progress(progress: Path, seconds: int, say: Say) -> None:
    """Say every few seconds how much is done, for as long as it takes."""
    while True:
        await asyncio.sleep(_TOLD_EVERY_SECONDS)
        done = _done_seconds(progress)
        if done is not None:
            say(f"  {min(100, done * 100 // seconds):.0f} %")


def _done_seconds(progress: Path) -> float | None:
    """How far ffmpeg's `-progress` file says it is."""
    with contextlib.suppress(OSError, ValueError):
        lines = progress.read_text(errors="replace").splitlines()
        times = [line.partition("=")[2] for line in lines if line.startswith("out_time_us=")]
        return int(times[-1]) / 1e6 if times else None
    return None


def write_multivariant(profile: OriginProfile, root: Path) -> None:
    """Write a ladder's Multivariant Playlist, whole or not at all."""
    if has_ladder(profile):
        temporary = root / f"{STREAM_PLAYLIST}.tmp"
        temporary.write_text(multivariant_text(profile))
        temporary.replace(root / STREAM_PLAYLIST)
