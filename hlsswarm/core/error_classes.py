"""What went wrong, in a word, of the lines in which ffmpeg complains. Pure.

Knows the words of libavformat's hls.c, http.c, tcp.c and tls_*.c, of ffmpeg's own last lines, and
of the C library's and GnuTLS's errors, as ffmpeg 5.1, 7.1 and 9.0 print them (tests/core has the
lines). Takes a message without `[context]` and `[level]`, as the log parser tells it.

ffmpeg tells one failure in several lines: first mostly the cause (`HTTP error 404 Not Found`),
then what came of it (`Failed to open segment 4 of playlist 0`), and if the input cannot be opened
at all, its reason up to three times more. `classify` knows a line alone, and gives the class of
causes only; `Failures` knows the order of one process's lines, and counts each failure once, those
without a told cause too: 5.1 and 7.1 say nothing of an origin that is silent.

What no version tells at all: a body that stalls or is reset in its middle (the segment is short,
and `Packet corrupt` follows), and a live playlist that does not move on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

CLASSES: Final[Mapping[str, str]] = {
    "refused": "the connection was refused",
    "timeout": "no answer in time",
    "reset": "the connection was closed or reset before an answer",
    "unexplained": "a request failed, and ffmpeg does not say why: silence, or no playlist",
    "dns": "the host's name could not be resolved",
    "unreachable": "there is no way to the host",
    "tls": "TLS failed: certificate or handshake",
    "playlist_stale": "a playlist older than the one before it",
    "segments_expired": "segments were gone from the playlist before they were asked for",
    "unparsable_playlist": "the answer is no playlist",
    "unparsable_segment": "the first segment holds no media that ffmpeg knows",
    "premature_end": "a body ended before its announced length",
    "own_side": "this machine cannot: descriptors, memory, ports, or ffmpeg itself",
    "other": "another error",
}
"""Classes in words; besides them there is `http_NNN` for each HTTP status."""


def describe(name: str) -> str:
    """A class in words."""
    if name.startswith("http_"):
        return f"the origin answered with HTTP status {name.removeprefix('http_')}"
    return CLASSES.get(name, name)


_HTTP_ERROR: Final = re.compile(r"HTTP error (\d{3})\b")
# Where http.c gives up over authorisation it prints no `HTTP error` line (http.c, check_http_code).
_UNTOLD_STATUS: Final = re.compile(r"(?:Error opening input|\S+): Server returned (401|407)\b")
_CAUSES: Final = (
    ("premature_end", re.compile(r"Stream ends prematurely at ")),
    ("dns", re.compile(r"Failed to resolve hostname ")),
    ("playlist_stale", re.compile(r"Media sequence changed unexpectedly: ")),
    ("segments_expired", re.compile(r"skipping \d+ segments ahead, expired from playlists")),
    (
        "own_side",
        re.compile(
            r".*(?:Too many open files|Cannot allocate memory|Cannot assign requested address)"
            r"|.*error while loading shared libraries"
        ),
    ),
    ("refused", re.compile(r"Connection to \S+ failed: Connection refused")),
    ("timeout", re.compile(r"(?:Connection to \S+ failed|Error reading HTTP response): .*timed")),
    ("unreachable", re.compile(r"Connection to \S+ failed: (?:No route|Network is|Host is)")),
    (
        "reset",
        re.compile(
            r"(?:Connection to \S+ failed|Error reading HTTP response): "
            r"(?:Connection reset|End of file|Broken pipe|Connection aborted)"
        ),
    ),
    (
        "tls",
        re.compile(
            r"Peer certificate|The certificate|The TLS connection|An? (?:unexpected )?TLS "
            r"|TLS handshake|Error in the (?:pull|push) function|error:[0-9A-F]{8}:SSL"
            r"|Unable to (?:negotiate|set up) TLS|Could not negotiate|No supported cipher"
        ),
    ),
)
# What came of a cause: mostly told before, on some versions not.
_CONSEQUENCE: Final = re.compile(
    r"Failed to open (?:segment|an initialization section)|Failed to reload playlist"
    r"|Unable to open key file|parse_playlist error|Error opening input: |https?://\S+: "
)
# Behind a URL as reasons are: our own stop, and what is no failure.
_NO_REASON: Final = re.compile(r": Immediate exit requested$|: corrupt input packet in stream \d+$")
_REASONS: Final = (
    ("unparsable_playlist", "Invalid data found when processing input"),
    ("refused", "Connection refused"),
    ("timeout", "timed out"),
    ("reset", "Connection reset by peer"),
    ("reset", "End of file"),
    ("unreachable", "No route to host"),
    ("unreachable", "Network is unreachable"),
)
_HARMLESS: Final = re.compile(
    r"Will reconnect at|keepalive request failed|Error opening input files?[ :]"
    r"|Segment \d+ of playlist \d+ failed too many|Error when loading first segment"
    r"|.*(?:Immediate exit requested|Packet corrupt|corrupt input packet|out of order"
    r"|timestamp discontinuity|[Nn]on[- ]?monoton|deprecated|duplicated MOOV|\(\d+\) < dts"
    r"|decod|coeffs|NAL unit|[PS]PS|mmco|no frame|PES packet|block unavailable|channel element"
    r"|bits left|frame size|sync byte|First pts|codec parameters|analyzeduration)"
)
_FIRST_SEGMENT: Final = "Error when loading first segment"


def classify(text: str, status: int | None = None, *, level: str = "error") -> str | None:
    """The class of the failure whose cause a line tells; None for any other line.

    `status` is the HTTP status of a failed request where the caller knows it: it decides.
    An unknown line is `other`, but for warnings: those are no failures.
    """
    if status is not None:
        return f"http_{status}"
    if match := _HTTP_ERROR.match(text) or _UNTOLD_STATUS.match(text):
        return f"http_{match[1]}"
    for name, pattern in _CAUSES:
        if pattern.match(text):
            return name
    if _CONSEQUENCE.match(text) or _HARMLESS.match(text) or level == "warning":
        return None
    return "other"


@dataclass(slots=True)
class Failures:
    """Counts the failures of one process by its lines, each once. Give it every line in order."""

    _cause_told: bool = False
    _in_first_segment: bool = False

    def line(self, text: str, *, level: str = "error") -> str | None:
        """The class of a failure that this line is the first to tell; None for any other line."""
        found = classify(text, level=level)
        if found is not None:
            # Nothing comes of these but what is heard in the stream.
            self._cause_told = found not in {"premature_end", "playlist_stale", "segments_expired"}
            return found
        if text.startswith(_FIRST_SEGMENT):
            self._in_first_segment = True
        if not _CONSEQUENCE.match(text) or _NO_REASON.search(text):
            return None
        told, self._cause_told = self._cause_told, False
        return None if told else self._untold(text)

    def _untold(self, text: str) -> str | None:
        """The class of a consequence whose cause was not told."""
        for name, reason in _REASONS:
            if text.endswith(reason):
                unparsable = name == "unparsable_playlist" and self._in_first_segment
                return "unparsable_segment" if unparsable else name
        if "Input/output error" in text or "Server returned" in text:
            return "other"
        return "unexplained"
