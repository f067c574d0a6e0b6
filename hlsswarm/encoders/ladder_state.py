"""The files of a ladder in its run's directory, each written whole.

    ladder.json         what is wanted: written by commands under a lock, read by the runner
    seen.json           what the runner saw: written by it alone, read by `list`, and by the next
                        runner, so that no Media Segment is counted twice
    ends/UNIT.json      how a key's processes ended: written when one ends (ladder_end)

What runs, systemd alone knows.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from hlsswarm.core.ladder import Rung, WantedRung

PHASES: Final = ("start", "middle", "stop")
"""When a transcoder can fail: before its first Media Segment, after it, while it is stopped."""


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole, or as it was before. Raises OSError."""
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        half.write_text(text, encoding="utf-8")
        half.replace(path)
    except BaseException:
        half.unlink(missing_ok=True)
        raise


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


# --- what is wanted -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """What a ladder is to be. `sources` are names with the URLs of those that are elsewhere."""

    media: Path
    ffmpeg: Path
    ffprobe: Path
    rungs: tuple[WantedRung, ...]
    sources: tuple[tuple[str, str], ...] = ()
    restart: bool = True
    with_source: bool = True
    metrics: tuple[str, int] | None = None
    revision: int = 1


def _wanted_file(directory: Path) -> Path:
    return directory / "ladder.json"


def read_wanted(directory: Path) -> Wanted:
    """What is wanted. Raises OSError, or ValueError for a file that is not ours."""
    document = json.loads(_wanted_file(directory).read_text())
    try:
        rungs = tuple(
            WantedRung(item["factory"], Rung(**item["rung"]), item["directory"])
            for item in document["rungs"]
        )
        metrics = document["metrics"]
        return Wanted(
            media=Path(document["media"]),
            ffmpeg=Path(document["ffmpeg"]),
            ffprobe=Path(document["ffprobe"]),
            rungs=rungs,
            sources=tuple((name, url) for name, url in document["sources"]),
            restart=document["restart"],
            with_source=document["with_source"],
            metrics=None if metrics is None else (metrics[0], metrics[1]),
            revision=document["revision"],
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"{_wanted_file(directory)} lacks {error}") from None


def write_wanted(directory: Path, wanted: Wanted) -> None:
    """Write what is wanted. Whoever changes what is there holds changing()."""
    document = asdict(wanted)
    document |= {key: str(document[key]) for key in ("media", "ffmpeg", "ffprobe")}
    write_whole(_wanted_file(directory), json.dumps(document, indent=1) + "\n")


@contextlib.contextmanager
def changing(directory: Path) -> Iterator[Wanted]:
    """What is wanted, under an exclusive lock on the run's directory: read, change, write."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield read_wanted(directory)
    finally:
        os.close(descriptor)


def change_rungs(directory: Path, wanted: Wanted, rungs: tuple[WantedRung, ...]) -> int:
    """Write another ladder; its revision."""
    write_wanted(directory, replace(wanted, rungs=rungs, revision=wanted.revision + 1))
    return wanted.revision + 1


# --- what was seen --------------------------------------------------------------------------------


@dataclass
class Seen:
    """What the runner saw: Media Segments of a key's output, and their bytes.

    `last` is the Media Sequence Number that was counted last. `listed`: whether the Multivariant
    Playlist has it.
    """

    segments: int = 0
    bytes: int = 0
    last: int | None = None
    listed: bool = False


@dataclass
class Sight:
    """Everything a runner saw, by unit and by source."""

    revision: int = 0
    units: dict[str, Seen] = field(default_factory=dict)
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    declined: list[dict[str, str]] = field(default_factory=list)


def read_sight(directory: Path) -> Sight:
    """What the last runner saw; nothing when there was none."""
    document = _read(directory / "seen.json")
    with contextlib.suppress(KeyError, TypeError):
        return Sight(
            revision=document["revision"],
            units={unit: Seen(**seen) for unit, seen in document["units"].items()},
            sources=document["sources"],
            declined=document["declined"],
        )
    return Sight()


def sight_text(sight: Sight) -> str:
    """What is written down."""
    return json.dumps(asdict(sight))


def write_sight(directory: Path, text: str) -> None:
    """Write down what was seen."""
    write_whole(directory / "seen.json", text)


# --- ends -----------------------------------------------------------------------------------------


@dataclass
class Ends:
    """Failures of a key by phase; `left`: it has ended, and nobody has started it since."""

    start: int = 0
    middle: int = 0
    stop: int = 0
    left: bool = False
    last: str = ""

    @property
    def failures(self) -> dict[str, int]:
        """Numbers by phase."""
        return {phase: int(getattr(self, phase)) for phase in PHASES}


def ends_file(directory: Path, unit: str) -> Path:
    """Where a unit's ends are written down."""
    return directory / "ends" / f"{unit.removesuffix('.service')}.json"


def read_ends(path: Path) -> Ends:
    """How a key's processes have ended so far."""
    with contextlib.suppress(TypeError):
        return Ends(**_read(path))
    return Ends()


def write_ends(path: Path, ends: Ends) -> None:
    """Write it down; nothing where the run is gone already."""
    with contextlib.suppress(FileNotFoundError):
        write_whole(path, json.dumps(asdict(ends)))
