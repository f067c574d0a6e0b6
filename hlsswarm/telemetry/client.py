"""What one client's ffmpeg has told, and the totals over all clients.

Knows requests, bytes and errors; knows neither units nor sockets. `ClientTelemetry` is what the
log parser calls, for each process of the client one after the other.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hlsswarm.telemetry.parser import RequestKind


@dataclass
class RequestCount:
    """Requests of one kind: `requests` begun, `finished`, `failed`, and `bytes` received."""

    requests: int = 0
    finished: int = 0
    failed: int = 0
    bytes: int = 0


@dataclass
class TelemetryTotals:
    """Sums over all clients since the run began."""

    kinds: dict[RequestKind, RequestCount] = field(
        default_factory=lambda: {kind: RequestCount() for kind in RequestKind}
    )
    http_errors: Counter[int] = field(default_factory=Counter)
    lines: int = 0
    """Log lines taken in."""
    recognised_lines: int = 0
    dropped_bytes: int = 0
    """Bytes of over-long lines that were thrown away."""
    unattributed_connections: int = 0
    """Connections whose client could not be told; what they say is in the totals."""

    @property
    def segments(self) -> RequestCount:
        """Media Segments."""
        return self.kinds[RequestKind.SEGMENT]

    @property
    def playlists(self) -> RequestCount:
        """Multivariant and Media Playlists."""
        return self.kinds[RequestKind.PLAYLIST]


@dataclass
class ClientTelemetry:
    """One client's side of the story; times are of the caller's monotonic clock, in seconds."""

    totals: TelemetryTotals
    processes: int = 0
    """Processes of this client that have connected."""
    connected_at: float | None = None
    """Since when the present process talks; None while there is none."""
    last_segment_at: float | None = None
    """When the present process finished (light: asked for) a Media Segment last."""
    segments: int = 0
    """Media Segments of all processes of this client."""
    first_segment_at: float | None = None
    """When the present process finished its first Media Segment."""
    last_error: str = ""
    last_error_at: float | None = None

    def process_started(self, now: float) -> None:
        """A process of this client has connected."""
        self.processes += 1
        self.connected_at = now
        self.first_segment_at = None
        self.last_segment_at = None

    def process_ended(self) -> None:
        """The connection of the present process is gone."""
        self.connected_at = None
        self.first_segment_at = None
        self.last_segment_at = None

    # --- called by the parser ----------------------------------------------------------------

    def request_started(self, kind: RequestKind, now: float) -> None:
        """ffmpeg asked for something."""
        self.totals.kinds[kind].requests += 1

    def request_finished(
        self, kind: RequestKind, started: float, now: float, size_bytes: int | None
    ) -> None:
        """A request was answered to its end."""
        count = self.totals.kinds[kind]
        count.finished += 1
        if size_bytes is not None:
            count.bytes += size_bytes
        if kind is RequestKind.SEGMENT:
            self.segments += 1
            self.last_segment_at = now
            if self.first_segment_at is None:
                self.first_segment_at = now

    def request_failed(
        self, kind: RequestKind, started: float, now: float, status: int | None
    ) -> None:
        """A request came to nothing."""
        self.totals.kinds[kind].failed += 1

    def http_error(self, status: int) -> None:
        """The origin answered with an error status."""
        self.totals.http_errors[status] += 1

    def bytes_read(self, size_bytes: int) -> None:
        """A kept-alive connection ended after so many bytes, nearly all of them segments'."""
        self.totals.segments.bytes += size_bytes

    def input_opened(self, now: float) -> None:
        """ffmpeg has understood the stream."""

    def error_line(self, level: str, text: str) -> None:
        """ffmpeg complained."""
        self.last_error = text
