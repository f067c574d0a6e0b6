"""The last thing that a unit complained of, from the end of its log file."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

_TAIL_BYTES = 16 * 1024
_CHARACTERS_MAX = 300
# ffmpeg with `-loglevel level+…`: `[rtsp @ 0x5581] [error] method ANNOUNCE failed: 403 …`
_LEVEL = re.compile(r"(?:\[[^\]]* @ 0x[0-9a-f]+\] )*\[(\w+)\] (.*)")
# What ffmpeg says behind the error itself, and which says no more than that there was one.
_EMPTY_WORDS = ("Error opening output file", "Error parsing options for", "Conversion failed")
_COMPLAINTS = {"warning", "error", "fatal", "panic"}


def last_complaint(log: Path) -> str:
    """The last line of a log that says what is wrong, shortened; a sentence when there is none.

    Of ffmpeg's lines, that is the last error, else the last warning; of others', the last line.
    """
    found: dict[str, str] = {}
    for line in _tail(log):
        match = _LEVEL.fullmatch(line)
        level, text = (match[1], match[2]) if match else ("", line)
        if (level in _COMPLAINTS or not level) and not text.startswith(_EMPTY_WORDS):
            found["warning" if level == "warning" else "error"] = text
    text = found.get("error") or found.get("warning") or "it left no message"
    return "".join(c for c in text if c.isprintable())[:_CHARACTERS_MAX]


def _tail(log: Path) -> list[str]:
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
        text = file.read().decode(errors="replace")
        return [line for line in text.splitlines() if line.strip()]
    return []
