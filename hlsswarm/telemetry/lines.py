"""Cuts the output of one process into lines, however it arrives; bounded."""

from __future__ import annotations

from collections.abc import Callable

_LINE_BYTES_MAX = 4096


class Lines:
    """Gives whole lines to `take`, with the time at which their end came."""

    def __init__(self, take: Callable[[str, float], None]) -> None:
        self._take = take
        self._rest = b""
        self.dropped_bytes = 0
        """Of lines that were longer than any that ffmpeg writes here."""

    def feed(self, data: bytes, now: float) -> None:
        """The next piece."""
        *whole, rest = (self._rest + data).split(b"\n")
        for line in whole:
            self._take(line.decode(errors="replace"), now)
        if len(rest) > _LINE_BYTES_MAX:
            self.dropped_bytes += len(rest)
            rest = b""
        self._rest = rest
