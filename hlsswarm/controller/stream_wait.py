"""Waits for a stream that is not there yet: an origin that starts at the same time as its swarm.

Nothing has been started by then, so Ctrl+C and SIGTERM end it as they end a look.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from hlsswarm.controller.preflight import Look, Stream, StreamAbsentError, look_at

_BETWEEN_SECONDS = 1.0


def awaited(look: Look, wait_seconds: float, say: Callable[[str], None]) -> Stream:
    """The stream, looked at again until it is there, or `wait_seconds` are over.

    A look that has begun is finished. What no waiting puts right (an answer that is no playlist, a
    certificate that is refused) ends it at once. Raises PreflightError, of the last look.
    """
    began = time.monotonic()
    told = ""
    while True:
        try:
            stream = look_at(look)
        except StreamAbsentError as error:
            left = began + wait_seconds - time.monotonic()
            if left <= 0:
                raise
            if error.message != told:
                told = error.message
                say(f"Waiting for the stream for {left:.0f} s at most: {told}")
            time.sleep(min(_BETWEEN_SECONDS, left))
        else:
            if told:
                say(f"The stream is there after {time.monotonic() - began:.0f} s.")
            return stream
