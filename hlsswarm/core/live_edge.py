"""When each Media Segment of a live stream was made, by EXT-X-PROGRAM-DATE-TIME.

RFC 8216bis, 4.4.4.6: the date of the first sample of a segment; segments without one follow the
one before them. Text in, times out.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import m3u8

_REMEMBERED = 4096


def _name(url: str) -> str:
    """What tells a segment from others: the path's last part; hosts and tokens may differ."""
    return urlsplit(url).path.rpartition("/")[2]


@dataclass
class LiveEdge:
    """Times of the segments that were listed lately."""

    _times: OrderedDict[str, float] = field(default_factory=OrderedDict)

    def read(self, playlist: str) -> int:
        """Take in a Media Playlist; how many of its segments have a date. Raises nothing."""
        try:
            segments = m3u8.loads(playlist).segments
        except Exception:  # the library raises whatever its parsing of a line raises
            return 0
        dated = 0
        for segment in segments:
            date = segment.current_program_date_time
            if date is not None and segment.uri:
                self._times[_name(segment.uri)] = date.timestamp()
                dated += 1
        while len(self._times) > _REMEMBERED:
            self._times.popitem(last=False)
        return dated

    def time_of(self, url: str) -> float | None:
        """When the segment's first sample was made (seconds since 1970); None when unknown."""
        return self._times.get(_name(url))
