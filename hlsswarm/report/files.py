"""Writes results to files, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hlsswarm.core.summary import Summary
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
    if not os.access(path.parent, os.W_OK):
        raise PreflightError(f"No file can be written in {path.parent}.")


def check_directory(path: Path) -> None:
    """Raise PreflightError unless `path` is, or can become, a directory to write in."""
    nearest = path
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise PreflightError(f"No directory can be made at {path}.", hint="Choose another --out.")


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that it is there whole, or as it was before. Raises OSError."""
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


def write_report(directory: Path, summary: Summary) -> Path:
    """Keep a run's results in a directory; the path of the summary."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / SUMMARY_FILE
    write_atomically(path, summary.as_json())
    return path
