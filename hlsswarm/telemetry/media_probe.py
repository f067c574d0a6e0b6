"""What is in a Media Segment or behind a URL, by ffprobe: picture, sound, key frames.

Reads ffprobe's JSON, which is the same from 5.1 to 9 as far as it is read here.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from hlsswarm.programs import find_program

_TIMEOUT_SECONDS = 25.0
_NONE: dict[str, Any] = {}
_SHOWN = (
    "stream=codec_type,codec_name,width,height,avg_frame_rate,r_frame_rate"
    ":packet=codec_type,flags,size,duration_time"
)  # fmt: skip


@dataclass(frozen=True)
class Media:
    """Codecs by ffprobe's names (empty: no such stream), pixels, frames per second, the sound's
    bitrate in kbit/s, and the number of key frames that were seen.
    """

    video_codec: str = ""
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    audio_codec: str = ""
    audio_kbps: float = 0.0
    key_frames: int = 0

    @property
    def kinds(self) -> tuple[str, ...]:
        """Which kinds of streams there are."""
        both = (("video", self.video_codec), ("audio", self.audio_codec))
        return tuple(kind for kind, codec in both if codec)


def find_ffprobe(ffmpeg: Path) -> Path:
    """The ffprobe beside an ffmpeg, else the one in PATH. Raises PreflightError without any."""
    beside = ffmpeg.with_name("ffprobe")
    return beside if beside.is_file() else find_program("ffprobe", package="ffmpeg")


def probe_media(
    ffprobe: Path, source: Sequence[str], *, packets: int | None = None
) -> Media | None:
    """What ffprobe finds in an input (its arguments, `-i` included); None when it finds nothing.

    `packets` bounds what is read of an input that has no end.
    """
    bound = () if packets is None else ("-read_intervals", f"%+#{packets}")
    command = [ffprobe, "-v", "error", "-of", "json", *bound, "-show_entries", _SHOWN, *source]
    try:
        answer = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        return read_media(json.loads(answer.stdout))
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None


def read_media(document: Any) -> Media | None:
    """What ffprobe's document says; None when it has no stream that can be played."""
    streams = document.get("streams") or []
    video, audio = (
        next((item for item in streams if item.get("codec_type") == kind), _NONE)
        for kind in ("video", "audio")
    )
    packets = document.get("packets") or []
    media = Media(
        video_codec=video.get("codec_name", ""),
        width=int(video.get("width", 0)),
        height=int(video.get("height", 0)),
        frame_rate=_rate(video.get("avg_frame_rate", "")) or _rate(video.get("r_frame_rate", "")),
        audio_codec=audio.get("codec_name", ""),
        audio_kbps=_kbps(item for item in packets if item.get("codec_type") == "audio"),
        key_frames=sum(
            packet.get("codec_type") == "video" and packet.get("flags", "").startswith("K")
            for packet in packets
        ),
    )
    return media if media.kinds else None


def _kbps(packets: Iterable[Any]) -> float:
    sizes = [(int(item.get("size", 0)), float(item.get("duration_time", 0))) for item in packets]
    seconds = sum(duration for _, duration in sizes)
    return sum(size for size, _ in sizes) * 8 / 1000 / seconds if seconds else 0.0


def _rate(text: str) -> float:
    try:
        return float(Fraction(text))
    except (ValueError, ZeroDivisionError):
        return 0.0
