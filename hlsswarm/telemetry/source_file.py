"""What a user's media file has, as ffmpeg itself tells when it is given nothing to do."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hlsswarm.errors import PreflightError

_TIMEOUT_SECONDS = 30.0
_DURATION = re.compile(r"^ *Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)", re.MULTILINE)
_STREAM = re.compile(r"^ *Stream #0:\d+.*?: (Video|Audio): (.*)$", re.MULTILINE)
_HINT = "Give a video file; `hlsswarm video generate` makes one."
_COVER = "(attached pic)"


@dataclass(frozen=True)
class MediaFile:
    """A file that can be played: its length in seconds (None: it has none, as a picture), and
    whether it has sound.
    """

    path: Path
    seconds: float | None
    has_sound: bool


def look_into(ffmpeg: Path, path: Path) -> MediaFile:
    """A file that has a moving picture. Raises PreflightError with the reason for any other."""
    path = path.absolute()
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise PreflightError(
            f"--source {path} cannot be read: {error.strerror}.", hint=_HINT
        ) from None
    try:
        answer = subprocess.run(
            [ffmpeg, "-hide_banner", "-nostdin", "-i", path],
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PreflightError(f"ffmpeg does not come to an end with --source {path}.") from None
    found = read_media_file(path, answer.stderr.decode(errors="replace"))
    if found is None:
        raise PreflightError(
            f"--source {path} has no picture that ffmpeg can read.",
            hint=_HINT,
        )
    return found


def read_media_file(path: Path, told: str) -> MediaFile | None:
    """What ffmpeg's description of its input says; None without a moving picture."""
    streams = [(match[1], match[2]) for match in _STREAM.finditer(told)]
    if not any(kind == "Video" and _COVER not in rest for kind, rest in streams):
        return None
    length = _DURATION.search(told)
    seconds = None
    if length is not None:
        seconds = int(length[1]) * 3600 + int(length[2]) * 60 + float(length[3])
    return MediaFile(path, seconds, any(kind == "Audio" for kind, _ in streams))
