"""What one client's ffmpeg has told, and the totals over all clients.

Knows requests, bytes, sessions and errors; knows neither units nor sockets. `ClientTelemetry` is
what the log parser calls, for each process of the client one after the other: each process is a
Playback Session.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hlsswarm.core.error_classes import Failures
from hlsswarm.core.headers import NO_TRAILING_CRLF, redact
from hlsswarm.core.histogram import LogHistogram
from hlsswarm.core.live_edge import LiveEdge
from hlsswarm.core.measurements import Measurements, RequestMeasure
from hlsswarm.core.playhead import Playhead
from hlsswarm.core.states import DEFAULT_TARGET_DURATION_SECONDS
from hlsswarm.telemetry.sink import RequestKind

_UNTOLD_STATUSES = {"http_401": 401, "http_407": 407}
"""Statuses that ffmpeg tells in no line of its own (libavformat/http.c, check_http_code)."""


@dataclass
class TelemetryTotals:
    """Sums over all clients since the run began, and how well they were heard."""

    media_seconds: float = DEFAULT_TARGET_DURATION_SECONDS
    """Media in one segment of this stream, for the virtual player."""
    timed: bool = True
    """Whether the end of each request is seen (exact measuring)."""
    ended: bool = False
    """Whether the run is over: what a client still begins while it is stopped never gets out."""
    measured: Measurements = field(default_factory=Measurements)
    edge: LiveEdge = field(default_factory=LiveEdge)
    """When the segments of the stream were made, as far as its playlist tells."""
    unix_offset: float = 0.0
    """Wall clock minus the caller's clock, in seconds."""
    window: LogHistogram = field(default_factory=LogHistogram)
    """Segment download times since somebody took it away last (take_window)."""
    lines: int = 0
    """Log lines taken in."""
    recognised_lines: int = 0
    dropped_bytes: int = 0
    """Bytes of over-long lines that were thrown away."""
    unattributed_connections: int = 0
    """Connections whose client could not be told; what they say is in the totals."""

    @property
    def kinds(self) -> dict[str, RequestMeasure]:
        """Requests by kind."""
        return self.measured.kinds

    @property
    def segments(self) -> RequestMeasure:
        """Media Segments."""
        return self.measured.segments

    @property
    def playlists(self) -> RequestMeasure:
        """Multivariant and Media Playlists."""
        return self.measured.playlists

    @property
    def http_errors(self) -> Counter[int]:
        """HTTP error statuses."""
        return self.measured.http_errors

    def unix_time(self, now: float) -> float:
        """Seconds since 1970 at a time of the caller's clock."""
        return now + self.unix_offset

    def take_window(self) -> LogHistogram:
        """Segment download times since the last call."""
        window, self.window = self.window, LogHistogram()
        return window


@dataclass
class ClientTelemetry:
    """One client's side of the story; times are of the caller's monotonic clock, in seconds."""

    totals: TelemetryTotals
    processes: int = 0
    """Processes of this client that have connected."""
    connected_at: float | None = None
    """Since when the present process talks; None while there is none."""
    segments: int = 0
    """Media Segments of all processes of this client."""
    first_url: str = ""
    """The Media Segment that the present process began with."""
    first_segment_at: float | None = None
    """When the present process finished its first Media Segment."""
    last_segment_at: float | None = None
    """When the present process finished (light: was answered) a Media Segment last."""
    playhead: Playhead | None = None
    """The virtual player of the present process."""
    last_error: str = ""
    continues: bool = False
    """Whether the process that connects next is one that another controller has listened to."""
    _failures: Failures = field(default_factory=Failures)

    def process_goes_on(self, now: float) -> None:
        """A process whose session another controller has counted is heard again.

        What its virtual player had in the buffer is not known: a segment is assumed.
        """
        self.continues = False
        self.connected_at = self.first_segment_at = self.last_segment_at = now
        until = now + self.totals.media_seconds
        self.playhead = Playhead(now, is_open=True, started_at=now, buffered_until=until)
        self._failures = Failures()

    def process_started(self, now: float) -> None:
        """A process of this client has connected: a session begins."""
        self.processes += 1
        self.connected_at = now
        self.playhead = Playhead(now)
        self._failures = Failures()
        self.totals.measured.sessions.started += 1

    def process_ended(self, now: float) -> None:
        """The connection of the present process is gone: its session is over."""
        if self.playhead is not None:
            sessions = self.totals.measured.sessions
            before = self._stalls()
            self.playhead.end(now)
            self._count_stalls(before)
            sessions.watched_seconds += self.playhead.watched_seconds(now)
        self.playhead = None
        self.connected_at = None
        self.first_segment_at = None
        self.last_segment_at = None

    def stalled_for(self, now: float) -> float:
        """Seconds that the picture of the present session has been standing still."""
        return self.playhead.stalled_for(now) if self.playhead else 0.0

    def _stalls(self) -> tuple[int, float]:
        return (self.playhead.stalls, self.playhead.stalled_seconds) if self.playhead else (0, 0.0)

    def _count_stalls(self, before: tuple[int, float]) -> None:
        """Add to the totals the stalls that have ended since `before`."""
        now = self._stalls()
        sessions = self.totals.measured.sessions
        sessions.stalls += now[0] - before[0]
        sessions.stalled_seconds += now[1] - before[1]

    # --- called by the parser ----------------------------------------------------------------

    def request_started(self, kind: RequestKind, now: float) -> None:
        """ffmpeg asked for something."""
        if not self.totals.ended:
            self.totals.kinds[kind].requests += 1

    def request_finished(
        self, kind: RequestKind, started: float, now: float, size_bytes: int | None
    ) -> None:
        """A request was answered to its end (light: was answered)."""
        measure = self.totals.kinds[kind]
        if self.totals.ended:
            # What a stop cuts off looks like an end (7.1, 9.0); its bytes came all the same.
            measure.bytes += size_bytes or 0
            return
        measure.finished += 1
        if size_bytes is not None:
            measure.bytes += size_bytes
        if self.totals.timed:
            measure.durations.add(now - started)
        if kind is RequestKind.SEGMENT:
            self._segment(started, now)

    def _segment(self, started: float, now: float) -> None:
        if self.totals.timed:
            self.totals.window.add(now - started)
        self.segments += 1
        self.last_segment_at = now
        if self.first_segment_at is None:
            self.first_segment_at = now
        if self.playhead is not None:
            before, waits = self._stalls(), self.playhead.started_at is None
            self.playhead.segment(now, self.totals.media_seconds)
            self._count_stalls(before)
            if waits:
                self._count_start(now)

    def request_failed(
        self, kind: RequestKind, started: float, now: float, status: int | None
    ) -> None:
        """A request came to nothing; one that our own stop broke off has not failed."""
        if not self.totals.ended:
            self.totals.kinds[kind].failed += 1

    def http_error(self, status: int) -> None:
        """The origin answered with an error status."""
        self.totals.measured.http_errors[status] += 1

    def bytes_read(self, size_bytes: int) -> None:
        """Bytes that belong to no finished request, nearly all of them segments'.

        Of kept-alive connections (light), of requests broken off, and of the first playlist.
        """
        self.totals.segments.bytes += size_bytes

    def input_opened(self, now: float) -> None:
        """ffmpeg has understood the stream: playback starts."""
        if self.playhead is not None and self.playhead.started_at is None:
            self.playhead.start(now)
            self._count_start(now)

    def _count_start(self, now: float) -> None:
        """Take in the startup time and the live latency, if playback has just started."""
        if self.playhead is None or self.playhead.startup_seconds is None:
            return
        sessions = self.totals.measured.sessions
        sessions.startup.add(self.playhead.startup_seconds)
        began = self.totals.edge.time_of(self.first_url)
        if began is not None:
            sessions.live_latency.add(max(0.0, self.totals.unix_time(now) - began))

    def connected(self) -> None:
        """ffmpeg has opened a connection."""
        if not self.totals.ended:
            self.totals.measured.connections += 1

    def first_segment(self, url: str) -> None:
        """Playback is to begin with this Media Segment."""
        self.first_url = url

    def error_line(self, level: str, text: str) -> None:
        """ffmpeg complained: count the failure once, and keep the first example of each class."""
        if text == NO_TRAILING_CRLF:
            return
        text = redact(text)
        self.last_error = text
        found = self._failures.line(text, level=level)
        if found is not None and not self.totals.ended:
            self.totals.measured.errors[found] += 1
            self.totals.measured.error_examples.setdefault(found, text)
            if found in _UNTOLD_STATUSES and not text.startswith("HTTP error"):
                self.http_error(_UNTOLD_STATUSES[found])
