"""Preview encoders as units: each input a live HLS presentation of its own.

    encoder start NAME ─► unit hlsswarm-encoders-encoder-NAME ─► MEDIA/NAME/stream.m3u8

All are in one run, which comes with the first and goes with the last. Whether one runs is what
systemd says; what it was started with is noted in the run's directory. Knows files and units; the
command lines are core's (core/preview, core/inputs).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from hlsswarm import places
from hlsswarm.controller import runs
from hlsswarm.controller.log_tail import last_lines
from hlsswarm.controller.services import Services, opened_services
from hlsswarm.controller.walled import walled
from hlsswarm.core import names
from hlsswarm.core.encoder_options import RUN, EncoderOptions, unit_of
from hlsswarm.core.headers import redact
from hlsswarm.core.inputs import Input, parse_input
from hlsswarm.core.preview import (
    UNREFERENCED_SEGMENTS,
    check_name,
    member_of_name,
    preview_command,
)
from hlsswarm.core.profiles import STREAM_PLAYLIST
from hlsswarm.core.service_specs import GracefulStop, Service, ServiceRestart
from hlsswarm.core.starts import SERVICE_BACKOFF
from hlsswarm.encoders.checks import check_codec, check_input
from hlsswarm.encoders.prepare import prepare_command
from hlsswarm.encoders.preview_list import notes_file
from hlsswarm.errors import PreflightError, UnitError
from hlsswarm.programs import package_environment
from hlsswarm.telemetry.ffmpeg_abilities import FFmpegAbilities
from hlsswarm.telemetry.ffmpeg_program import find_ffmpeg
from hlsswarm.telemetry.pace import written_segments
from hlsswarm.units.manager import SystemdManager
from hlsswarm.units.outputs import note_output, remove_output
from hlsswarm.units.runtime_directory import locked, runtime_directory

_READY_SECONDS = 30.0
"""For an input to open; on top come two segments' time."""


@dataclass(frozen=True)
class _Prepared:
    """An encoder's programs and places, looked at before anything is started."""

    options: EncoderOptions
    source: Input
    ffmpeg: Path
    directory: Path

    @property
    def playlist(self) -> Path:
        """Where its presentation begins."""
        return self.directory / STREAM_PLAYLIST


def check(options: EncoderOptions) -> _Prepared:
    """What the encoder needs. Raises UsageError or PreflightError for what is not there."""
    check_name(options.name)
    source = parse_input(options.input, directory=Path.cwd())
    ffmpeg = find_ffmpeg(options.ffmpeg).path
    abilities = FFmpegAbilities(ffmpeg)
    check_input(source, abilities)
    check_codec(options.settings.codec, abilities)
    directory = _media(options.media) / options.name
    return _Prepared(options, source, ffmpeg, directory)


def _media(chosen: Path | None) -> Path:
    """The directory above all presentations. Raises PreflightError for one that cannot be."""
    root = places.media_root() if chosen is None else Path(os.path.abspath(chosen))  # noqa: PTH100
    if "%" in str(root):
        raise PreflightError(
            f"ffmpeg cannot write HLS below a directory with '%': {root}",
            hint="Choose another with --media.",
        )
    there = next(path for path in (root, *root.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise PreflightError(f"Nothing can be written below {there}.", hint="Choose with --media.")
    if chosen is None and root.exists() and root.stat().st_uid not in {0, os.geteuid()}:
        raise PreflightError(f"{root} belongs to another user.", hint="Choose with --media.")
    return root


def start(options: EncoderOptions) -> Path | None:
    """Start an encoder, and wait until it has written a segment; its playlist.

    None when one of this name runs already. Raises HlsSwarmError, and leaves nothing behind then.
    """
    prepared = check(options)
    return prepared.playlist if asyncio.run(_start(prepared)) else None


async def _start(prepared: _Prepared) -> bool:
    options = prepared.options
    async with opened_services(
        RUN, "preview encoders", manager=options.manager, join=True
    ) as services:
        ours = False
        try:
            # Of two that come at the same moment, the second sees the first one's unit.
            with locked():
                if services.manager.list_units(options.unit):
                    return False
                ours = True
                await services.start(_service(prepared, services))
            if options.wait:
                await _wait_until_written(prepared, services)
        except BaseException:
            if ours:
                await services.stop([options.unit])
                _undo(prepared, services.directory)
            raise
    return True


def _undo(prepared: _Prepared, run_directory: Path) -> None:
    """Remove what a start that failed has made; what others have in the directory stays."""
    with locked():
        _remove_traces(run_directory, member_of_name(prepared.options.name))
    levels = len(Path(prepared.options.name).parts)
    with contextlib.suppress(OSError):
        for empty in (prepared.directory, *prepared.directory.parents)[:levels]:
            empty.rmdir()


def _service(prepared: _Prepared, services: Services) -> Service:
    """The unit; what is noted about it, is written down, what an earlier one left is removed."""
    options, member = prepared.options, member_of_name(prepared.options.name)
    log = services.log(options.unit)
    starts = services.directory / f"encoder-{member}.starts"
    for old in (log, starts):
        old.unlink(missing_ok=True)
    noted = {"input": redact(options.input), "directory": str(prepared.directory)}
    notes_file(services.directory, member).write_text(json.dumps(noted))
    if options.media is None:
        note_output(services.directory, member, prepared.directory)
    before = prepare_command(
        [prepared.directory],
        keep=UNREFERENCED_SEGMENTS,
        log=log,
        starts=None if services.abilities.restart_steps else starts,
    )
    service = Service(
        name=options.unit,
        slice_name=names.part_slice(RUN, "encoders"),
        description=f"hlsswarm preview encoder {options.name}",
        command=preview_command(
            prepared.ffmpeg,
            prepared.source,
            options.settings,
            prepared.directory,
            start_epoch=int(time.time()),
            ends=options.media is not None,
        ),
        log=log,
        limits=options.limits,
        before=(before,),
        environment=(package_environment(),),
        stop=GracefulStop(),
        restart=ServiceRestart("always", SERVICE_BACKOFF),
    )
    # The directory above: somebody may remove the encoder's own while it waits.
    above = prepared.directory.parent
    return walled(service, "encoder", writable=[above, services.directory])


async def _wait_until_written(prepared: _Prepared, services: Services) -> None:
    """Wait for a segment that is new. Raises UnitError when the encoder ended or takes too long."""
    unit, began = prepared.options.unit, time.time()
    seconds = _READY_SECONDS + 2 * prepared.options.settings.segment_seconds
    deadline = time.monotonic() + seconds
    while not any(item.done_at >= began - 1 for item in written_segments(prepared.playlist)):
        why = ""
        if not services.manager.list_units(unit):
            raise UnitError(f"The encoder {prepared.options.name} was stopped meanwhile.")
        if services.manager.service_history(unit).restarts or _is_waiting(services.manager, unit):
            why = "ended"
        elif time.monotonic() > deadline:
            why = f"has written no segment after {seconds:.0f} s"
        if why:
            said = "\n  ".join(last_lines(services.log(unit), 3)) or "It left no message."
            raise UnitError(
                f"The encoder {prepared.options.name} {why}:\n  {said}",
                hint="With --no-wait it is started all the same, and tries again and again.",
            )
        await asyncio.sleep(0.05)


def _is_waiting(manager: SystemdManager, unit: str) -> bool:
    """Whether a unit's process has ended, and systemd is about to start it again."""
    return any(found.sub == "auto-restart" for found in manager.list_units(unit))


def stop(kind: str, wanted: list[str]) -> list[str]:
    """Stop these encoders; the names of those that were there. Raises UnitError."""
    units = {unit_of(name): name for name in wanted}
    directory = runtime_directory() / RUN
    before = {name: _age(directory, name) for name in wanted}
    stopped = [units[unit] for unit in runs.stop_units(kind, RUN, list(units))]
    for name in stopped:
        with locked() as parent:
            if _age(parent / RUN, name) == before[name]:  # else it was just started anew
                _remove_traces(parent / RUN, member_of_name(name))
    return stopped


def _age(run_directory: Path, name: str) -> int | None:
    """Tells one start of an encoder from the next; None when nothing is noted."""
    try:
        return notes_file(run_directory, member_of_name(name)).stat().st_mtime_ns
    except OSError:
        return None


def _remove_traces(run_directory: Path, member: str) -> None:
    remove_output(run_directory, member)
    for suffix in ("json", "log", "starts"):
        (run_directory / f"encoder-{member}.{suffix}").unlink(missing_ok=True)
