"""A virtual player: whether the picture would stand still, from when segments arrive.

ffmpeg with `-c copy -f null` has no player buffer, so playback is inferred: a segment that has
arrived is media in the buffer; playback starts when the stream is open and its first segment is
there (CTA-2066: initial startup time), runs at the clock's speed, stalls when the buffer is empty
and goes on with the next segment.

    buffer │  ╱╲  ╱╲  ╱╲                 ╱╲
           │_╱  ╲╱  ╲╱  ╲_______________╱  ╲_
           └───────────────├── stall ───┤─────► clock
"""

from __future__ import annotations

from dataclasses import dataclass

STALL_TOLERANCE_SECONDS = 0.1
"""An empty buffer for less than this is no stall: no viewer sees it."""


@dataclass
class Playhead:
    """Playback of one session; times are seconds of one monotonic clock."""

    requested_at: float
    """When playback was asked for: the process began."""
    is_open: bool = False
    """Whether the stream is understood, so that its first segment can be played."""
    started_at: float | None = None
    buffered_until: float = 0.0
    """When the buffer is empty if nothing more arrives."""
    waiting_media_seconds: float = 0.0
    """Media that arrived before playback started."""
    stalls: int = 0
    stalled_seconds: float = 0.0
    ended_at: float | None = None

    def segment(self, now: float, media_seconds: float) -> None:
        """A segment with so much media has arrived."""
        if self.started_at is None:
            self.waiting_media_seconds += media_seconds
            self._start_if_ready(now)
            return
        self._settle(now)
        self.buffered_until = max(self.buffered_until, now) + media_seconds

    def start(self, now: float) -> None:
        """The stream is open: playback starts with what has arrived, or with the first segment."""
        self.is_open = True
        self._start_if_ready(now)

    def _start_if_ready(self, now: float) -> None:
        if self.started_at is None and self.is_open and self.waiting_media_seconds:
            self.started_at = now
            self.buffered_until = now + self.waiting_media_seconds

    @property
    def startup_seconds(self) -> float | None:
        """Initial startup time; None while playback has not started."""
        return None if self.started_at is None else self.started_at - self.requested_at

    def stalled_for(self, now: float) -> float:
        """Seconds that the picture has been standing still; 0 while it runs."""
        if self.started_at is None:
            return 0.0
        empty = now - self.buffered_until
        return empty if empty > STALL_TOLERANCE_SECONDS else 0.0

    def end(self, now: float) -> None:
        """The session is over; a stall that lasts till now counts."""
        if self.ended_at is None:
            self._settle(now)
            self.ended_at = now

    def watched_seconds(self, now: float) -> float:
        """Time that the picture ran."""
        if self.started_at is None:
            return 0.0
        elapsed = (self.ended_at if self.ended_at is not None else now) - self.started_at
        running_stall = 0.0 if self.ended_at is not None else self.stalled_for(now)
        return max(0.0, elapsed - self.stalled_seconds - running_stall)

    def _settle(self, now: float) -> None:
        """Count the stall that ends now, if there is one."""
        stalled = self.stalled_for(now)
        if stalled:
            self.stalls += 1
            self.stalled_seconds += stalled
            self.buffered_until = now
