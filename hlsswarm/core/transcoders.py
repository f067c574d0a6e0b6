"""Factories of transcoders: the ffmpeg command that makes a rung out of a source, or a refusal.

A factory is a function of a `Job`: it gives a command, or `Declined` with the reason, or None. The
ones here are built in; others come as Python entry points of the group `hlsswarm.transcoders`.

    def tiny(job: Job) -> list[str] | Declined:
        if job.track != "video":
            return Declined("takes pictures only")
        return job.command(["-vf", "scale=64:36", "-c:v", "libx264", "-c:a", "copy"])

When a source begins anew (EXT-X-DISCONTINUITY), its timestamps jump back. libavformat would take
that for an overflow and add 26.5 hours, hence `-correct_ts_overflow 0`; ffmpeg's own treatment of a
real overflow goes on working. Frames from after the jump are left out until whoever watches the
source has started the transcoder again.

Rungs stay aligned with their source (RFC 8216bis 6.2.4: matching content has matching timestamps):
`-copyts` keeps the source's timestamps, `-force_key_frames source` puts a key frame where the
source has one, and the hls muxer cuts there. Works with ffmpeg 5.1 to 9.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hlsswarm.core.ladder import AUDIO, VIDEO, Rung, picture_size
from hlsswarm.core.profiles import STREAM_PLAYLIST

__all__ = [
    "BUILT_IN",
    "HARDWARE",
    "HLS_INPUT",
    "LISTED_SEGMENTS",
    "UNLISTED_SEGMENTS",
    "Declined",
    "Factory",
    "Hardware",
    "Job",
    "SourceMedia",
]

LISTED_SEGMENTS: Final = 6
"""Media Segments in a rung's Media Playlist."""
UNLISTED_SEGMENTS: Final = LISTED_SEGMENTS + 1
"""Kept after they left it (RFC 8216bis 6.2.2: their own and the playlist's duration)."""
HLS_INPUT: Final = ("-seg_format_options", "correct_ts_overflow=0")
"""What an input that is HLS needs before its `-i`: the same for what is within its segments."""
_EVERY_KEY_FRAME: Final = 0.1
# Frames keep the source's timestamps, which do not lie on multiples of their duration; no frame is
# made up where some are missing, and those are left out that are older than what was written.
_TIMESTAMPS: Final = ("-fps_mode", "vfr", "-enc_time_base:v", "1:90000")


@dataclass(frozen=True, slots=True)
class SourceMedia:
    """A source as a transcoder reads it.

    `input` are ffmpeg's arguments, `-i` included. `width`, `height` are pixels and `frame_rate`
    frames per second, 0 where unknown; `audio_codec` is ffprobe's name, empty without sound.
    `segment_seconds` is the duration of its Media Segments; `one_key_frame`: each has exactly one,
    at its start.
    """

    name: str
    input: tuple[str, ...]
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    video_codec: str = ""
    audio_codec: str = ""
    segment_seconds: float = 2.0
    one_key_frame: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """A rung that is to be made of one track of a source, into `directory`.

    `first_number` is the Media Sequence Number to begin with where the directory has no playlist.
    """

    ffmpeg: Path
    rung: Rung
    track: str
    source: SourceMedia
    directory: Path
    first_number: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the rung's picture in the source's shape."""
        return picture_size(self.rung, self.source.width, self.source.height)

    def command(self, codec: Sequence[str], *, before_input: Sequence[str] = ()) -> list[str]:
        """The whole ffmpeg command around the options of the codecs.

        The track is mapped, and the sound goes along with the picture. Raises ValueError for a
        directory that ffmpeg's file name pattern cannot express.
        """
        if "%" in str(self.directory):
            raise ValueError(f"ffmpeg cannot write below a directory with '%': {self.directory}")
        picture = self.track == VIDEO
        streams = ("-map", "0:v:0", "-map", "0:a:0?") if picture else ("-map", "0:a:0")
        return [
            *(str(self.ffmpeg), "-hide_banner", "-nostdin", "-nostats"),
            *("-loglevel", "repeat+level+warning"),
            *before_input,
            *("-copyts", "-correct_ts_overflow", "0"),
            *self.source.input,
            *streams,
            *codec,
            *(_TIMESTAMPS if picture and "copy" not in codec[1:2] else ()),
            *self._hls(),
            str(self.directory / STREAM_PLAYLIST),
        ]

    def _hls(self) -> list[str]:
        at_each_key_frame = self.source.one_key_frame and self.track == VIDEO
        seconds = _EVERY_KEY_FRAME if at_each_key_frame else self.source.segment_seconds
        return [
            *("-muxdelay", "0", "-muxpreload", "0"),  # else MPEG-TS adds 1.4 s to all timestamps
            *("-f", "hls", "-hls_segment_type", "mpegts", "-hls_time", f"{seconds:g}"),
            *("-hls_list_size", str(LISTED_SEGMENTS)),
            *("-hls_delete_threshold", str(UNLISTED_SEGMENTS)),
            *("-hls_start_number_source", "generic", "-start_number", str(self.first_number)),
            *("-hls_flags", "delete_segments+omit_endlist+temp_file+append_list"),
            *("-hls_segment_filename", str(self.directory / "segment-%d.ts")),
        ]


@dataclass(frozen=True, slots=True)
class Declined:
    """A factory's no, with the reason in a few words."""

    reason: str


Factory = Callable[[Job], Sequence[str] | Declined | None]
"""What a factory is. It must not raise; one that does is counted as a failure at the start."""


def _no_picture(job: Job) -> Declined | None:
    if job.track != VIDEO:
        return Declined("takes pictures only")
    if job.rung.width == 0:
        return Declined("the rendition has no picture")
    return None


def _too_large(job: Job) -> Declined | None:
    if 0 < job.source.height < job.rung.height and 0 < job.source.width < job.rung.width:
        return Declined(f"larger than the source's {job.source.width}x{job.source.height}")
    return None


def passthrough(job: Job) -> list[str] | Declined:
    """The source's own picture and sound, copied and cut again."""
    return _no_picture(job) or job.command(["-c", "copy"])


def x264(job: Job) -> list[str] | Declined:
    """H.264 by libx264; nothing is made larger than it comes."""
    width, height = job.size
    return (
        _no_picture(job)
        or _too_large(job)
        or job.command(
            [
                *("-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency"),
                *("-vf", f"scale={width}:{height},setsar=1,format=yuv420p"),
                # Key frames where the source has them and nowhere else.
                *("-force_key_frames", "source", "-g", "9999", "-sc_threshold", "0"),
                *_rates(job.rung),
            ]
        )
    )


def _rates(rung: Rung) -> tuple[str, ...]:
    return (
        *("-b:v", f"{rung.video_kbps}k", "-maxrate", f"{rung.maxrate_kbps}k"),
        *("-bufsize", f"{rung.bufsize_kbit}k", "-c:a", "copy"),
    )


def audio(job: Job) -> list[str] | Declined:
    """Sound alone, as AAC."""
    if job.track != AUDIO:
        return Declined("takes sound only")
    return job.command(["-c:a", "aac", "-b:a", f"{job.rung.audio_kbps}k", "-ac", "2"])


@dataclass(frozen=True, slots=True)
class Hardware:
    """A hardware encoder: ffmpeg's `encoder`, and the `node` that the device must have.

    `upload` follows the scaling, `before_input` opens the device, `options` are the encoder's.
    """

    encoder: str
    node: Path
    upload: str = ""
    before_input: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def __call__(self, job: Job) -> list[str] | Declined:
        """The command: pictures are scaled by the processor, and encoded by the device."""
        width, height = job.size
        return (
            _no_picture(job)
            or _too_large(job)
            or job.command(
                [
                    *("-c:v", self.encoder, *self.options),
                    *("-vf", f"scale={width}:{height},setsar=1,format=nv12{self.upload}"),
                    *("-force_key_frames", "source", "-g", "9999", "-bf", "0"),
                    *_rates(job.rung),
                ],
                before_input=self.before_input,
            )
        )


_RENDER_NODE: Final = Path("/dev/dri/renderD128")
HARDWARE: Final[Mapping[str, Hardware]] = {
    "nvenc": Hardware("h264_nvenc", Path("/dev/nvidia0"), options=("-forced-idr", "1")),
    "qsv": Hardware("h264_qsv", _RENDER_NODE, options=("-forced_idr", "1")),
    "vaapi": Hardware(
        "h264_vaapi", _RENDER_NODE, ",hwupload", ("-vaapi_device", str(_RENDER_NODE))
    ),
}
"""Encoders of devices, by the factory's name; for where ffmpeg and the machine have them."""
BUILT_IN: Final[Mapping[str, Factory]] = {
    "passthrough": passthrough,
    "x264": x264,
    "audio": audio,
    **HARDWARE,
}
"""Factories that come with the program, by name."""
