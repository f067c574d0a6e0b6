"""Watches a ladder's sources and keeps its transcoders, as the unit hlsswarm-RUN-runner.service:

    python -m hlsswarm.encoders.ladder_runner RUN DIRECTORY MANAGER

    look: sources below the media root, the wanted rungs, the units that systemd has
      └─► reconcile ─► starts, stops ─► counts, master.m3u8, seen.json      twice a second

It keeps nothing that the next runner could not find out: when it is killed, transcoders go on, and
the one that systemd starts in its place takes them over.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from hlsswarm.core.ladder import (
    Key,
    Source,
    WantedRung,
    key_of_unit,
    reconcile,
    unit_of,
)
from hlsswarm.core.ladder_media import linger_seconds, parse_media_playlist
from hlsswarm.core.plan import Address
from hlsswarm.core.profiles import STREAM_PLAYLIST
from hlsswarm.core.transcoders import Declined, Job
from hlsswarm.encoders import sources
from hlsswarm.encoders.beside import Beside
from hlsswarm.encoders.factories import find_factory
from hlsswarm.encoders.ladder_outputs import Outputs, Place, output_directory
from hlsswarm.encoders.ladder_state import (
    Ends,
    Seen,
    Wanted,
    ends_file,
    read_ends,
    read_sight,
    read_wanted,
    sight_text,
    write_sight,
)
from hlsswarm.encoders.ladder_units import TranscoderUnits, first_number
from hlsswarm.encoders.source_watch import SourceWatch, begun_anew
from hlsswarm.errors import HlsSwarmError, ManagerError
from hlsswarm.metrics.ladder import TranscoderFigures, ladder_registry
from hlsswarm.metrics.server import MetricsServer, bind
from hlsswarm.units.abilities import by_properties
from hlsswarm.units.connect import running_managers

MODULE = "hlsswarm.encoders.ladder_runner"
_LOOK_SECONDS = 0.5
_GRACE_SECONDS = 1.0
"""From a rung's leaving the Multivariant Playlist to its end: who just read it gets segments."""


def say(text: str) -> None:
    """A line in the runner's log."""
    print(text, file=sys.stderr, flush=True)


class Runner:
    """One ladder's runner."""

    def __init__(self, run: str, directory: Path, units: TranscoderUnits) -> None:
        self._run = run
        self._directory = directory
        self._units = units
        self._sight = read_sight(directory)
        self._written = ""
        self._wanted = read_wanted(directory)
        self._beside = Beside(say)
        self._watch = SourceWatch(self._beside, say)
        self._outputs = Outputs(run, self._wanted.ffprobe)
        self._refusals: dict[Key, str | None] = {}
        self._unlisted: dict[Key, float] = {}
        self._told: set[str] = set()

    async def look(self) -> None:
        """One look, and what follows from it."""
        wanted = read_wanted(self._directory)
        if wanted.revision != self._wanted.revision:
            self._refusals.clear()
        self._wanted = wanted
        tree = await asyncio.to_thread(sources.look, wanted.media, now_seconds=time.time())
        for gone in self._watch.look(wanted, tree):
            self._outputs.forget(wanted.media / gone)
            self._refusals = {k: v for k, v in self._refusals.items() if k.source != gone}
        found = self._watch.sources
        there = self._units.there()
        failed = set(there.failed)
        if not wanted.restart:
            failed |= self._units.left(self._keys(wanted, found)) - there.running
        changes = reconcile(
            wanted.rungs, found, there.running, failed, restart=wanted.restart, takes=self._takes
        )
        stops = {key for key in changes.stops if key.source not in self._watch.unknown}
        for key in changes.starts:
            self._beside.do(key, partial(self._start, key, wanted))
        anew = begun_anew(tree, self._sight.sources)
        for key in there.running - stops:
            if key.source in anew and key.source in self._watch.media:
                say(f"{key.source} has begun anew: so does {key.rendition} by {key.factory}.")
                self._beside.do(key, partial(self._start_again, key, wanted))
        if wanted.restart:
            self._free_the_stuck(wanted, tree, there.running - stops)
        listed = self._list(wanted, found, tree, stops)
        self._retire(stops)
        self._tidy(wanted, tree, there.running)
        self._note(wanted, tree, listed)

    # --- keys ---------------------------------------------------------------------------------

    def _keys(self, wanted: Wanted, found: Iterable[Source]) -> list[Key]:
        return [
            Key(item.factory, item.rung.name, source.name, track)
            for item in wanted.rungs
            for source in found
            for track in source.tracks
        ]

    def _takes(self, item: WantedRung, source: Source, track: str) -> bool:
        key = Key(item.factory, item.rung.name, source.name, track)
        if key not in self._refusals:
            self._refusals[key] = self._refusal(item, key)
        return self._refusals[key] is None

    def _refusal(self, item: WantedRung, key: Key) -> str | None:
        """Why a factory makes nothing for a key; None when it does."""
        try:
            made = find_factory(item.factory)(self._job(self._wanted, item, key))
        except Exception as error:  # a factory is somebody else's
            self._units.failed_to_make(key, error)
            say(f"The factory {item.factory} broke at {key.source} {key.track}: {error!r}")
            return f"the factory broke: {error}"
        if made is None:
            return "it takes no such track"
        return made.reason if isinstance(made, Declined) else None

    def _job(self, wanted: Wanted, item: WantedRung, key: Key) -> Job:
        output = output_directory(wanted.media, key, item.directory)
        media = self._watch.media[key.source]
        # ffmpeg carries on with the numbers of a playlist only when it is told the same first one.
        before = sources.read_mark(output)
        number = first_number() if before is None else before.first_number
        return Job(wanted.ffmpeg, item.rung, key.track, media, output, number)

    def _item(self, wanted: Wanted, key: Key) -> WantedRung:
        return next(
            item
            for item in wanted.rungs
            if (item.factory, item.rung.name) == (key.factory, key.rendition)
        )

    async def _start(self, key: Key, wanted: Wanted) -> None:
        item = self._item(wanted, key)
        job = self._job(wanted, item, key)
        made = find_factory(item.factory)(job)
        if made is None or isinstance(made, Declined):
            return
        sources.mark(sources.Output(job.directory, self._run, key, job.first_number))
        remote = key.source in dict(wanted.sources)
        playlist = None if remote else wanted.media / key.source / STREAM_PLAYLIST
        say(f"Starting {key.rendition} of {key.source} by {key.factory}.")
        await self._units.start(
            key,
            made,
            output=job.directory,
            source=playlist,
            segment_seconds=job.source.segment_seconds,
            restart=wanted.restart,
        )

    async def _start_again(self, key: Key, wanted: Wanted) -> None:
        if await self._units.stop([key]):
            await self._start(key, wanted)

    def _free_the_stuck(self, wanted: Wanted, tree: sources.Tree, running: Iterable[Key]) -> None:
        """Start again what runs and writes nothing, though its source goes on."""
        outputs = {output.key: output.directory for output in tree.outputs}
        for key in running:
            directory = outputs.get(key)
            if directory is None or key in self._beside or key.source not in self._watch.media:
                continue
            if self._units.is_stuck(key, directory, now_seconds=time.time()):
                say(f"{key.rendition} of {key.source} by {key.factory} writes nothing.")
                self._units.failed_by_hanging(key, directory)
                self._beside.do(key, partial(self._start_again, key, wanted))

    def _retire(self, stops: Iterable[Key]) -> None:
        """Stop what is not wanted: at once where the source is gone, else a moment after it left
        the Multivariant Playlist.
        """
        now = time.monotonic()
        stops = set(stops)
        self._unlisted = {key: since for key, since in self._unlisted.items() if key in stops}
        for key in stops:
            since = self._unlisted.setdefault(key, now)
            if key.source not in self._watch.media or now - since >= _GRACE_SECONDS:
                self._beside.do(key, partial(self._stop, key))

    async def _stop(self, key: Key) -> None:
        say(f"Stopping {key.rendition} of {key.source} by {key.factory}.")
        if not await self._units.stop([key]):
            say(f"{unit_of(self._run, key)} does not end.")

    # --- files --------------------------------------------------------------------------------

    def _list(
        self, wanted: Wanted, found: Iterable[Source], tree: sources.Tree, leaving: set[Key]
    ) -> set[Path]:
        """Bring the Multivariant Playlists up to date; the directories that are listed."""
        listed = set()
        for source in found:
            directory = wanted.media / source.name
            if not directory.is_dir():
                continue
            places = [
                Place(
                    output_directory(wanted.media, key, item.directory), "", item.rung, key.factory
                )
                for item in wanted.rungs
                for track in source.tracks
                if (key := Key(item.factory, item.rung.name, source.name, track)) not in leaving
                and self._refusals.get(key, "") is None
            ]
            # A copy of the source beside the source would be the same Variant Stream twice.
            copied = any(place.factory == "passthrough" for place in places)
            if wanted.with_source and not copied and source.name in tree.live:
                places.append(Place(directory, ""))
            uris = self._outputs.write(directory, [_with_uri(place, directory) for place in places])
            if uris is None:
                self._tell(f"{directory / sources.MASTER} is not ours, and is left as it is.")
            listed |= {(directory / uri).parent for uri in uris or ()}
        return listed

    def _tidy(self, wanted: Wanted, tree: sources.Tree, running: frozenset[Key]) -> None:
        """Remove what is left of rungs and sources that are gone, when nobody can be at it."""
        now = time.time()
        kept = {
            output_directory(wanted.media, key, item.directory)
            for key, why in self._refusals.items()
            if why is None and key.source in self._watch.media
            for item in wanted.rungs
            if (item.factory, item.rung.name) == (key.factory, key.rendition)
        }
        for output in tree.outputs:
            if output.run != self._run or output.directory in kept or output.key in running:
                continue
            if output.key in self._beside or output.key.source in self._watch.unknown:
                continue
            if output.key.source in self._watch.media and not _nobody_can_be_at(
                output.directory, now
            ):
                continue
            self._outputs.forget(output.directory)
            shutil.rmtree(output.directory, ignore_errors=True)
            if (seen := self._sight.units.get(unit_of(self._run, output.key))) is not None:
                seen.last, seen.listed = None, False  # what comes here again has other numbers
            sources.remove_empty(output.directory.parent, wanted.media)
        for master, run in tree.masters:
            name = master.parent.relative_to(wanted.media).as_posix()
            if run == self._run and name not in {*self._watch.media, *self._watch.unknown}:
                master.unlink(missing_ok=True)
                sources.remove_empty(master.parent, wanted.media)

    def _note(self, wanted: Wanted, tree: sources.Tree, listed: set[Path]) -> None:
        """Count, and write down what was seen where that has changed."""
        sight = self._sight
        for output in tree.outputs:
            if output.run == self._run:
                seen = sight.units.setdefault(unit_of(self._run, output.key), Seen())
                self._outputs.count(seen, output.directory)
                seen.listed = output.directory in listed
        for name in set(sight.sources) - set(tree.live) - set(self._watch.media):
            del sight.sources[name]
        for media in self._watch.media.values():
            shown = sight.sources.setdefault(media.name, {})
            shown |= {"width": media.width, "height": media.height, "audio": media.audio_codec}
            shown["frame_rate"] = round(media.frame_rate, 3)
        sight.declined = [
            {**key._asdict(), "reason": reason}
            for key, reason in sorted(self._refusals.items())
            if reason is not None
        ]
        sight.revision = wanted.revision
        text = sight_text(sight)
        if text != self._written:
            write_sight(self._directory, text)
            self._written = text

    def _tell(self, text: str) -> None:
        """A line in the log, once."""
        if text not in self._told:
            self._told.add(text)
            say(text)

    def figures(self) -> list[TranscoderFigures]:
        """What /metrics shows."""
        result = [
            # Series that are known begin at 0.
            TranscoderFigures(item.factory, item.rung.name, 0, 0, Ends().failures)
            for item in self._wanted.rungs
        ]
        for unit, seen in self._sight.units.items():
            key = key_of_unit(unit)
            if key is not None:
                failures = read_ends(ends_file(self._directory, unit)).failures
                figures = (key.factory, key.rendition, seen.segments, seen.bytes, failures)
                result.append(TranscoderFigures(*figures))
        return result

    async def close(self) -> None:
        """End what is under way; units go on."""
        self._outputs.close()
        await self._beside.close()


def _with_uri(place: Place, directory: Path) -> Place:
    uri = (place.directory / STREAM_PLAYLIST).relative_to(directory).as_posix()
    return Place(place.directory, uri, place.rung, place.factory)


def _nobody_can_be_at(directory: Path, now_seconds: float) -> bool:
    """Whether the files of a rung that was taken away have stayed for long enough."""
    path = directory / STREAM_PLAYLIST
    try:
        age = now_seconds - path.stat().st_mtime
        return age > linger_seconds(parse_media_playlist(path.read_text(errors="replace")))
    except OSError:
        return True


async def run_ladder(run: str, directory: Path, kind: str) -> None:
    """Watch until a signal comes. Raises HlsSwarmError when it cannot go on."""
    manager = next(iter(running_managers(kind)), None)
    if manager is None:
        raise ManagerError(f"No {kind} manager runs.")
    manager.listen()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    runner = Runner(
        run, directory, TranscoderUnits(run, directory, manager, by_properties(manager))
    )
    server = None
    if (address := read_wanted(directory).metrics) is not None:
        registries = [ladder_registry(runner.figures)]
        server = MetricsServer(bind(Address(*address)), registries, lambda: True)
        await server.start()
    try:
        while not ended.is_set():
            await runner.look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), _LOOK_SECONDS)
    finally:
        await runner.close()
        if server is not None:
            await server.close()
        manager.unlisten()
        manager.close()


def main() -> None:
    """The unit's program."""
    run, directory, kind = sys.argv[1:]
    try:
        asyncio.run(run_ladder(run, Path(directory), kind))
    except HlsSwarmError as error:
        say(error.message)
        sys.exit(int(error.status))


if __name__ == "__main__":
    main()
