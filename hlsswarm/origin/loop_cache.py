"""Loops that were encoded once, in the cache of this machine.

    CACHE/loops/default-3f2a….mp4      all streams of a profile, named by all that matters for them
    CACHE/loops/.default-….mp4.part    one that is being made, locked by who makes it

A loop is put under its name when it is whole. Those that were not used for longest go when all
together are larger than a bound; one that plays is locked by its encoder (played()), and stays.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from hlsswarm import places
from hlsswarm.core.quantities import format_size
from hlsswarm.errors import PreflightError
from hlsswarm.programs import find_program

LOOPS_BYTES_MAX = 2 << 30
"""So much is kept."""
_RECENT_SECONDS = 60.0
"""A loop that was asked for a moment ago is about to be played."""


def loops_directory() -> Path:
    """Where loops are; it may not exist yet. Raises PreflightError."""
    return places.cache_directory() / "loops"


def loop_file(name: str, matters: Sequence[object]) -> Path:
    """The file of a loop of the profile `name`; `matters` is all that tells it from others."""
    digest = hashlib.sha256(json.dumps([str(item) for item in matters]).encode()).hexdigest()
    return loops_directory() / f"{name}-{digest[:20]}.mp4"


def identity(path: Path) -> tuple[object, ...]:
    """What tells one state of a source file from another."""
    status = path.stat()
    return (path, status.st_size, status.st_mtime_ns, status.st_ino)


def is_there(loop: Path) -> bool:
    """Whether a loop was made; asking for it is using it."""
    with contextlib.suppress(OSError):
        os.utime(loop)
        return True
    return False


@contextlib.contextmanager
def being_made(loop: Path, *, expected_bytes: int) -> Iterator[Path]:
    """A file for a loop's encoder to write; when the block ends well, it is put in its place.

    Else it is removed; so are those of makers that were killed. Raises PreflightError when there
    is no place for it, or not enough.
    """
    directory = loop.parent
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _remove_half_made(directory)
        part = directory / f".{loop.name}.{secrets.token_hex(4)}.part"
        file = part.open("xb")
    except OSError as error:
        raise PreflightError(
            f"Nothing can be kept in {directory}: {error.strerror}.",
            hint=f"Choose another place with {places.CACHE_ENVIRONMENT}, or --encode live.",
        ) from None
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            _check_room(directory, expected_bytes)
            yield part
            part.replace(loop)
        finally:
            part.unlink(missing_ok=True)
    sweep(directory, bytes_max=LOOPS_BYTES_MAX)


def _check_room(directory: Path, expected_bytes: int) -> None:
    free = shutil.disk_usage(directory).free
    room = min(free, LOOPS_BYTES_MAX)
    if expected_bytes > room:
        raise PreflightError(
            f"The loop needs about {format_size(expected_bytes)} in {directory},"
            f" and {format_size(room)} are to be had.",
            hint="Use a shorter --source, lower bitrates, or --encode live.",
        )


def _remove_half_made(directory: Path) -> None:
    for part in directory.glob(".*.part"):
        with _locked_alone(part) as file:
            if file is not None:
                part.unlink(missing_ok=True)


def sweep(directory: Path, *, bytes_max: int, now: float | None = None) -> list[Path]:
    """Remove the loops that were not used for longest until the rest is small enough.

    Which were removed; never one that plays, or was asked for in the last minute.
    """
    before = (time.time() if now is None else now) - _RECENT_SECONDS
    loops = []
    for path in directory.glob("*.mp4"):
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            loops.append((status.st_mtime, status.st_size, path))
    total, removed = sum(size for _, size, _ in loops), []
    for used, size, path in sorted(loops):
        if total <= bytes_max or used > before:
            break
        with _locked_alone(path) as file:
            if file is not None:
                path.unlink(missing_ok=True)
                removed.append(path)
                total -= size
    return removed


@contextlib.contextmanager
def _locked_alone(path: Path) -> Iterator[BinaryIO | None]:
    """The file with an exclusive lock; None when somebody else has it, or it is gone."""
    try:
        file = path.open("rb")
    except OSError:
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield None
        else:
            yield file


def played(loop: Path, command: Sequence[str]) -> list[str]:
    """The command, which keeps `loop` from being removed for as long as it runs (flock(1): the
    lock is on a descriptor that the command inherits). Raises PreflightError without flock.
    """
    flock = find_program("flock", package="util-linux")
    return [str(flock), "--shared", "--no-fork", str(loop), *command]
