"""What the doctor has found, for a terminal. Pure text."""

from __future__ import annotations

from collections.abc import Sequence

from hlsswarm.core.doctor import Check, Level

_MARKS = {Level.OK: "✓", Level.WARN: "!", Level.FAIL: "✗", Level.UNKNOWN: "?"}


def render(found: Sequence[Check]) -> str:
    """The checks for a terminal: a line each, and below what fails, what mends it."""
    width = max((len(check.name) for check in found), default=0)
    lines = []
    for check in found:
        lines.append(f"{_MARKS[check.level]} {check.name:<{width}}  {check.sentence}")
        if check.command:
            lines.append(f"  {'':<{width}}  → {check.command}")
    return "\n".join(lines)
