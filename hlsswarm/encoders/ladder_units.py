"""A ladder's transcoders as units: which are there, and how one is started and stopped.

systemd holds the truth: a key is there when its unit is, whoever started it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hlsswarm.controller.walled import walled
from hlsswarm.core import names
from hlsswarm.core.ladder import Key, key_of_unit, unit_of
from hlsswarm.core.profiles import STREAM_PLAYLIST
from hlsswarm.core.service_specs import GracefulStop, Service, ServiceRestart, service_spec
from hlsswarm.core.starts import SERVICE_BACKOFF
from hlsswarm.core.transcoders import UNLISTED_SEGMENTS
from hlsswarm.core.unit_specs import Abilities, Limits
from hlsswarm.encoders.ladder_end import begun, changed, end_command, stopping
from hlsswarm.encoders.ladder_state import ends_file, read_ends, write_ends
from hlsswarm.encoders.prepare import prepare_command
from hlsswarm.programs import package_environment
from hlsswarm.units.manager import SystemdManager

PART: Final = "ladder"
LIMITS: Final = Limits(memory_max_bytes=1 << 30, tasks_max=256)
"""Of one transcoder; its segments in memory are charged to it."""
STUCK_SECONDS: Final = 20.0
"""Without a Media Segment for so long, a transcoder whose source goes on is started again."""
_STOP_TIMEOUT_SECONDS: Final = 60.0


@dataclass(frozen=True)
class There:
    """Keys by what systemd says of their units: it keeps them going, or they have failed."""

    running: frozenset[Key]
    failed: frozenset[Key]


def units_there(manager: SystemdManager, run: str) -> There:
    """The transcoders of a run."""
    running, failed = set(), set()
    for unit in manager.list_units(names.run_pattern(run)):
        key = key_of_unit(unit.name)
        if key is not None and unit.active == "failed":
            failed.add(key)
        elif key is not None and unit.active != "inactive":
            running.add(key)
    return There(frozenset(running), frozenset(failed))


class TranscoderUnits:
    """Starts and stops the units of one ladder."""

    def __init__(
        self, run: str, directory: Path, manager: SystemdManager, abilities: Abilities
    ) -> None:
        self.run = run
        self._directory = directory
        self._manager = manager
        self._abilities = abilities

    def there(self) -> There:
        """What systemd has."""
        return units_there(self._manager, self.run)

    async def start(
        self,
        key: Key,
        command: Sequence[str],
        *,
        output: Path,
        source: Path | None,
        segment_seconds: float,
        restart: bool,
    ) -> None:
        """Start the transcoder of a key. Raises UnitError, ValueError for an impossible command.

        `output` is its directory, `source` the source's Media Playlist where that is a file, and
        `segment_seconds` the duration of its Media Segments.
        """
        unit = unit_of(self.run, key)
        log = self._directory / names.log_file(unit)
        ends = ends_file(self._directory, unit)
        ends.parent.mkdir(exist_ok=True)
        self._started_again(ends)
        # Restart steps would be systemd's; before 254 the command before each start waits.
        starts = None if self._abilities.restart_steps else ends.with_suffix(".starts")
        if starts is not None:
            starts.unlink(missing_ok=True)
        self._manager.reset_failed(unit)
        service = Service(
            name=unit,
            slice_name=names.part_slice(self.run, PART),
            description=f"hlsswarm transcoder {key.factory} {key.rendition} of {key.source}",
            command=command,
            log=log,
            limits=LIMITS,
            before=(
                prepare_command([output], keep=UNLISTED_SEGMENTS, log=log, starts=starts),
                (shutil.which("touch") or "/usr/bin/touch", str(begun(ends))),
            ),
            after=(end_command(ends, output / STREAM_PLAYLIST, source),),
            environment=(package_environment(),),
            stop=_graceful_stop(segment_seconds),
            restart=ServiceRestart("always" if restart else "no", SERVICE_BACKOFF),
            keep_failed=not restart,
        )
        # The source's directory holds its renditions; what was seen and how it ended, the run's.
        service = walled(service, "encoder", writable=[output.parent, log.parent, ends.parent])
        await self._manager.start_and_wait(service_spec(service, self._abilities))

    async def stop(self, keys: Sequence[Key]) -> bool:
        """Stop transcoders in order, and forget their failed units; False when one stays."""
        units = [unit_of(self.run, key) for key in keys]
        for unit in units:
            mark = stopping(ends_file(self._directory, unit))
            if mark.parent.is_dir():
                mark.touch()
        ended = await self._manager.stop_and_wait(units, timeout_seconds=_STOP_TIMEOUT_SECONDS)
        for unit in units:
            self._manager.reset_failed(unit)
            self._started_again(ends_file(self._directory, unit))
        return ended

    def _started_again(self, ends: Path) -> None:
        """What has ended is no longer left as it is."""
        stopping(ends).unlink(missing_ok=True)
        noted = read_ends(ends)
        if noted.left:
            noted.left = False
            write_ends(ends, noted)

    def left(self, keys: Sequence[Key]) -> set[Key]:
        """Which of these have ended since somebody started them."""
        return {
            key
            for key in keys
            if read_ends(ends_file(self._directory, unit_of(self.run, key))).left
        }

    def is_stuck(self, key: Key, output: Path, *, now_seconds: float) -> bool:
        """Whether a transcoder that runs has written nothing for long, and so never will."""
        ends = ends_file(self._directory, unit_of(self.run, key))
        times = [changed(output / STREAM_PLAYLIST), changed(begun(ends))]
        return now_seconds - max(times) > STUCK_SECONDS

    def failed_by_hanging(self, key: Key, output: Path) -> None:
        """Count it: it did not end, but it did not work."""
        path = ends_file(self._directory, unit_of(self.run, key))
        ends = read_ends(path)
        if changed(output / STREAM_PLAYLIST) > changed(begun(path)):
            ends.middle += 1
        else:
            ends.start += 1
        ends.last = f"wrote nothing for {STUCK_SECONDS:.0f} s"
        write_ends(path, ends)

    def failed_to_make(self, key: Key, error: Exception) -> None:
        """A factory broke before there was a unit: a failure at the start, counted once."""
        path = ends_file(self._directory, unit_of(self.run, key))
        path.parent.mkdir(exist_ok=True)
        ends = read_ends(path)
        if not ends.start:
            ends.start = 1
            ends.last = f"the factory broke: {type(error).__name__}: {error}"
            write_ends(path, ends)


def _graceful_stop(segment_seconds: float) -> GracefulStop:
    """After one signal ffmpeg finishes what it reads, which for a live source is the wait for the
    next Media Segment. A second signal would end it at once, in the middle of its playlist.
    """
    quit_seconds = max(3.0, 1.5 * segment_seconds + 1.5)
    return GracefulStop(quit_seconds, max(2.0, quit_seconds / 2))


def first_number() -> int:
    """A Media Sequence Number that is ahead of all that an earlier ladder has handed out."""
    return int(time.time())
