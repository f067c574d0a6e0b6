"""Units that a controller has stopped to make them anew, noted before it stops them: one that dies
in between has not stopped them for good, and the next one starts them.

    RUNTIME_DIRECTORY/RUN/remade/UNIT        an empty file, there until the unit is
"""

from __future__ import annotations

import contextlib
from pathlib import Path

DIRECTORY = "remade"


class Remade:
    """The notes of one run. What cannot be noted (a full disk) is not: nothing depends on it
    unless the controller dies in that moment.
    """

    def __init__(self, run_directory: Path) -> None:
        self._directory = run_directory / DIRECTORY

    def begin(self, unit: str) -> None:
        """The unit is about to go, and to come again."""
        with contextlib.suppress(OSError):
            self._directory.mkdir(exist_ok=True)
            (self._directory / unit).touch()

    def done(self, unit: str) -> None:
        """It is there again, or not to come."""
        with contextlib.suppress(OSError):
            (self._directory / unit).unlink()

    def has(self, unit: str) -> bool:
        """Whether the unit was about to come again."""
        return (self._directory / unit).exists()
