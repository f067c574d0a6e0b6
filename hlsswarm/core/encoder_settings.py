"""The settings of a preview encoder, in one table; flags and help come from its rows.

Knows which video encoders of ffmpeg there are rows for, and what each of them needs. What ffmpeg's
command line is made of them: core/preview.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from hlsswarm.core.kinds import INTEGER, NUMBER, STRING, Kind, reads
from hlsswarm.core.limit_settings import SERVICE_KINDS, limit_setting
from hlsswarm.core.setting import (
    Setting,
    duration,
    one_of,
    within,
)

RENDER_NODE: Final = Path("/dev/dri/renderD128")
"""The first graphics processor, for VA-API and Quick Sync."""
NVIDIA_NODE: Final = Path("/dev/nvidia0")


@dataclass(frozen=True)
class VideoCodec:
    """A video encoder of ffmpeg (ffmpeg-codecs(1)), with what low latency asks of it.

    `before_input` are options of the whole program, `last_filters` end the filter chain, `node`
    is the device that has to be there. Empty preset or tune: it has none.
    """

    preset: str = ""
    tune: str = ""
    options: tuple[str, ...] = ()
    before_input: tuple[str, ...] = ()
    last_filters: tuple[str, ...] = ("format=yuv420p",)
    node: Path | None = None


_X264: Final = VideoCodec("ultrafast", "zerolatency", ("-sc_threshold", "0"))
_X265: Final = VideoCodec(
    "ultrafast", "zerolatency", ("-x265-params", "log-level=warning:scenecut=0")
)
# Forced key frames are no IDR pictures in these unless asked for.
_NVENC: Final = VideoCodec(
    "p1", "ull", ("-rc", "cbr", "-forced-idr", "1", "-no-scenecut", "1"), node=NVIDIA_NODE
)
_QSV: Final = VideoCodec(
    "veryfast",
    options=("-forced_idr", "1", "-async_depth", "1"),
    last_filters=("format=nv12",),
    node=RENDER_NODE,
)
_VAAPI: Final = VideoCodec(
    before_input=("-vaapi_device", str(RENDER_NODE)),
    last_filters=("format=nv12", "hwupload"),
    node=RENDER_NODE,
)
COPY: Final = "copy"
CODECS: Final[Mapping[str, VideoCodec]] = {
    "libx264": _X264,
    "libx265": _X265,
    "h264_nvenc": _NVENC,
    "hevc_nvenc": _NVENC,
    "h264_qsv": _QSV,
    "hevc_qsv": _QSV,
    "h264_vaapi": _VAAPI,
    "hevc_vaapi": _VAAPI,
    COPY: VideoCodec(),
}
"""Video encoders by ffmpeg's names; `copy` leaves pictures as they come."""


@dataclass(frozen=True)
class PictureSize:
    """Width and height in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        """As it is typed."""
        return f"{self.width}x{self.height}"


@dataclass(frozen=True, kw_only=True)
class EncoderSettings:
    """What an encoder makes of its input. None: as it comes, or as the codec has it."""

    codec: str = "libx264"
    size: PictureSize | None = PictureSize(1280, 720)
    bitrate_kbps: int = 5000
    preset: str | None = None
    tune: str | None = None
    fps: str | None = None
    gop: int | None = None
    audio_bitrate_kbps: int = 128
    audio: bool = True
    segment_seconds: float = 5.0
    playlist_segments: int = 3


@reads(Kind("picture size", pattern="source|[0-9]{2,5}x[0-9]{2,5}", example="1280x720"))
def picture_size(text: str) -> PictureSize | None:
    """`1280x720`, both even; or `source`, which is None. Raises ValueError."""
    if text == "source":
        return None
    match = re.fullmatch(r"(\d{2,5})x(\d{2,5})", text)
    if match is None:
        raise ValueError(text)
    found = PictureSize(int(match[1]), int(match[2]))
    if found.width % 2 or found.height % 2 or max(found.width, found.height) > 16_384:
        raise ValueError(f"{text!r} is no size of a picture that can be encoded")
    return found


@reads(
    Kind("bit rate", (STRING, INTEGER), r"[0-9]+(?:\.[0-9]+)?[kKmM]?", minimum=1000, example="5M")
)
def bitrate(text: str) -> int:
    """Kilobits per second of `5M`, `800k`, `2.5M`, or a bare number of bits. Raises ValueError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kKmM]?)", text)
    if match is None:
        raise ValueError(text)
    kbps = float(match[1]) * {"": 0.001, "k": 1.0, "m": 1000.0}[match[2].lower()]
    if not 1 <= kbps <= 1_000_000:
        raise ValueError(f"{text!r} is no bit rate that can be encoded")
    return round(kbps)


@reads(Kind("frame rate", (STRING, NUMBER), minimum=0, maximum=1000, example=25))
def frame_rate(text: str) -> str:
    """Pictures per second: `25`, `29.97`, `30000/1001`. Raises ValueError."""
    match = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)(?:/([1-9]\d{0,5}))?", text)
    if match is None or not 0 < float(match[1]) / float(match[2] or 1) <= 1000:
        raise ValueError(text)
    return text


@reads(Kind("word", pattern="[a-z0-9_-]{1,32}"))
def _word(text: str) -> str:
    """A name of ffmpeg's, as presets have. Raises ValueError."""
    if not re.fullmatch(r"[a-z0-9_-]{1,32}", text):
        raise ValueError(text)
    return text


@reads(replace(duration.kind, minimum=1, maximum=60, example="2s"))
def _segment_seconds(text: str) -> float:
    """1 s at least: numbers of segments begin with the time in seconds, and stay ahead of it."""
    seconds = duration(text)
    if not 1 <= seconds <= 60:
        raise ValueError(text)
    return seconds


_KNOWN: Final = ", ".join(CODECS)
_BITRATE: Final = "a bit rate such as 5M or 800k"
_WORD: Final = "a word of lower-case letters, as ffmpeg has it"


_row = partial(Setting, single_dash=False)

# A default that is text is read as if it were typed.
ENCODER_SETTINGS: tuple[Setting, ...] = (
    _row("codec", "picture", f"video encoder: {_KNOWN}", one_of(*CODECS), "libx264", "NAME",
         f"one of {_KNOWN}"),
    _row("size", "picture", "in pixels, with bars where the input has another shape; or `source`",
         picture_size, "1280x720", "WxH", "1280x720, both even, or source"),
    _row("bitrate", "picture", "of the picture", bitrate, "5M", "RATE", _BITRATE),
    _row("preset", "picture", "preset of the codec (default for libx264: ultrafast)",
         _word, None, "NAME", _WORD),
    _row("tune", "picture", "tune of the codec (default for libx264: zerolatency)",
         _word, None, "NAME", _WORD),
    _row("fps", "picture", "pictures per second (default: the input's)",
         frame_rate, None, "FPS", "25, 29.97 or 30000/1001"),
    _row("gop", "picture", "pictures from one key frame to the next (default: the codec's)",
         within(1, 10_000), None, "COUNT", "a number from 1 to 10000"),
    _row("audio-bitrate", "sound", "of the sound, which is AAC", bitrate, "128k", "RATE", _BITRATE),
    _row("no-audio", "sound", "leave the sound out", str, flag=True),
    _row("segment-seconds", "playlist", "length of a Media Segment",
         _segment_seconds, 5.0, "TIME", "a time from 1s to 60s"),
    _row("playlist-segments", "playlist", "segments in the playlist",
         within(2, 1000), 3, "COUNT", "a number from 2 to 1000"),
    *(dataclasses.replace(limit_setting(kind, "the encoder"), group="limits", single_dash=False)
      for kind in SERVICE_KINDS),
)  # fmt: skip
"""Every setting of a preview encoder, besides input, `media`, `ffmpeg` and `manager`."""
