"""Durations, moments, sizes and shares as people write them, and back.

Pure text to number and number to text; no clock.
"""

from __future__ import annotations

import datetime
import math
import re

_UNITS_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DECIMAL = r"[0-9]+(?:\.[0-9]+)?"
DURATION_PATTERN = rf"{_DECIMAL}|(?:{_DECIMAL}(?:ms|s|m|h|d))+"
"""Texts that `parse_duration` reads, as a regular expression of Python and ECMA-262."""
SIZE_PATTERN = rf"{_DECIMAL}[KMGTkmgt]?(?:[Ii]?[Bb])?"
PERCENT_PATTERN = rf"{_DECIMAL}%?"
_DURATION_PART = re.compile(rf"({_DECIMAL})(ms|s|m|h|d)")
MOMENT_PATTERN = rf"{_DECIMAL}|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[Tt ][0-9:.]+(?:[Zz]|[+-][0-9:]+)"
_SIZE = re.compile(rf"({_DECIMAL})([KMGT]?)(?:i?B)?", re.IGNORECASE)
_SIZE_FACTOR = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def parse_duration(text: str) -> float:
    """Seconds of `30m`, `90s`, `1.5h`, `200ms`, `1h30m`, or a bare number (seconds).

    Raises ValueError for anything else, negative and non-finite values included.
    """
    compact = text.strip()
    if not re.fullmatch(DURATION_PATTERN, compact):
        raise ValueError(f"{text!r} is not a duration")
    if re.fullmatch(_DECIMAL, compact):
        seconds = float(compact)
    else:
        parts = _DURATION_PART.findall(compact)
        seconds = sum(float(number) * _UNITS_SECONDS[unit] for number, unit in parts)
    if not math.isfinite(seconds):
        raise ValueError(f"{text!r} is not a duration")
    return seconds


def parse_moment(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 time with its zone, or of that number itself.

    Raises ValueError; for a time without a zone too, which each machine would take for another.
    """
    compact = text.strip()
    if not re.fullmatch(MOMENT_PATTERN, compact):
        raise ValueError(f"{text!r} is no moment")
    if re.fullmatch(_DECIMAL, compact):
        return float(compact)
    return datetime.datetime.fromisoformat(compact.upper()).timestamp()


def format_moment(seconds: float) -> str:
    """A moment as ISO 8601 in UTC, to the second."""
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"


def format_duration(seconds: float) -> str:
    """A short text of a duration: `0.2s`, `45s`, `1m30s`, `2h05m`."""
    if seconds < 60:
        return f"{seconds:.3g}s"
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{left:02d}s" if left else f"{minutes}m"


def parse_size(text: str) -> int:
    """Bytes of `512M`, `2G`, `1.5GiB`, `1048576`; powers of 1024 as in systemd.

    Raises ValueError for anything else.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size")
    size = float(match[1]) * _SIZE_FACTOR[match[2].upper()]
    if not math.isfinite(size) or size < 1:
        raise ValueError(f"{text!r} is not a size")
    return int(size)


def format_size(size_bytes: float) -> str:
    """A short text of a size in decimal units, as traffic is told: `12.3 MB`."""
    value = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"


def parse_percent(text: str) -> float:
    """Share of one processor of `150%` or `150`: 1.5. Raises ValueError otherwise."""
    compact = text.strip()
    if not re.fullmatch(PERCENT_PATTERN, compact) or float(compact.removesuffix("%")) <= 0:
        raise ValueError(f"{text!r} is not a share in per cent")
    return float(compact.removesuffix("%")) / 100
