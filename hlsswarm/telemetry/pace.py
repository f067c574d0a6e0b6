"""How fast an encoder is: seconds of media that it makes in a second, read from what it writes.

ffmpeg's own `-progress` (telemetry/progress) is not used for it: a file of its would grow for as
long as the encoder runs, a socket must be there at each start and be read at all times, and its
`speed` is the mean since the start, in which a machine that has become too slow hardly shows. The
playlist says how long each segment is, and the file system when it was done; ffmpeg itself keeps
both short.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TOO_SLOW = 0.9
"""An encoder below this speed cannot keep up with real time."""
_OVERDUE = 1.5
"""So many times its length later than the last segment, the next one counts as late."""


@dataclass(frozen=True)
class WrittenSegment:
    """A Media Segment: `seconds` long, done at `done_at` (seconds since 1970), and whether it
    follows an EXT-X-DISCONTINUITY, as the first one after a restart does.
    """

    seconds: float
    done_at: float
    after_discontinuity: bool = False


def speed(segments: Iterable[WrittenSegment], *, now: float) -> float | None:
    """Seconds of media per second over the listed segments since the last restart; 1.0 keeps up.

    None while there are fewer than two of them. A segment that is overdue counts: an encoder that
    hangs becomes slower and slower.
    """
    since: list[WrittenSegment] = []
    for segment in segments:
        if segment.after_discontinuity:
            since = []
        since.append(segment)
    if len(since) < 2:
        return None
    first, last = since[0], since[-1]
    late = now - last.done_at > _OVERDUE * last.seconds
    took = (now if late else last.done_at) - first.done_at
    made = sum(segment.seconds for segment in since[1:])
    return made / took if took > 0 else None


def written_segments(playlist: Path) -> list[WrittenSegment]:
    """The segments that a Media Playlist on this machine lists; none where there is no playlist."""
    try:
        lines = playlist.read_text(errors="replace").splitlines()
    except OSError:
        return []
    found: list[WrittenSegment] = []
    seconds, after_discontinuity = 0.0, False
    for line in lines:
        if line == "#EXT-X-DISCONTINUITY":
            after_discontinuity = True
        elif line.startswith("#EXTINF:"):
            seconds = _number(line.removeprefix("#EXTINF:").partition(",")[0])
        elif line and not line.startswith("#"):
            try:
                done_at = (playlist.parent / line).stat().st_mtime
            except OSError:  # deleted since the playlist was read
                continue
            found.append(WrittenSegment(seconds, done_at, after_discontinuity))
            after_discontinuity = False
    return found


def presentation_speed(playlist: Path) -> float | None:
    """How fast the encoder is that writes this Media Playlist; None while that cannot be told."""
    return speed(written_segments(playlist), now=time.time())


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
