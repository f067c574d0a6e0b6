"""The ffmpeg command line of a preview encoder: an input, made live HLS of low latency.

    input -+-> video encoder -+-> hls muxer -> stream.m3u8
           +-> aac -----------+            `-> segment-<number>.ts

Knows ffmpeg's options and the names of encoders. Must not know units, and looks at no file. How
numbers of segments carry on over a restart is told in core/encoder, and is the same here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from hlsswarm.core.encoder_settings import CODECS, COPY, EncoderSettings
from hlsswarm.core.inputs import Input
from hlsswarm.core.profiles import STREAM_PLAYLIST
from hlsswarm.errors import UsageError

__all__ = ["UNREFERENCED_SEGMENTS", "check_name", "member_of_name", "name_of_member",
           "preview_command"]  # fmt: skip

UNREFERENCED_SEGMENTS: Final = 3
"""Segments that are kept after they have left the playlist, for players that lag."""
_HLS_FLAGS: Final = ("delete_segments", "temp_file", "program_date_time", "append_list")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*(?:/[a-z0-9][a-z0-9_-]*)*")
_NAME_LENGTH_MAX: Final = 100


def check_name(name: str) -> str:
    """The name of an encoder, if it can be one: `cam1`, `live/cam1`. Raises UsageError."""
    if len(name) > _NAME_LENGTH_MAX or not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of an encoder.",
            hint="Give lower-case words with / between, such as cam1 or live/cam1.",
        )
    return name


def member_of_name(name: str) -> str:
    """The name as it stands in a unit's."""
    return name.replace("/", ".")


def name_of_member(member: str) -> str:
    """The name of the encoder whose unit has this member."""
    return member.replace(".", "/")


def preview_command(
    ffmpeg: Path,
    source: Input,
    settings: EncoderSettings,
    directory: Path,
    *,
    start_epoch: int,
    ends: bool,
) -> list[str]:
    """The arguments of an encoder that writes `source` into `directory` until it is ended.

    `start_epoch`, seconds since 1970, becomes the first Media Sequence Number where the directory
    has no playlist yet. With `ends` the last playlist has EXT-X-ENDLIST: it stays as a recording of
    the last segments. Else an end is an interruption. Sources: ffmpeg(1), ffmpeg-formats(1) "hls".

    Raises ValueError for relative paths and a directory with `%`, which the muxer cannot express.
    """
    if not ffmpeg.is_absolute() or not directory.is_absolute() or "%" in str(directory):
        raise ValueError(f"ffmpeg cannot write HLS so: {ffmpeg} to {directory}")
    flags = _HLS_FLAGS if ends else (*_HLS_FLAGS, "omit_endlist")
    return [
        *(str(ffmpeg), "-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+warning"),
        *CODECS[settings.codec].before_input,
        *source.arguments,
        # Either may be missing: a microphone has no picture, a camera often no sound.
        *("-map", "0:v:0?"),
        *_video_options(settings),
        *_audio_options(settings),
        *("-f", "hls", "-hls_segment_type", "mpegts"),
        *("-hls_time", f"{settings.segment_seconds:g}"),
        *("-hls_list_size", str(settings.playlist_segments)),
        *("-hls_delete_threshold", str(UNREFERENCED_SEGMENTS)),
        *("-hls_start_number_source", "generic", "-start_number", str(start_epoch)),
        *("-hls_flags", "+".join(flags)),
        *("-hls_segment_filename", str(directory / "segment-%d.ts")),
        str(directory / STREAM_PLAYLIST),
    ]


def _video_options(settings: EncoderSettings) -> list[str]:
    if settings.codec == COPY:
        return ["-c:v", COPY]
    codec = CODECS[settings.codec]
    preset = codec.preset if settings.preset is None else settings.preset
    tune = codec.tune if settings.tune is None else settings.tune
    rate = f"{settings.bitrate_kbps}k"
    return [
        *("-c:v", settings.codec),
        *(("-preset", preset) if preset else ()),
        *(("-tune", tune) if tune else ()),
        *codec.options,
        *("-vf", ",".join(_filters(settings))),
        # A buffer of one second: the rate never strays far, which is what a preview's line needs.
        *("-b:v", rate, "-maxrate", rate, "-bufsize", rate),
        *(("-g", str(settings.gop)) if settings.gop is not None else ()),
        # Segments are cut at key frames, whatever rate and gaps the input has.
        *("-force_key_frames", f"expr:gte(t,n_forced*{settings.segment_seconds:g})"),
    ]


def _filters(settings: EncoderSettings) -> list[str]:
    chain = []
    if settings.fps is not None:
        chain.append(f"fps={settings.fps}")
    if settings.size is not None:
        w, h = settings.size.width, settings.size.height
        chain += [
            f"scale={w}:{h}:force_original_aspect_ratio=decrease",
            f"pad={w}:{h}:(ow-iw)/2:(oh-ih)/2",
            "setsar=1",
        ]
    return [*chain, *CODECS[settings.codec].last_filters]


def _audio_options(settings: EncoderSettings) -> list[str]:
    if not settings.audio:
        return ["-an"]
    rate = f"{settings.audio_bitrate_kbps}k"
    return ["-map", "0:a:0?", "-c:a", "aac", "-b:a", rate, "-ac", "2", "-ar", "48000"]
