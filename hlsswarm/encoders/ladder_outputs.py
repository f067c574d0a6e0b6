"""What a ladder's transcoders have written: counts of Media Segments, and the Multivariant
Playlist of each source.

A rung is listed once its playlist has three Media Segments, and only while that keeps changing.
Reads files; must not know units.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hlsswarm.core.h264 import avc_of
from hlsswarm.core.ladder import Key, Rung
from hlsswarm.core.ladder_media import (
    MediaPlaylist,
    average_bps,
    codecs,
    declared_bps,
    measured_bps,
    parse_media_playlist,
    rounded_up,
)
from hlsswarm.core.multivariant import Variant, multivariant_playlist
from hlsswarm.core.profiles import STREAM_PLAYLIST
from hlsswarm.core.transcoders import HARDWARE
from hlsswarm.encoders.ladder_state import Seen
from hlsswarm.encoders.sources import (
    MASTER,
    first_bytes,
    live_playlist,
    run_of_master,
    segment_input,
    write_master,
)
from hlsswarm.telemetry.media_probe import Media, probe_media

_LISTED_FROM: Final = 3
"""Media Segments before a rung is listed: with fewer a player has nothing to begin with."""
_ENCODED: Final = {"x264", "audio", *HARDWARE}
"""Factories whose rate control keeps to the rung's bitrate; of others it is measured."""


@dataclass(frozen=True)
class Place:
    """A presentation that may become a Variant Stream: its `uri` is relative to master.m3u8."""

    directory: Path
    uri: str
    rung: Rung | None = None
    factory: str = ""


@dataclass
class _Known:
    """What was found out of a presentation: its media, CODECS of the picture, and peak bitrate."""

    media: Media
    avc: str | None
    peak_bps: int = 0


class Outputs:
    """Counts, and writes Multivariant Playlists."""

    def __init__(self, run: str, ffprobe: Path) -> None:
        self._run = run
        self._ffprobe = ffprobe
        self._known: dict[Path, _Known] = {}
        self._probing: dict[Path, asyncio.Task[None]] = {}

    def count(self, seen: Seen, directory: Path) -> None:
        """Add the Media Segments that have come since the last look, each once."""
        try:
            playlist = parse_media_playlist((directory / STREAM_PLAYLIST).read_text())
        except OSError:
            return
        if playlist is None or not playlist.segments:
            return
        newest = playlist.segments[-1].number
        if seen.last is None or newest < seen.last:  # the first ones, or a playlist begun anew
            seen.last = playlist.segments[0].number - 1
        seen.segments += newest - seen.last
        fresh = [item for item in playlist.segments if item.number > (seen.last or 0)]
        seen.bytes += sum(_size(directory / item.uri) for item in fresh)
        seen.last = newest

    def forget(self, directory: Path) -> None:
        """What was known of a directory holds no longer."""
        self._known.pop(directory, None)

    def close(self) -> None:
        """End what is under way."""
        for task in self._probing.values():
            task.cancel()

    def write(self, directory: Path, places: list[Place]) -> tuple[str, ...] | None:
        """Bring a source's Multivariant Playlist up to date; the URIs that are listed.

        Without any, there is none. None when somebody else's stands there.
        """
        now = time.time()
        variants = []
        for place in places:
            playlist = live_playlist(place.directory / STREAM_PLAYLIST, now_seconds=now)
            if playlist is None or len(playlist.segments) < _LISTED_FROM:
                continue
            variant = self._variant(place, playlist)
            if variant is not None:
                variants.append(variant)
        # The best first; sound alone last, where no player begins.
        variants.sort(key=lambda item: (item.height > 0, item.bandwidth_bps), reverse=True)
        if not variants:
            if run_of_master(directory / MASTER) == self._run:
                (directory / MASTER).unlink(missing_ok=True)
            return ()
        text = multivariant_playlist(variants)
        if not write_master(directory / MASTER, self._run, text):
            return None
        return tuple(variant.uri for variant in variants)

    def _variant(self, place: Place, playlist: MediaPlaylist) -> Variant | None:
        known = self._known.get(place.directory)
        if known is None:
            if place.directory not in self._probing:
                task = asyncio.create_task(self._find_out(place.directory, playlist))
                self._probing[place.directory] = task
            return None
        media = known.media
        words = codecs(known.avc, media.audio_codec)
        if not words or (media.width and known.avc is None):
            return None  # a picture that is not H.264 has a CODECS that we cannot tell
        sizes = [(_size(place.directory / item.uri), item.seconds) for item in playlist.segments]
        known.peak_bps = max(known.peak_bps, measured_bps(sizes))
        bandwidth, average = known.peak_bps, None
        if place.rung is not None and place.factory in _ENCODED:
            sound = media.audio_kbps
            bandwidth = max(bandwidth, declared_bps(place.rung, audio_kbps=sound))
            average = rounded_up(average_bps(place.rung, audio_kbps=sound))
        return Variant(
            uri=place.uri,
            bandwidth_bps=rounded_up(bandwidth),
            average_bandwidth_bps=average,
            codecs=words,
            width=media.width,
            height=media.height,
            frame_rate=media.frame_rate if media.width else 0.0,
        )

    async def _find_out(self, directory: Path, playlist: MediaPlaylist) -> None:
        try:
            source = segment_input(directory, playlist)
            avc = avc_of(first_bytes(directory, playlist))
            media = await asyncio.to_thread(probe_media, self._ffprobe, source)
            if media is not None:
                self._known[directory] = _Known(media, avc)
        finally:
            del self._probing[directory]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def output_directory(media: Path, key: Key, name: str) -> Path:
    """Where the transcoder of a key writes; `name` is its rung's directory."""
    return media / key.source / name
