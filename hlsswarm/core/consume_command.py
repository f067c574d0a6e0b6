"""The ffmpeg command that reads a stream and writes a line for each frame of its picture.

Knows ffmpeg's options by the kind of URL; starts nothing. Time-outs are 10 s, so that a server
that has gone silent ends the reader.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from hlsswarm.core.inputs import NETWORK_SCHEMES
from hlsswarm.errors import UsageError

_TIMEOUT_MICROSECONDS: Final = "10000000"
_OPTIONS: Final = {
    **{scheme: options for scheme, (options, _) in NETWORK_SCHEMES.items()},
    # As it comes: no pace of our own, and no second try behind our back.
    "http": ("-rw_timeout", _TIMEOUT_MICROSECONDS),
    "https": ("-rw_timeout", _TIMEOUT_MICROSECONDS),
}
_HINT = f"Give a URL ({', '.join(_OPTIONS)}) or a file."
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def consumed_url(text: str) -> str:
    """A URL or a path that can be read here, as it was given. Raises UsageError."""
    if not text or any(ord(character) < 32 or character == "\x7f" for character in text):
        raise UsageError(f"{text!r} is no URL.", hint=_HINT)
    match = _SCHEME.match(text)
    if match is None:
        return text
    if match[1].lower() not in _OPTIONS:
        raise UsageError(f"{text!r} is no stream that can be read here.", hint=_HINT)
    try:
        host = urlsplit(text).hostname
        _ = urlsplit(text).port
    except ValueError as error:
        raise UsageError(f"{text!r} is not a URL: {error}.", hint=_HINT) from None
    if not host:
        raise UsageError(f"{text!r} names no host.", hint=_HINT)
    return text


def is_file(url: str) -> bool:
    """Whether this is a path, not a URL."""
    return _SCHEME.match(url) is None


def consume_command(ffmpeg: Path, url: str, *, decode: bool) -> list[str]:
    """Read the first picture stream of `url`; frames to standard output, the log to stderr.

    `-copyts` leaves the stream's own time stamps as they are: jumps shall be seen. With `decode`
    each picture is decoded, and none doubled or dropped. A file is given as an absolute path.
    """
    scheme = _SCHEME.match(url)
    options = _OPTIONS[scheme[1].lower()] if scheme else ("-re",)
    copied = ("-fps_mode", "passthrough", "-threads", "1") if decode else ("-c", "copy")
    return [
        *(str(ffmpeg), "-hide_banner", "-nostdin", "-nostats", "-loglevel", "repeat+level+info"),
        # Frames are not held back to guess at the frame rate.
        *("-copyts", "-fpsprobesize", "0", *options, "-i", url if scheme else f"file:{url}"),
        *("-map", "0:v:0", *copied, "-flush_packets", "1", "-f", "framecrc", "pipe:1"),
    ]
