"""The ffmpeg command lines of a test origin: encode live, encode a loop once, play a loop live.

    test pattern, or a file in a loop ─┬─► libx264, aac ─► hls muxers ─► stream.m3u8, segments
                                       └─► libx264, aac ─► loop.mp4
    loop.mp4, over and over, in real time ─── copied ───► hls muxers ─► stream.m3u8, segments

Knows ffmpeg's options for sources and codecs; hls_muxer has those of the output. Must not know
units, nginx, or what time it is, and looks at no file.

A loop has no seam: it is so many whole seconds long that both the frames of the picture and those
of AAC (1024 samples at 48 kHz: 375 in 8 s) come out even, and the sound's frame before the first
one (the encoder's delay) and those after the end are dropped. Played again and again all frames
follow each other at their distance; so they do in MPEG-TS and in fragmented MP4, with ffmpeg 5.1,
7.1 and 9.0 (tests/origin/test_loops).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hlsswarm.core.filter_graph import CLOCK_TEXT, drawn_text
from hlsswarm.core.hls_muxer import hls_output
from hlsswarm.core.presentation import (
    MediaPlaylist,
    avc_profile_and_level,
    media_playlists,
    source_rendition,
)
from hlsswarm.core.profiles import AudioTrack, Encryption, OriginProfile, Rendition

__all__ = [
    "LOOP_SECONDS_MAX",
    "KeyInfo",
    "Source",
    "SourceFile",
    "TestPattern",
    "live_command",
    "loop_command",
    "loop_seconds",
    "replay_command",
]

TONE_HZ: Final = 1000
AUDIO_SAMPLE_RATE_HZ: Final = 48_000
LOOP_SECONDS_MAX: Final = 600
"""So much of a long source is in a loop."""

_EVEN_SECONDS: Final = 8  # 375 AAC frames
_SOUND_BEYOND_SECONDS: Final = 1  # so that the last frames of a loop are whole

KeyInfo = Sequence[Path]
"""For each of media_playlists() a file with hls_muxer.key_info_text()."""


@dataclass(frozen=True, slots=True)
class TestPattern:
    """testsrc2 and a tone. `clock_font` is a TrueType file for the wall clock (UTC) in the picture.

    Without it the picture has only the timer that testsrc2 draws by itself (seconds since the
    start), which needs neither font nor libfreetype.
    """

    __test__ = False  # pytest takes the name for a test's

    clock_font: Path | None = None


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file with a picture, played over and over; `has_sound` says whether it has sound."""

    path: Path
    has_sound: bool


Source = TestPattern | SourceFile


def live_command(
    ffmpeg: Path,
    profile: OriginProfile,
    root: Path,
    *,
    source: Source,
    start_number: int,
    key_info: KeyInfo = (),
    log_level: str = "warning",
) -> list[str]:
    """The arguments of an encoder that makes `profile` out of `source` into `root`: in real time
    until it is ended, or a VOD as fast as it can.

    The directories of media_playlists() must exist below `root`, and be empty for a new
    `start_number`: the time of the origin's start in seconds since 1970, which becomes the first
    Media Sequence Number. Whoever restarts the encoder leaves both as they are. SIGTERM and SIGINT
    end it within half a second with exit status 255, after it has closed the last, shorter Media
    Segment; SIGKILL loses that one. `key_info` is needed for a profile that is encrypted.

    Works with ffmpeg 5.1 to 9 that has libx264. Options: ffmpeg(1), ffmpeg-formats(1) "hls",
    ffmpeg-codecs(1) "libx264", ffmpeg-filters(1) "testsrc2", "sine", "drawtext".

    Raises ValueError for a relative path and a directory that ffmpeg's file name pattern cannot
    express.
    """
    _check(profile, ffmpeg, root, key_info)
    everything = _Streams.of(profile)
    command = [*_begin(ffmpeg, log_level), *_input(everything, source, None)]
    for index, playlist in enumerate(everything.playlists):
        own = _Streams(profile, (playlist,))
        for stream in everything.positions(own):
            command += ["-map", _label(source, stream)]
        command += [*_video_options(own), *_audio_options(own, None)]
        key = key_info[index] if key_info else None
        command += hls_output(profile, playlist, root, start_number=start_number, key_info=key)
    return command


def loop_command(
    ffmpeg: Path,
    profile: OriginProfile,
    loop: Path,
    *,
    source: Source,
    seconds: int,
    progress_target: str | None = None,
) -> list[str]:
    """The arguments of an encoder that writes `seconds` of all parts of `profile` into one file.

    `seconds` comes from loop_seconds(). `progress_target` is a URL for ffmpeg's `-progress` (one
    block of key=value lines a second, ffmpeg(1)). Raises ValueError for relative paths.
    """
    _check_absolute(ffmpeg, loop)
    streams = _Streams.of(profile)
    return [
        *_begin(ffmpeg, "warning"),
        *(("-progress", progress_target, "-stats_period", "1") if progress_target else ()),
        *_input(streams, source, seconds),
        *(word for n in streams.positions(streams) for word in ("-map", _label(source, n))),
        *_video_options(streams),
        *_audio_options(streams, seconds),
        *("-f", "mp4", "-y", str(loop)),
    ]


def replay_command(
    ffmpeg: Path,
    profile: OriginProfile,
    root: Path,
    *,
    loop: Path,
    start_number: int,
    key_info: KeyInfo = (),
    log_level: str = "warning",
) -> list[str]:
    """As live_command(), but plays what loop_command() has written, for almost no CPU."""
    _check(profile, ffmpeg, root, key_info)
    _check_absolute(loop)
    everything = _Streams.of(profile)
    command = _begin(ffmpeg, log_level)
    command += [*(("-re",) if profile.is_live else ()), "-stream_loop", "-1", "-i", str(loop)]
    for index, playlist in enumerate(everything.playlists):
        for stream in everything.positions(_Streams(profile, (playlist,))):
            command += ["-map", f"0:{stream}"]
        key = key_info[index] if key_info else None
        command += ["-c", "copy"]
        command += hls_output(profile, playlist, root, start_number=start_number, key_info=key)
    return command


def loop_seconds(profile: OriginProfile, source_seconds: float | None) -> int:
    """How long a loop is: so that frames and Media Segments come out even, and the whole source
    (`source_seconds`; None: a test pattern) is in it, but at most LOOP_SECONDS_MAX.
    """
    even = math.lcm(_EVEN_SECONDS, profile.segment_seconds)
    wanted = min(source_seconds or 0.0, LOOP_SECONDS_MAX)
    return even * max(1, math.ceil(wanted / even))


@dataclass(frozen=True, slots=True)
class _Streams:
    """The elementary streams of some Media Playlists: all pictures first, then all sounds."""

    profile: OriginProfile
    playlists: tuple[MediaPlaylist, ...]

    @classmethod
    def of(cls, profile: OriginProfile) -> _Streams:
        """Those of a whole presentation."""
        return cls(profile, media_playlists(profile))

    @property
    def pictures(self) -> list[Rendition]:
        return [one.part for one in self.playlists if isinstance(one.part, Rendition)]

    @property
    def sounds(self) -> list[MediaPlaylist]:
        return [playlist for playlist in self.playlists if playlist.audio_kbps]

    def positions(self, some: _Streams) -> list[int]:
        """Where streams of some of the Media Playlists are among these, from 0."""
        before = len(self.pictures)
        return [self.pictures.index(picture) for picture in some.pictures] + [
            before + self.sounds.index(sound) for sound in some.sounds
        ]


def _check(profile: OriginProfile, ffmpeg: Path, root: Path, key_info: KeyInfo) -> None:
    _check_absolute(ffmpeg, root, *key_info)
    if "%" in str(root):
        # The hls muxer takes it for a pattern in some places and for a character in others, and
        # writes playlist and segments into different directories.
        raise ValueError(f"ffmpeg cannot write HLS below a directory with '%': {str(root)!r}")
    keys = len(media_playlists(profile)) if profile.encryption is Encryption.AES_128 else 0
    if len(key_info) != keys:
        raise ValueError(f"profile {profile.name!r} needs {keys} key files, not {len(key_info)}")


def _check_absolute(*paths: Path) -> None:
    for path in paths:
        if not path.is_absolute():
            raise ValueError(f"must be an absolute path: {str(path)!r}")


def _begin(ffmpeg: Path, log_level: str) -> list[str]:
    return [
        *(str(ffmpeg), "-hide_banner", "-nostdin", "-nostats"),
        *("-loglevel", f"repeat+level+{log_level}"),
    ]


def _label(source: Source, stream: int) -> str:
    """How `-map` names an output of the graph."""
    return f"0:{stream}" if isinstance(source, TestPattern) else f"[out{stream}]"


def _input(streams: _Streams, source: Source, seconds: int | None) -> list[str]:
    """One graph for all streams, so that they share a clock; `out0`, `out1` … are its outputs.

    `seconds` bounds it (no duration at all else: 0 breaks `-re` with HLS).
    """
    pace = ("-re",) if seconds is None and streams.profile.is_live else ()
    graph = ";".join([_pictures(streams, source, seconds), *_sounds(streams, source, seconds)])
    if isinstance(source, TestPattern):
        return [*pace, "-f", "lavfi", "-i", graph]
    return [*pace, "-stream_loop", "-1", "-i", str(source.path), "-filter_complex", graph]


def _pictures(streams: _Streams, source: Source, seconds: int | None) -> str:
    """Every picture is made from the largest."""
    largest = source_rendition(streams.profile)
    head = _picture(largest, source, seconds)
    if len(streams.pictures) == 1:
        return f"{head}[out0]"
    pads = "".join(f"[picture{index}]" for index in range(len(streams.pictures)))
    return ";".join(
        [
            f"{head},split={len(streams.pictures)}{pads}",
            *(
                f"[picture{index}]{_smaller(rendition, largest)}[out{index}]"
                for index, rendition in enumerate(streams.pictures)
            ),
        ]
    )


def _picture(rendition: Rendition, source: Source, seconds: int | None) -> str:
    size, rate = f"{rendition.width}x{rendition.height}", rendition.frame_rate
    if isinstance(source, SourceFile):
        width, height = rendition.width, rendition.height
        fitted = f"scale={width}:{height}:force_original_aspect_ratio=decrease:flags=bilinear"
        centred = f"pad={width}:{height}:(ow-iw)/2:(oh-ih)/2"
        whole = f"[0:v:0]setpts=PTS-STARTPTS,fps={rate},{fitted},{centred},setsar=1,format=yuv420p"
        return whole if seconds is None else f"{whole},trim=end_frame={seconds * rate}"
    bound = "" if seconds is None else f":duration={seconds}"
    filters = [f"testsrc2=size={size}:rate={rate}{bound}", "format=yuv420p"]
    if source.clock_font is not None:
        filters.append(
            drawn_text(CLOCK_TEXT, font=source.clock_font, picture_height=rendition.height)
        )
    return ",".join(filters)


def _smaller(rendition: Rendition, largest: Rendition) -> str:
    filters = []
    if rendition.frame_rate != largest.frame_rate:
        filters.append(f"fps={rendition.frame_rate}")
    if (rendition.width, rendition.height) != (largest.width, largest.height):
        # To make a picture wider, swscale's fast_bilinear writes machine code as it goes, which the
        # sandbox of encoders forbids (MemoryDenyWriteExecute=).
        way = "fast_bilinear" if rendition.width < largest.width else "bilinear"
        filters.append(f"scale={rendition.width}:{rendition.height}:flags={way},setsar=1")
    return ",".join(filters) or "null"


def _sounds(streams: _Streams, source: Source, seconds: int | None) -> list[str]:
    """A graph for each sound."""
    first, beyond = len(streams.pictures), None
    if seconds is not None:
        beyond = seconds + _SOUND_BEYOND_SECONDS
    if isinstance(source, SourceFile) and source.has_sound and streams.sounds:
        trim = "" if beyond is None else f",atrim=duration={beyond}"
        pads = "".join(f"[out{first + index}]" for index in range(len(streams.sounds)))
        resampled = f"[0:a:0]aresample={AUDIO_SAMPLE_RATE_HZ}:async=1:first_pts=0{trim}"
        return [f"{resampled},asplit={len(streams.sounds)}{pads}"]
    silent = isinstance(source, SourceFile)
    return [
        f"{_tone(playlist, beyond, silent=silent)}[out{first + index}]"
        for index, playlist in enumerate(streams.sounds)
    ]


def _tone(playlist: MediaPlaylist, seconds: int | None, *, silent: bool) -> str:
    if silent:
        trim = "" if seconds is None else f",atrim=duration={seconds}"
        return f"anullsrc=channel_layout=stereo:sample_rate={AUDIO_SAMPLE_RATE_HZ}{trim}"
    frequency = playlist.part.tone_hz if isinstance(playlist.part, AudioTrack) else TONE_HZ
    bound = "" if seconds is None else f":duration={seconds}"
    return f"sine=frequency={frequency}:sample_rate={AUDIO_SAMPLE_RATE_HZ}{bound}"


def _video_options(streams: _Streams) -> list[str]:
    """H.264 with one IDR picture at the start of each Media Segment and nowhere else."""
    profile, options = streams.profile, []
    if not streams.pictures:
        return []
    for index, rendition in enumerate(streams.pictures):
        avc, level = avc_profile_and_level(profile, rendition)
        frames_per_segment = str(rendition.frame_rate * profile.segment_seconds)
        options += [
            *(f"-b:v:{index}", f"{rendition.video_bitrate_kbps}k"),
            *(f"-maxrate:v:{index}", f"{rendition.maxrate_kbps}k"),
            *(f"-bufsize:v:{index}", f"{rendition.bufsize_kbit}k"),
            *(f"-g:v:{index}", frames_per_segment, f"-keyint_min:v:{index}", frames_per_segment),
            *(f"-profile:v:{index}", avc.name, f"-level:v:{index}", f"{level / 10:.1f}"),
        ]
    return [
        *("-c:v", "libx264", "-preset", profile.preset),
        *(("-tune", profile.tune) if profile.tune else ()),
        *("-threads:v", str(profile.encoder_threads), "-pix_fmt", "yuv420p"),
        *("-sc_threshold", "0"),
        *options,
    ]


def _audio_options(streams: _Streams, seconds: int | None) -> list[str]:
    """AAC whose first frame is at 0, as the picture's is: the one before it, which the encoder's
    delay makes, would move that stream alone. Of a loop the frames behind its end are dropped too.
    """
    if not streams.sounds:
        return []
    outside = "lt(pts*tb\\,0)" + ("" if seconds is None else f"+gte(pts*tb\\,{seconds})")
    return [
        *("-c:a", "aac", "-ac", "2", "-ar", str(AUDIO_SAMPLE_RATE_HZ)),
        *(
            word
            for index, playlist in enumerate(streams.sounds)
            for word in (f"-b:a:{index}", f"{playlist.audio_kbps}k")
        ),
        *("-bsf:a", f"noise=drop={outside}"),
    ]
