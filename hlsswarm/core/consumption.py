"""What was received of a stream: counted frame by frame, judged at the end. Pure.

    arrival   ──x──x──x──────x──x──►   seconds of this machine's clock
    time      ──|──|──|──|──|──|──►    the stream's own time stamps (PTS)

A gap is a step of the time stamps of more than one and a half frame durations: frames are missing.
An arrival gap is time in which nothing came: for HLS that is as long as a segment, always.

Presentation times, in their order, are what is looked at: RTP has no others. Of who joins a stream
in the middle of a picture, ffmpeg leaves the first picture without a time ("Timestamps are unset"),
and puts 0 in its place: the times of the first few frames are not looked at.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

SCHEMA = "hlsswarm.consume/1"
GAP_FRAMES = 1.5
_STEPS_MAX = 4096
LEAD_FRAMES = 5
_REORDERED_FRAMES = 16  # H.264, annex A: a decoded picture buffer holds no more
_MICROSECONDS = 1_000_000


class Frame(NamedTuple):
    """One frame: its presentation time, its size, and when it came (seconds of our clock)."""

    seconds: float
    size_bytes: int
    arrived_at: float


@dataclass
class Reception:
    """What has come of one stream. Holds numbers, not frames."""

    frames: int = 0
    size_bytes: int = 0
    first_at: float | None = None
    last_at: float | None = None
    backwards: int = 0
    """Steps of the time stamps that do not go forward."""
    longest_arrival_gap_seconds: float = 0.0
    _span_seconds: float = 0.0
    _span_steps: int = 0
    _last_seconds: float | None = None
    # The latest frames: B-frames come behind the frames that they are shown before.
    _window: list[float] = field(default_factory=list)
    # Steps in microseconds -> how often. Few, in a stream of a constant frame rate; where there
    # are ever new ones, those beyond the bound are rounded to milliseconds.
    _steps: Counter[int] = field(default_factory=Counter)

    def take(self, frame: Frame) -> None:
        """One more frame."""
        if self.first_at is None or self.last_at is None:
            self.first_at = frame.arrived_at
        else:
            waited = frame.arrived_at - self.last_at
            self.longest_arrival_gap_seconds = max(self.longest_arrival_gap_seconds, waited)
        self.frames += 1
        self.size_bytes += frame.size_bytes
        self.last_at = frame.arrived_at
        if self.frames <= LEAD_FRAMES:
            return
        if self._last_seconds is not None and frame.seconds <= self._last_seconds:
            self.settle()
            self.backwards += 1
            self._last_seconds = None
        heapq.heappush(self._window, frame.seconds)
        if len(self._window) > _REORDERED_FRAMES:
            self._shown(heapq.heappop(self._window))

    def settle(self) -> None:
        """Nothing more comes (for now): the latest frames are taken in their order."""
        while self._window:
            self._shown(heapq.heappop(self._window))

    def _shown(self, seconds: float) -> None:
        """The next frame in the order of presentation."""
        if self._last_seconds is not None:
            if seconds > self._last_seconds:
                self._step(seconds - self._last_seconds)
            else:
                self.backwards += 1
        self._last_seconds = seconds

    def _step(self, seconds: float) -> None:
        self._span_seconds += seconds
        self._span_steps += 1
        step = round(seconds * _MICROSECONDS)
        if step not in self._steps and len(self._steps) >= _STEPS_MAX:
            step = round(step, -3)
        self._steps[step] += 1

    @property
    def frame_seconds(self) -> float | None:
        """The duration of a frame: the median of the steps; None before there is one."""
        half, seen = sum(self._steps.values()) / 2, 0
        for step, count in sorted(self._steps.items()):
            seen += count
            if seen >= half:
                return step / _MICROSECONDS
        return None

    @property
    def gaps(self) -> list[float]:
        """The steps, in seconds, in which frames are missing, the longest first."""
        usual = self.frame_seconds
        if usual is None:
            return []
        long = (item for item in self._steps.items() if item[0] > GAP_FRAMES * usual * 1e6)
        return [step / _MICROSECONDS for step, count in sorted(long, reverse=True)
                for _ in range(count)]  # fmt: skip

    @property
    def fps(self) -> float | None:
        """Frames a second by the stream's own time stamps; None before there are two."""
        return self._span_steps / self._span_seconds if self._span_seconds > 0 else None

    @property
    def received_fps(self) -> float | None:
        """Frames a second as they came."""
        if self.first_at is None or self.last_at is None or self.last_at <= self.first_at:
            return None
        return (self.frames - 1) / (self.last_at - self.first_at)


@dataclass(frozen=True, kw_only=True)
class Consumed:
    """The end of the story of one stream. `error` is empty when frames came to the end."""

    url: str
    unit: str
    reception: Reception
    first_frame_seconds: float | None
    """From the start of the process to its first frame."""
    error: str = ""
    finished: bool = False
    """Whether it came to an end of its own, as files and finished playlists do."""
    exit: str = ""

    @property
    def well(self) -> bool:
        """Whether frames came, to the end."""
        return not self.error and self.reception.frames > 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON; numbers that there are none of are null."""
        reception = self.reception
        gaps = reception.gaps
        return {
            "url": self.url,
            "unit": self.unit,
            "well": self.well,
            "finished": self.finished,
            "error": self.error,
            "exit": self.exit,
            "frames": reception.frames,
            "bytes": reception.size_bytes,
            "fps": _rounded(reception.fps),
            "received_fps": _rounded(reception.received_fps),
            "frame_seconds": _rounded(reception.frame_seconds, 6),
            "first_frame_seconds": _rounded(self.first_frame_seconds),
            "gaps": len(gaps),
            "longest_gap_seconds": _rounded(gaps[0] if gaps else None),
            "longest_arrival_gap_seconds": _rounded(reception.longest_arrival_gap_seconds),
            "timestamps_backwards": reception.backwards,
        }


def document(
    consumed: Sequence[Consumed], *, seconds: float, interrupted: bool, about: Mapping[str, Any]
) -> dict[str, Any]:
    """The whole result, for JSON; `about` is of the machine and the programs."""
    return {
        "schema": SCHEMA,
        "duration_seconds": _rounded(seconds),
        "interrupted": interrupted,
        **about,
        "streams": [one.as_dict() for one in consumed],
    }


def table(consumed: Sequence[Consumed]) -> str:
    """A line for each stream, for people."""
    width = max([len(one.url) for one in consumed] + [6])
    lines = [
        f"{'stream':<{width}}  {'frames':>7} {'fps':>6} {'recv':>6} {'first':>7} {'gaps':>5}"
        f" {'longest':>8} {'back':>5} {'MB':>7}"
    ]
    for one in consumed:
        reception, gaps = one.reception, one.reception.gaps
        lines.append(
            f"{one.url:<{width}}  {reception.frames:>7} {_shown(reception.fps, 2):>6}"
            f" {_shown(reception.received_fps, 2):>6} {_shown(one.first_frame_seconds, 2):>6}s"
            f" {len(gaps):>5} {_shown(gaps[0] if gaps else 0.0, 2):>7}s"
            f" {reception.backwards:>5} {reception.size_bytes / 1e6:>7.2f}"
        )
    lines += [f"  ✗ {one.url}: {one.error}" for one in consumed if one.error]
    return "\n".join(lines)


def _rounded(number: float | None, digits: int = 3) -> float | None:
    return None if number is None else round(number, digits)


def _shown(number: float | None, digits: int) -> str:
    return "-" if number is None else f"{number:.{digits}f}"
