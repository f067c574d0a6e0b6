"""Removes the segments that an ended encoder has left, before the next one starts.

ffmpeg forgets at its end which segments it still had to delete; without this a crash loop would
fill the memory. Runs as the encoder unit's ExecStartPre:
`python -m hlsswarm.origin.tidy DIRECTORY KEEP`.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from hlsswarm.core.hls_muxer import leftover_segments
from hlsswarm.core.profiles import STREAM_PLAYLIST


def tidy(directory: Path, *, keep: int) -> int:
    """Remove leftovers but the `keep` newest; how many were removed."""
    try:
        playlist = (directory / STREAM_PLAYLIST).read_text(errors="replace")
    except OSError:
        playlist = ""
    names = [path.name for path in directory.iterdir()]
    leftovers = leftover_segments(names, playlist, keep=keep)
    for name in leftovers:
        with contextlib.suppress(FileNotFoundError):
            (directory / name).unlink()
    return len(leftovers)


if __name__ == "__main__":
    tidy(Path(sys.argv[1]), keep=int(sys.argv[2]))
