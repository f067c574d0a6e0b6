"""What `hlsswarm ladder` does: starts a ladder's runner, changes what is wanted, tells what is.

Commands and runner speak through the files of ladder_state; what runs, systemd is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hlsswarm.controller import runs
from hlsswarm.controller.services import Services, opened_services
from hlsswarm.core import names
from hlsswarm.core.backoff import Backoff
from hlsswarm.core.inputs import parse_input
from hlsswarm.core.ladder import (
    DEFAULT_LADDER,
    Key,
    Rung,
    WantedRung,
    added,
    key_of_unit,
    removed,
    source_problem,
)
from hlsswarm.core.plan import Address
from hlsswarm.core.service_specs import PlainStop, Service, ServiceRestart
from hlsswarm.encoders import sources
from hlsswarm.encoders.factories import check_factory, factory_names
from hlsswarm.encoders.ladder_runner import MODULE
from hlsswarm.encoders.ladder_state import (
    Wanted,
    change_rungs,
    changing,
    ends_file,
    read_ends,
    read_sight,
    read_wanted,
    write_wanted,
)
from hlsswarm.encoders.ladder_units import PART
from hlsswarm.errors import HlsSwarmError, PreflightError, UnitError, UsageError
from hlsswarm.metrics.server import bind
from hlsswarm.places import MEDIA_ENVIRONMENT, media_root
from hlsswarm.programs import package_environment
from hlsswarm.telemetry.ffmpeg_program import find_ffmpeg
from hlsswarm.telemetry.media_probe import find_ffprobe
from hlsswarm.units.connect import running_managers
from hlsswarm.units.manager import SystemdManager
from hlsswarm.units.runtime_directory import ENVIRONMENT, runtime_directory

SCHEMA = "hlsswarm.ladder/1"
_READY_SECONDS = 20.0
_ENDED_SECONDS = 60.0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class LadderOptions:
    """What is asked of a ladder."""

    name: str = "ladder"
    media: Path | None = None
    rungs: tuple[Rung, ...] | None = None
    factory: str = "x264"
    sources: tuple[tuple[str, str], ...] = ()
    restart: bool = True
    with_source: bool = True
    metrics: Address | None = None
    ffmpeg: str | None = None
    manager: str = "auto"


@dataclass(frozen=True)
class Ladder:
    """A ladder that runs: its run's directory, what is wanted of it, and its manager's kind."""

    name: str
    directory: Path
    wanted: Wanted
    manager: str


# --- start ----------------------------------------------------------------------------------------


def check(options: LadderOptions) -> Wanted:
    """What a ladder needs. Raises HlsSwarmError for what cannot be meant or is not there."""
    if not names.is_run_id(options.name):
        raise UsageError(
            f"A ladder cannot be named {options.name!r}.", hint=f"Use {names.RUN_ID_HELP}."
        )
    ffmpeg = find_ffmpeg(options.ffmpeg).path
    check_factory(options.factory, ffmpeg)
    rungs: tuple[WantedRung, ...] = ()
    for rung in DEFAULT_LADDER if options.rungs is None else options.rungs:
        rungs = added(rungs, options.factory, rung)
    media = Path(os.path.abspath(options.media or media_root()))  # noqa: PTH100  (links stay)
    _check_media(media)
    for name, url in options.sources:
        if (problem := source_problem(name)) is not None:
            raise UsageError(f"{name!r} cannot be a source: {problem}.", hint="Such as live/x.")
        parse_input(url, directory=Path.cwd())
    if options.metrics is not None:
        bind(options.metrics).close()
    return Wanted(
        media=media,
        ffmpeg=ffmpeg,
        ffprobe=find_ffprobe(ffmpeg),
        rungs=rungs,
        sources=options.sources,
        restart=options.restart,
        with_source=options.with_source,
        metrics=None if options.metrics is None else (options.metrics.host, options.metrics.port),
    )


def _check_media(media: Path) -> None:
    hint = f"Name another with --media DIR or {MEDIA_ENVIRONMENT}."
    if media.exists() and not media.is_dir():
        raise PreflightError(f"{media} is not a directory.", hint=hint)
    if "%" in str(media):
        raise UsageError(f"ffmpeg cannot write below a directory with '%': {media}", hint=hint)
    nearest = next(path for path in (media, *media.parents) if path.exists())
    if not os.access(nearest, os.W_OK):
        raise PreflightError(f"Nothing can be written in {nearest}.", hint=hint)


def start(options: LadderOptions) -> Ladder:
    """Start a ladder and wait until it has looked once. Raises HlsSwarmError, and leaves nothing
    behind then.
    """
    wanted = check(options)
    for other in ladders(options.manager):
        if other.wanted.media == wanted.media and other.name != options.name:
            raise PreflightError(
                f"The ladder {other.name} watches {wanted.media} already.",
                hint=f"`hlsswarm ladder add --name {other.name}` gives it more renditions.",
            )
    return asyncio.run(_start(options, wanted))


async def _start(options: LadderOptions, wanted: Wanted) -> Ladder:
    async with opened_services(
        options.name,
        f"ABR ladder of {wanted.media}",
        manager=options.manager,
        taken=f"A run named {options.name} is there already.",
        taken_hint="`hlsswarm ladder add` changes a ladder that runs; --name makes another.",
    ) as services:
        wanted.media.mkdir(parents=True, exist_ok=True)
        write_wanted(services.directory, wanted)
        await services.start(_runner_service(services, wanted))
        await _until_looked(services.run, services.directory, 1)
        return Ladder(services.run, services.directory, wanted, services.manager.kind)


def _runner_service(services: Services, wanted: Wanted) -> Service:
    unit = names.service_unit(services.run, "runner")
    # Own factories are found where this command would find them.
    paths = [word for word in os.environ.get("PYTHONPATH", "").split(os.pathsep) if word]
    ours = package_environment()
    return Service(
        name=unit,
        slice_name=names.part_slice(services.run, PART),
        description=f"hlsswarm ladder runner of {wanted.media}",
        command=(
            *(sys.executable, "-m", MODULE),
            *(services.run, str(services.directory), services.manager.kind),
        ),
        log=services.log(unit),
        environment=(
            os.pathsep.join((ours, *map(os.path.abspath, paths))),
            f"{ENVIRONMENT}={runtime_directory()}",
            "PYTHONDONTWRITEBYTECODE=1",
        ),
        stop=PlainStop(),
        restart=ServiceRestart("always", Backoff(0.2, 0.2)),
    )


async def _until_looked(run: str, directory: Path, revision: int) -> None:
    """Wait until the runner has seen this revision. Raises UnitError."""
    deadline = time.monotonic() + _READY_SECONDS
    while read_sight(directory).revision < revision:
        if not directory.is_dir():
            raise UnitError(f"The ladder {run} has ended meanwhile.")
        if time.monotonic() > deadline:
            log = directory / names.log_file(names.service_unit(run, "runner"))
            said = "it left no message"
            with contextlib.suppress(OSError, IndexError):
                said = log.read_text(errors="replace").strip().splitlines()[-1][:300]
            raise UnitError(f"The runner of {run} does not look at anything: {said}")
        await asyncio.sleep(_LOOK_SECONDS)


# --- a ladder that runs ---------------------------------------------------------------------------


def ladders(kind: str) -> list[Ladder]:
    """Ladders that run: those whose runner's unit is there."""
    found = []
    for run in runs.status(kind):
        directory = runtime_directory() / run.run
        if not run.counts("runner"):
            continue
        with contextlib.suppress(OSError, ValueError):
            found.append(Ladder(run.run, directory, read_wanted(directory), run.manager))
    return found


def the_ladder(kind: str, name: str) -> Ladder:
    """The ladder of a name. Raises PreflightError when it does not run."""
    there = ladders(kind)
    for ladder in there:
        if ladder.name == name:
            return ladder
    others = ", ".join(ladder.name for ladder in there)
    raise PreflightError(
        f"No ladder named {name} runs.",
        hint=f"There is {others}: --name." if others else "`hlsswarm ladder start` starts one.",
    )


@contextlib.contextmanager
def _manager_of(ladder: Ladder) -> Iterator[SystemdManager]:
    manager = next(iter(running_managers(ladder.manager)), None)
    if manager is None:
        raise UnitError(f"The ladder {ladder.name} has ended meanwhile.")
    try:
        yield manager
    finally:
        manager.close()


def _running(manager: SystemdManager, run: str, wanted: Callable[[Key], bool]) -> list[str]:
    """Units of transcoders that are there, of these keys."""
    return [
        unit.name
        for unit in manager.list_units(names.run_pattern(run))
        if unit.active != "inactive" and (key := key_of_unit(unit.name)) is not None and wanted(key)
    ]


def add(ladder: Ladder, rung: Rung, factory: str) -> WantedRung:
    """Add a rendition while the ladder runs; every source is given it.

    Raises UsageError for one that is there, and HlsSwarmError for a factory that cannot work here.
    """
    check_factory(factory, ladder.wanted.ffmpeg)
    with changing(ladder.directory) as wanted:
        rungs = added(wanted.rungs, factory, rung)
        revision = change_rungs(ladder.directory, wanted, rungs)
    asyncio.run(_until_looked(ladder.name, ladder.directory, revision))
    return rungs[-1]


def remove(ladder: Ladder, rendition: str) -> int:
    """Take a rendition away, whoever makes it, and wait for its transcoders' end; how many ended.

    Raises UsageError when there is none, UnitError when a transcoder stays.
    """
    with _manager_of(ladder) as manager:
        with changing(ladder.directory) as wanted:
            rungs = removed(wanted.rungs, rendition)
            before = _running(manager, ladder.name, lambda key: key.rendition == rendition)
            change_rungs(ladder.directory, wanted, rungs)
        deadline = time.monotonic() + _ENDED_SECONDS
        while left := _running(manager, ladder.name, lambda key: key.rendition == rendition):
            if time.monotonic() > deadline:
                raise UnitError(f"Transcoders are still there: {', '.join(left[:5])}.")
            time.sleep(_LOOK_SECONDS)
    return len(before)


def stop(ladder: Ladder) -> None:
    """End a ladder: the runner first, which would start again what ends; then transcoders, and
    what they have written. Sources are left alone. Raises UnitError.
    """
    runner = names.service_unit(ladder.name, "runner")
    runs.stop_units(ladder.manager, ladder.name, [runner])
    with contextlib.suppress(HlsSwarmError):  # it may have been the last unit
        runs.stop(ladder.manager, [ladder.name])
    sources.remove_outputs(ladder.wanted.media, ladder.name)


# --- what is --------------------------------------------------------------------------------------


def document(ladder: Ladder) -> dict[str, Any]:
    """Everything about a ladder (schema `hlsswarm.ladder/1`); what runs is asked of systemd."""
    wanted, sight = ladder.wanted, read_sight(ladder.directory)
    with _manager_of(ladder) as manager:
        units = {
            unit.name: unit
            for unit in manager.list_units(names.run_pattern(ladder.name))
            if unit.active != "inactive"
        }
        pids = {name: manager.service_state(name).main_pid for name in units if key_of_unit(name)}
    transcoders = []
    for name in sorted({*pids, *sight.units}):
        key = key_of_unit(name)
        if key is None:
            continue
        seen, ends = sight.units.get(name), read_ends(ends_file(ladder.directory, name))
        transcoders.append(
            {
                **key._asdict(),
                "unit": name,
                "state": f"{units[name].active} ({units[name].sub})" if name in units else "ended",
                "pid": pids.get(name) or None,
                "segments": seen.segments if seen else 0,
                "bytes": seen.bytes if seen else 0,
                "listed": bool(seen and seen.listed),
                "failures": ends.failures,
                "last_failure": ends.last or None,
            }
        )
    return {
        "schema": SCHEMA,
        "name": ladder.name,
        "manager": ladder.manager,
        "media": str(wanted.media),
        "renditions": [
            {
                "rendition": item.rung.name,
                "factory": item.factory,
                "directory": item.directory,
                "width": item.rung.width,
                "height": item.rung.height,
                "video_kbps": item.rung.video_kbps,
                "audio_kbps": item.rung.audio_kbps,
            }
            for item in wanted.rungs
        ],
        "sources": [
            {
                "source": name,
                "width": shown.get("width", 0),
                "height": shown.get("height", 0),
                "frame_rate": shown.get("frame_rate", 0.0),
                "audio": shown.get("audio", ""),
                "playlist": f"{name}/{sources.MASTER}",
            }
            for name, shown in sorted(sight.sources.items())
        ],
        "transcoders": transcoders,
        "declined": sight.declined,
        "factories": list(factory_names()),
    }
