"""Which sources a ladder has now, and what is in them: ffprobe is asked once when one appears.

Reads files and asks ffprobe. Must not know units or rungs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from hlsswarm.core.inputs import parse_input
from hlsswarm.core.ladder import Source, tracks_of
from hlsswarm.core.transcoders import SourceMedia
from hlsswarm.encoders import sources
from hlsswarm.encoders.beside import Beside
from hlsswarm.encoders.ladder_state import Wanted

_PROBE_AGAIN_SECONDS = 2.0


class SourceWatch:
    """The sources that are there; `say` hears of those that come and go."""

    def __init__(self, beside: Beside, say: Callable[[str], None]) -> None:
        self._beside = beside
        self._say = say
        self._told: set[str] = set()
        self.media: dict[str, SourceMedia] = {}
        """What is in each, by name."""
        self.unknown: set[str] = set()
        """Those that are there, and of which nothing is known yet: nothing is to be done."""

    def look(self, wanted: Wanted, tree: sources.Tree) -> set[str]:
        """Take in what lies below the media root; the sources that are gone since the last look."""
        remote = dict(wanted.sources)
        gone = set(self.media) - set(tree.live) - set(remote)
        for name in gone:
            self._say(f"{name} is gone.")
            del self.media[name]
        self.unknown = (set(tree.live) | set(remote)) - set(self.media)
        for name in self.unknown:
            probe: Callable[[], SourceMedia | None]
            if name in remote:
                arguments = parse_input(remote[name], directory=wanted.media).arguments
                probe = partial(sources.remote_source, wanted.ffprobe, name, arguments)
            else:
                local = (wanted.media / name, name, tree.live[name])
                probe = partial(sources.local_source, wanted.ffprobe, *local)
            self._beside.do(("probe", name), partial(self._probe, name, probe))
        for name, problem in tree.problems.items():
            self._tell(f"{wanted.media / name} is no source: {problem}.")
        return gone

    @property
    def sources(self) -> list[Source]:
        """The sources with their tracks."""
        return [Source(media.name, tracks_of(_kinds(media))) for media in self.media.values()]

    async def _probe(self, name: str, probe: Callable[[], SourceMedia | None]) -> None:
        media = await asyncio.to_thread(probe)
        if media is None:
            self._tell(f"{name} has nothing that ffprobe can read; it is tried again.")
            await asyncio.sleep(_PROBE_AGAIN_SECONDS)
            return
        size = f"{media.width}x{media.height}" if media.video_codec else "no picture"
        self._say(f"{name} is a source: {size}, {media.audio_codec or 'no sound'}.")
        self.media[name] = media

    def _tell(self, text: str) -> None:
        """A line, once."""
        if text not in self._told:
            self._told.add(text)
            self._say(text)


def begun_anew(tree: sources.Tree, known: dict[str, dict[str, Any]]) -> set[str]:
    """Sources whose timestamps have begun anew (EXT-X-DISCONTINUITY) since they were noted in
    `known`, where they are noted now.
    """
    anew = set()
    for name, playlist in tree.live.items():
        place = playlist.last_discontinuity
        noted = known.setdefault(name, {"discontinuity": place})
        if place is not None and place != noted.get("discontinuity"):
            noted["discontinuity"] = place
            anew.add(name)
    return anew


def _kinds(media: SourceMedia) -> list[str]:
    both = (("video", media.video_codec), ("audio", media.audio_codec))
    return [kind for kind, codec in both if codec]
