"""What goes to the terminal."""

from __future__ import annotations


def say(text: str) -> None:
    """One text to standard output, at once: a run's lines are followed through pipes."""
    print(text, flush=True)
