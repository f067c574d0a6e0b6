"""What services write outside of their run's directory, and what goes when they go.

A link for each in the run's directory says where, so that whoever ends the run (`hlsswarm stop`, a
command that failed, the sweep after a crash) removes it, without knowing what wrote it.

    RUN/outputs/live.cam1 -> MEDIA/live/cam1     a level of the path for each dot

Only the files of HLS presentations are removed, and directories that are empty then.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

_LINKS = "outputs"
_SHARED_MEMORY = Path("/dev/shm")
_OF_HLS = re.compile(r".+\.(?:m3u8|ts|m4s|mp4|key|vtt)(?:\.tmp)?")


def note_output(run_directory: Path, member: str, directory: Path) -> None:
    """Let what is written below `directory` go with the run. `member` has its levels, by dots."""
    links = run_directory / _LINKS
    links.mkdir(exist_ok=True)
    link = links / member
    link.unlink(missing_ok=True)
    link.symlink_to(directory)


def remove_output(run_directory: Path, member: str) -> None:
    """Remove what was noted as `member`; nothing when it was not."""
    link = run_directory / _LINKS / member
    with contextlib.suppress(OSError):
        directory = link.readlink()
        link.unlink()
        _remove_presentation(directory, levels=member.count(".") + 1)


def remove_outputs(run_directory: Path) -> None:
    """Remove everything that goes with a run."""
    with contextlib.suppress(OSError):
        for link in list((run_directory / _LINKS).iterdir()):
            remove_output(run_directory, link.name)


def _remove_presentation(directory: Path, *, levels: int) -> None:
    """Remove a presentation's files, and up to `levels` directories that are left empty."""
    for path in directory.iterdir():
        if _OF_HLS.fullmatch(path.name) and not path.is_dir():
            path.unlink(missing_ok=True)
    for empty in (directory, *directory.parents)[:levels]:
        empty.rmdir()
    root = directory.parents[levels - 1]
    if root.parent == _SHARED_MEMORY and root.name.startswith("hlsswarm-"):
        root.rmdir()
