"""Reads what ffmpeg's framecrc muxer writes of each frame, and what its log says of the input.

    #tb 0: 1/90000
    0,      93000,      93000,     3000,     5318, 0xecef05b3
    stream, dts,        pts,       duration, size, checksum        (libavformat/framecrcenc.c)

The same from ffmpeg 5.1 to 9. Of whose stream it is, and what it means, this knows nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from hlsswarm.core.consumption import Frame

_TIME_BASE = re.compile(r"#tb 0: (\d{1,9})/(\d{1,9})\s*")
_TIME = r" *(-?\d{1,19}|NOPTS),"
_FRAME = re.compile(rf"0,{_TIME}{_TIME}{_TIME} *(\d{{1,12}}), *0x[0-9a-f]{{8}}")
_DURATION = re.compile(r"^\[info\] *Duration: (\S+?),", re.MULTILINE)


class FrameReader:
    """Takes lines of one process, and gives each frame of the first stream to `take`."""

    def __init__(self, take: Callable[[Frame], None]) -> None:
        self._take = take
        self._time_base: Fraction | None = None

    def line(self, text: str, now: float) -> None:
        """One line; `now` is when it came, in seconds."""
        match = _FRAME.match(text)
        if match is None:
            base = _TIME_BASE.fullmatch(text)
            if base is not None and int(base[2]) > 0:
                self._time_base = Fraction(int(base[1]), int(base[2]))
            return
        time = match[1] if match[2] == "NOPTS" else match[2]
        if self._time_base is not None and time != "NOPTS":
            seconds = float(int(time) * self._time_base)
            self._take(Frame(seconds, int(match[4]), now))


def has_an_end(log: str) -> bool:
    """Whether an input may end: ffmpeg's log (`-loglevel level+info`) says that it has a duration.

    `Duration: N/A` is what it says of RTSP, SRT, and of a live HLS playlist.
    """
    match = _DURATION.search(log)
    return match is not None and match[1] != "N/A"
