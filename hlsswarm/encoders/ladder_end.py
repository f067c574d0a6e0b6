"""Writes down how a transcoder ended, as the unit's ExecStopPost=:

    python -m hlsswarm.encoders.ladder_end ENDS OUTPUT [SOURCE]

systemd runs it after every end, restarts included, and says how the process ended in
$SERVICE_RESULT, $EXIT_CODE and $EXIT_STATUS (systemd.exec(5)). So no failure is missed while no
runner is there. ENDS is the key's file of ends, beside it lie `.begun` (when the process was
started) and `.stopping` (a stop was asked for); OUTPUT and SOURCE are Media Playlists.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from hlsswarm.core.unit_specs import FFMPEG_INTERRUPTED
from hlsswarm.encoders.ladder_state import read_ends, write_ends
from hlsswarm.encoders.sources import live_playlist

MODULE = "hlsswarm.encoders.ladder_end"


def begun(ends: Path) -> Path:
    """The mark of a start: as old as the process."""
    return ends.with_suffix(".begun")


def stopping(ends: Path) -> Path:
    """The mark of a stop that was asked for."""
    return ends.with_suffix(".stopping")


def end_command(ends: Path, output: Path, source: Path | None) -> tuple[str, ...]:
    """The command that writes an end down."""
    words = [str(ends), str(output)] + ([] if source is None else [str(source)])
    return (sys.executable, "-m", MODULE, *words)


def phase_of_end(
    said: Mapping[str, str], *, had_segment: bool, stop_wanted: bool, source_ended: bool
) -> str | None:
    """The phase in which a transcoder failed; None for an end in order.

    `had_segment`: its playlist has grown since it was started. An end with status 0 is in order
    only when it was asked for, or its source had ended: ffmpeg says 0 as well when it lost a live
    playlist. One that waits for a source that is no more ends at the second signal: in order, too.
    """
    result, status = said.get("SERVICE_RESULT", "success"), said.get("EXIT_STATUS")
    if result == "success" and (stop_wanted or source_ended or status != "0"):
        return None
    if result == "timeout" and source_ended and status == str(FFMPEG_INTERRUPTED):
        return None
    if result == "timeout" or stop_wanted:
        return "stop"
    return "middle" if had_segment else "start"


def changed(path: Path) -> float:
    """When a file was changed last, in seconds since 1970; 0 where there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _has_ended(playlist: Path) -> bool:
    return live_playlist(playlist, now_seconds=time.time()) is None


def main() -> None:
    """Write it down."""
    ends_path, output = Path(sys.argv[1]), Path(sys.argv[2])
    ends = read_ends(ends_path)
    phase = phase_of_end(
        os.environ,
        had_segment=changed(output) > changed(begun(ends_path)),
        stop_wanted=stopping(ends_path).exists(),
        source_ended=len(sys.argv) > 3 and _has_ended(Path(sys.argv[3])),
    )
    ends.left = True
    if phase is not None:
        setattr(ends, phase, getattr(ends, phase) + 1)
        said = (os.environ.get(name, "") for name in ("SERVICE_RESULT", "EXIT_CODE", "EXIT_STATUS"))
        ends.last = " ".join(word for word in said if word)
    write_ends(ends_path, ends)


if __name__ == "__main__":
    main()
