"""What an ffmpeg client's log tells, as calls: the kinds of request, and who receives them."""

from __future__ import annotations

import enum
from typing import Protocol


class RequestKind(enum.StrEnum):
    """What an HLS client asks for, in the words of RFC 8216bis."""

    PLAYLIST = "playlist"
    SEGMENT = "segment"
    INIT = "init"
    KEY = "key"


class TelemetrySink(Protocol):
    """Receives what the log tells; times are the `now` given to feed, in seconds.

    A call may come after the calls for later lines; its times are those of its own line. A request
    is started once per resource, followed redirects included, and failed with an HTTP error status
    or None (refused, timed out, cut short). `size_bytes` is a body's size (of an AES-128 segment:
    decrypted); None in light measuring, where `now` is the first line that proves an answer, and
    for the first playlist, which ffmpeg closes at its exit. bytes_read gives the bytes of closed
    connections that no request_finished has given. input_opened: playback begins. error_line: level
    warning, error, fatal or panic, at most 300 printable characters. connected: a new connection;
    first_segment: the URL of the first Media Segment, from which playback begins.
    """

    def request_started(self, kind: RequestKind, now: float) -> None: ...
    def request_finished(
        self, kind: RequestKind, started: float, now: float, size_bytes: int | None
    ) -> None: ...
    def request_failed(
        self, kind: RequestKind, started: float, now: float, status: int | None
    ) -> None: ...
    def http_error(self, status: int) -> None: ...
    def bytes_read(self, size_bytes: int) -> None: ...
    def input_opened(self, now: float) -> None: ...
    def error_line(self, level: str, text: str) -> None: ...
    def connected(self) -> None: ...
    def first_segment(self, url: str) -> None: ...
