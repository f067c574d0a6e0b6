"""Makes an encoder's place ready before each of its starts, as the unit's ExecStartPre=:

    python -m hlsswarm.encoders.prepare DIRECTORY… --keep N --log FILE [--starts FILE]

- makes the directories, and removes the segments that an ended encoder has left: ffmpeg forgets
  at its end which ones it still had to delete, and a crash loop would fill the memory;
- cuts the log file down to its last lines;
- with `--starts`, lets starts that fail one after the other wait longer and longer, where systemd
  (before 254, see service_specs.ServiceRestart) cannot: FILE keeps how many there were.

It is a program of its own because it has to work when no controller of ours runs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hlsswarm.controller.log_bounds import shorten
from hlsswarm.core.hls_muxer import leftover_segments
from hlsswarm.core.profiles import STREAM_PLAYLIST
from hlsswarm.core.starts import Starts, after_another_start

MODULE = "hlsswarm.encoders.prepare"


def prepare_command(
    directories: Sequence[Path], *, keep: int, log: Path, starts: Path | None
) -> tuple[str, ...]:
    """The command that makes `directories` ready; `starts` only where systemd has no steps."""
    spaced = () if starts is None else ("--starts", str(starts))
    words = (*map(str, directories), "--keep", str(keep), "--log", str(log), *spaced)
    return (sys.executable, "-m", MODULE, *words)


def tidy(directory: Path, *, keep: int) -> int:
    """Remove leftover segments but the `keep` newest; how many were removed."""
    try:
        playlist = (directory / STREAM_PLAYLIST).read_text(errors="replace")
    except OSError:
        playlist = ""
    names = [path.name for path in directory.iterdir()]
    leftovers = leftover_segments(names, playlist, keep=keep)
    for name in leftovers:
        with contextlib.suppress(FileNotFoundError):
            (directory / name).unlink()
    return len(leftovers)


def wait_for_turn(path: Path) -> None:
    """Wait as long as the starts before this one demand, and note this one."""
    starts, wait_seconds = after_another_start(_read(path), now_seconds=_now())
    time.sleep(wait_seconds)
    ready = Starts(starts.in_a_row, _now())
    path.write_text(json.dumps({"in_a_row": ready.in_a_row, "last": ready.last_seconds}))


def _read(path: Path) -> Starts | None:
    """What the last start noted; None at the first, and for a file that was cut off."""
    try:
        noted = json.loads(path.read_text())
        return Starts(int(noted["in_a_row"]), float(noted["last"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _now() -> float:
    """Seconds of a clock that nobody sets."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def main(words: Sequence[str] | None = None) -> None:
    """Make everything ready."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", nargs="+", type=Path)
    parser.add_argument("--keep", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--starts", type=Path)
    arguments = parser.parse_args(words)
    for directory in arguments.directory:
        directory.mkdir(parents=True, exist_ok=True)
        tidy(directory, keep=arguments.keep)
    shorten(arguments.log)
    if arguments.starts is not None:
        wait_for_turn(arguments.starts)


if __name__ == "__main__":
    main()
