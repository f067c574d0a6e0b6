"""The last lines of a log file, however long the file is."""

from __future__ import annotations

import os
from pathlib import Path

from hlsswarm.core.headers import redact
from hlsswarm.core.service_specs import is_stop_noise

_BYTES_A_LINE = 400
_BYTES_MIN = 16 << 10


def last_lines(log: Path, count: int) -> list[str]:
    """The last `count` lines; none where there is no file. Control characters are left out."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - max(_BYTES_MIN, count * _BYTES_A_LINE)))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return messages(text)[-count:] if count > 0 else []


def messages(text: str) -> list[str]:
    """The lines of a log's text, but those of the unit's own stop commands."""
    return [_printable(line) for line in text.splitlines() if not is_stop_noise(line)]


def _printable(line: str) -> str:
    """A line without passwords in URLs, and without what would move a terminal's cursor."""
    return redact("".join(c for c in line.rstrip() if c == "\t" or c.isprintable()))
