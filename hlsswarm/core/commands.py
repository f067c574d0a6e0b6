"""Command lines of the ffmpeg clients, and which options each ffmpeg has.

Knows ffmpeg's options (ffmpeg-protocols(1) http, ffmpeg-formats(1) hls); starts nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Measure = Literal["exact", "light"]
"""`exact`: one request a connection, so ffmpeg tells each request's end and bytes;
`light`: kept-alive connections as a player has them, bytes known when a connection ends."""

TESTED_MAJORS = (5, 6, 7, 8, 9)
_VERSION = re.compile(r"ffmpeg version (\S+)")
_RELEASE = re.compile(r"n?(\d+)\.(\d+)")


@dataclass(frozen=True)
class FFmpegVersion:
    """What `ffmpeg -version` says: the full text, and the release where it has one."""

    text: str
    release: tuple[int, int] | None

    @property
    def is_known(self) -> bool:
        """Whether this is a release whose options and log lines have been tried."""
        return self.release is not None and self.release[0] in TESTED_MAJORS

    @property
    def has_segment_retry(self) -> bool:
        """`-seg_max_retry` came after 5.1 (libavformat/hls.c)."""
        return self.release is None or self.release >= (6, 0)


def parse_ffmpeg_version(output: str) -> FFmpegVersion | None:
    """The version in the output of `ffmpeg -version`; None when this is not ffmpeg's.

    Debian prefixes nothing (`5.1.9-0+deb12u1`), git tags an `n` (`n7.1`), nightly builds tell
    no release (`N-117000-g1234`): then `release` is None.
    """
    match = _VERSION.search(output)
    if match is None:
        return None
    release = _RELEASE.match(match[1])
    return FFmpegVersion(match[1], (int(release[1]), int(release[2])) if release else None)


@dataclass(frozen=True)
class ClientOptions:
    """What a client is asked to do, in the words of the command line."""

    url: str
    user_agent: str = "hlsswarm/1.0"
    timeout_seconds: float = 15.0
    reconnect: bool = True
    reconnect_delay_max_seconds: int = 5
    segment_retries: int = 3
    measure: Measure = "exact"


def client_command(
    ffmpeg: Path, version: FFmpegVersion, options: ClientOptions, *, client: int
) -> tuple[str, ...]:
    """The whole command of client number `client` (from 1).

    It fetches and parses, and decodes nothing: `-c copy -f null`. `verbose` is the lowest log
    level that tells each request and its bytes; `level` puts the level in brackets on every
    version, `repeat` keeps ffmpeg from folding equal lines.
    """
    command = [str(ffmpeg), "-hide_banner", "-nostdin", "-nostats"]
    command += ["-loglevel", "repeat+level+verbose"]
    if options.measure == "exact":
        command += ["-http_persistent", "0"]
    if options.reconnect:
        command += ["-reconnect", "1", "-reconnect_streamed", "1"]
        command += ["-reconnect_on_network_error", "1"]
        command += ["-reconnect_delay_max", str(options.reconnect_delay_max_seconds)]
    command += ["-rw_timeout", str(round(options.timeout_seconds * 1_000_000))]
    command += ["-user_agent", f"{options.user_agent}/client-{client}"]
    if version.has_segment_retry:
        command += ["-seg_max_retry", str(options.segment_retries)]
    command += ["-i", options.url, "-map", "0", "-c", "copy", "-f", "null", "-"]
    return tuple(command)
