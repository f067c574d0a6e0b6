"""What goes to the terminal, and what happens when nobody reads it any more."""

from __future__ import annotations

import contextlib
import os
import signal
import sys


class UnheardError(Exception):
    """Nobody can read what we say any more: `| head -1`, a closed terminal, a full disk."""


def say(text: str) -> None:
    """One text to standard output, at once: a run's lines are followed through pipes.

    Raises UnheardError, once; after it everything goes nowhere.
    """
    try:
        print(text, flush=True)
    except OSError as error:
        silence()
        raise UnheardError from error


def say_on(text: str) -> None:
    """say(), while something runs that has to be ended in order.

    That nobody reads any more is then the same as Ctrl+C: the run stops, and its files are still
    written.
    """
    try:
        say(text)
    except UnheardError:
        signal.raise_signal(signal.SIGINT)


def silence() -> None:
    """Let standard output go nowhere, or Python would complain once more while it ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def write_anything() -> None:
    """Print characters that the terminal's encoding lacks as `?` instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
