"""Reads ffmpeg's `-progress` blocks: key=value lines, each block ended by `progress=`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One block: frames written by this process so far, and how fast (1.0 is real time)."""

    frames: int
    speed: float | None


class ProgressReader:
    """Takes lines of one process, and gives each whole block to `take`."""

    def __init__(self, take: Callable[[Progress, float], None]) -> None:
        self._take = take
        self._fields: dict[str, str] = {}

    def line(self, text: str, now: float) -> None:
        """One line; `now` is when it came, in seconds."""
        key, _, value = text.partition("=")
        if key != "progress":
            if len(self._fields) < 100:  # ffmpeg has about 15
                self._fields[key] = value.strip()
            return
        frames = _number(self._fields.get("frame", ""))
        speed = _number(self._fields.get("speed", "").rstrip("x"))
        self._fields.clear()
        self._take(Progress(int(frames or 0), speed), now)


def _number(text: str) -> float | None:
    """A number with blanks around it; None for `N/A` and the like."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 1e15 else None
