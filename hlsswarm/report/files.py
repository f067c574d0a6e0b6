"""Writes results to files, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hlsswarm.errors import PreflightError

SUMMARY_FILE = "summary.json"


def check_writable(path: Path) -> None:
    """Raise PreflightError unless a file can be made at `path`, before a run is made for it."""
    if path.is_dir():
        raise PreflightError(f"{path} is a directory.", hint="Give the name of a file.")
    if not path.parent.is_dir():
        raise PreflightError(
            f"The directory {path.parent} does not exist.", hint=f"mkdir -p {path.parent}"
        )
    if path.exists() and not path.is_file():
        return  # a device or a pipe: whether it takes the text shows when it is written
    try:
        # Asking for the permission would say yes to root on any file system.
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise PreflightError(
            f"No file can be written in {path.parent}: {error.strerror}.",
            hint="Choose another place for --json.",
        ) from None


def check_directory(path: Path) -> None:
    """Raise PreflightError unless `path` is, or can become, a directory to write in."""
    nearest = path
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    hint = "Choose another place for --out."
    if not nearest.is_dir():
        raise PreflightError(f"{nearest} is not a directory.", hint=hint)
    try:
        Path(tempfile.mkdtemp(dir=nearest, prefix=".hlsswarm-")).rmdir()
    except OSError as error:
        raise PreflightError(
            f"Nothing can be written in {nearest}: {error.strerror}.", hint=hint
        ) from None


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that it is there whole, or as it was before. Raises OSError.

    What is no file (a device, a pipe) is written to, and never replaced by a file.
    """
    path = path.resolve()  # a link stays, and what it points to is replaced
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
