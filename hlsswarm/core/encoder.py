"""The ffmpeg command line that makes a live test stream out of nothing.

Knows ffmpeg's options, the names of the files that it writes, and how an encoder that is started
again carries on. Must not know units, nginx, or what time it is, and looks at no file.

    lavfi testsrc2 [+ drawtext] -+-> libx264 -+-> hls muxer -> stream.m3u8
    lavfi sine 1 kHz ------------+-> aac -----+            `-> segment-<number>.ts

Media Sequence Numbers never run backwards and no name is listed for a second Media Segment, by two
means: an empty directory starts at `start_epoch` (seconds since 1970, so it is ahead of whatever
an earlier encoder, which made at most one Media Segment a second, has handed out), and an encoder
that finds a Media Playlist in its directory continues it behind an EXT-X-DISCONTINUITY (flag
append_list). ffmpeg's own `-hls_start_number_source epoch` does not go with that: it renumbers the
Media Segments that are still listed, and clients load them a second time.

What ffmpeg leaves to be desired: it writes no EXT-X-DISCONTINUITY-SEQUENCE (RFC 8216bis 6.2.2
demands it once an EXT-X-DISCONTINUITY has left the list).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from hlsswarm.core.filter_graph import CLOCK_TEXT, drawn_text
from hlsswarm.core.profiles import STREAM_PLAYLIST, OriginProfile, PlaylistType, Rendition

__all__ = ["encoder_command", "leftover_segments"]

TONE_HZ: Final = 1000
AUDIO_SAMPLE_RATE_HZ: Final = 48_000

_HLS_FLAGS: Final = (
    "delete_segments",  # the window rolls: what left it long enough ago is deleted
    "omit_endlist",  # a stopped encoder is an interruption, not the end of the programme
    "temp_file",  # playlists and segments appear under their name when they are complete
    "program_date_time",  # wall clock of each segment: the base of latency measurements
    "append_list",  # a restarted encoder carries on where the last one stopped
)

_SEGMENT_NAME: Final = re.compile(r"segment-([0-9]+)\.ts")


def encoder_command(
    ffmpeg: Path,
    profile: OriginProfile,
    directory: Path,
    *,
    start_epoch: int,
    clock_font: Path | None = None,
    progress_target: str | None = None,
    log_level: str = "warning",
) -> list[str]:
    """The arguments of an encoder that serves `profile` live into `directory`, until it is ended.

    `directory` must exist, and be empty for a new `start_epoch`: the time of the origin's start in
    seconds since 1970, which becomes the first Media Sequence Number. Whoever restarts the encoder
    leaves both as they are. SIGTERM and SIGINT end it within half a second with exit status 255,
    after it has closed the last, shorter Media Segment; SIGKILL loses that one.

    `clock_font` is a TrueType file for the wall clock (UTC) in the picture. Without it the picture
    has only the timer that testsrc2 draws by itself (seconds since the encoder's start), which
    needs neither font nor libfreetype.

    `progress_target` is a URL for ffmpeg's `-progress` (one key=value block a second, ffmpeg(1)),
    from which the encoder's speed can be read.

    Works with ffmpeg 5.1 to 9 that has libx264. Options: ffmpeg(1), ffmpeg-formats(1) "hls",
    ffmpeg-codecs(1) "libx264", ffmpeg-filters(1) "testsrc2", "sine", "drawtext".

    Raises ValueError for a relative path, a directory that ffmpeg's file name pattern cannot
    express, and profiles that this form of the origin does not encode yet.
    """
    paths = (("ffmpeg", ffmpeg), ("directory", directory), ("clock_font", clock_font))
    for what, path in paths:
        if path is not None and not path.is_absolute():
            raise ValueError(f"{what} must be an absolute path, not {str(path)!r}")
    if "%" in str(directory):
        # The hls muxer takes it for a pattern in some places and for a character in others, and
        # writes playlist and segments into different directories.
        raise ValueError(f"ffmpeg cannot write HLS below a directory with '%': {str(directory)!r}")
    if start_epoch < 0:
        raise ValueError(f"start_epoch must not be negative, not {start_epoch}")
    if profile.playlist_type is not PlaylistType.LIVE:
        raise ValueError(f"profile {profile.name!r} is not live")
    if len(profile.renditions) != 1:
        raise ValueError(f"profile {profile.name!r} has a ladder; only one rendition can be made")
    (rendition,) = profile.renditions
    return [
        str(ffmpeg),
        "-hide_banner",
        "-nostdin",
        "-nostats",
        *("-loglevel", f"repeat+level+{log_level}"),
        *(("-progress", progress_target, "-stats_period", "1") if progress_target else ()),
        # One graph for both, so that they share a clock; no duration, which breaks `-re` with HLS.
        *("-re", "-f", "lavfi", "-i", _source_graph(rendition, clock_font)),
        *_video_options(profile, rendition),
        *("-c:a", "aac", "-b:a", f"{rendition.audio_bitrate_kbps}k", "-ac", "2"),
        *_hls_options(profile, directory, start_epoch),
        str(directory / STREAM_PLAYLIST),
    ]


def leftover_segments(names: Iterable[str], playlist: str, *, keep: int) -> list[str]:
    """Which files in an encoder's directory no encoder will ever delete.

    ffmpeg forgets at its end which Media Segments it still had to delete, so each restart leaves
    up to `OriginProfile.unreferenced_segments` behind, and a killed one a `.tmp`. `names` are the
    file names in the directory, `playlist` is the text of its Media Playlist. The `keep` newest of
    the segments that left the playlist are spared, for clients that lag. To be called while no
    encoder runs in the directory.
    """
    listed = {line for line in playlist.splitlines() if line and not line.startswith("#")}
    numbered = sorted(
        (int(match[1]), name)
        for name in names
        if name not in listed and (match := _SEGMENT_NAME.fullmatch(name.removesuffix(".tmp")))
    )
    temporary = [name for _, name in numbered if name.endswith(".tmp")]
    complete = [name for _, name in numbered if not name.endswith(".tmp")]
    return complete[: max(0, len(complete) - keep)] + temporary


def _source_graph(rendition: Rendition, clock_font: Path | None) -> str:
    """A lavfi graph (ffmpeg-devices(1), "lavfi") with the picture at out0 and the tone at out1."""
    picture = [
        f"testsrc2=size={rendition.width}x{rendition.height}:rate={rendition.frame_rate}",
        "format=yuv420p",
    ]
    if clock_font is not None:
        picture.append(drawn_text(CLOCK_TEXT, font=clock_font, picture_height=rendition.height))
    tone = f"sine=frequency={TONE_HZ}:sample_rate={AUDIO_SAMPLE_RATE_HZ}"
    return f"{','.join(picture)}[out0];{tone}[out1]"


def _video_options(profile: OriginProfile, rendition: Rendition) -> list[str]:
    """H.264 with one IDR picture at the start of each Media Segment and nowhere else."""
    frames_per_segment = str(rendition.frame_rate * profile.segment_seconds)
    return [
        *("-c:v", "libx264", "-preset", profile.preset),
        *(("-tune", profile.tune) if profile.tune else ()),
        *("-threads", str(profile.encoder_threads), "-pix_fmt", "yuv420p"),
        *("-b:v", f"{rendition.video_bitrate_kbps}k"),
        *("-maxrate", f"{rendition.maxrate_kbps}k", "-bufsize", f"{rendition.bufsize_kbit}k"),
        *("-g", frames_per_segment, "-keyint_min", frames_per_segment, "-sc_threshold", "0"),
    ]


def _hls_options(profile: OriginProfile, directory: Path, start_epoch: int) -> list[str]:
    return [
        *("-f", "hls", "-hls_segment_type", "mpegts"),
        *("-hls_time", str(profile.segment_seconds)),
        *("-hls_list_size", str(profile.playlist_segments)),
        *("-hls_delete_threshold", str(profile.unreferenced_segments)),
        *("-hls_start_number_source", "generic", "-start_number", str(start_epoch)),
        *("-hls_flags", "+".join(_HLS_FLAGS)),
        *("-hls_segment_filename", str(directory / "segment-%d.ts")),
    ]
