"""What ffmpeg's hls muxer is told for each Media Playlist of an origin, and what it leaves behind.

Knows the muxer's options and the names of the files that it writes. Must not know what is encoded,
nor look at a file.

Media Sequence Numbers never run backwards and no name is listed for a second Media Segment, by two
means: an empty directory starts at a number that is given (seconds since 1970, so it is ahead of
whatever an earlier encoder, which made at most one Media Segment a second, has handed out), and an
encoder that finds a Media Playlist in its directory continues it behind an EXT-X-DISCONTINUITY
(flag append_list). ffmpeg's own `-hls_start_number_source epoch` does not go with that: it
numbers the Media Segments that are still listed anew, and clients load them a second time.

A ladder has a muxer for each Rendition rather than one with `-var_stream_map`: all begin at the
same number and cut at the same key frames either way, and only so does each carry on by itself
after a restart.

What ffmpeg leaves to be desired: it writes no EXT-X-DISCONTINUITY-SEQUENCE (RFC 8216bis 6.2.2
demands it once an EXT-X-DISCONTINUITY has left the list), and encrypts no fragmented MP4.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from hlsswarm.core.presentation import MediaPlaylist
from hlsswarm.core.profiles import Container, OriginProfile

__all__ = ["INIT_SECTION", "KEY_FILE", "hls_output", "key_info_text", "leftover_segments"]

INIT_SECTION: Final = "init.mp4"
"""File name of a Media Playlist's initialization section, where segments are fragmented MP4."""
KEY_FILE: Final = "stream.key"
"""File name, in the origin's root, of the key of encrypted Media Segments."""

_LIVE_FLAGS: Final = (
    "delete_segments",  # the window rolls: what left it long enough ago is deleted
    "omit_endlist",  # a stopped encoder is an interruption, not the end of the programme
    "temp_file",  # playlists and segments appear under their name when they are complete
    "program_date_time",  # wall clock of each segment: the base of latency measurements
    "append_list",  # a restarted encoder carries on where the last one stopped
)
_TYPE: Final = {Container.TS: ("mpegts", "ts"), Container.FMP4: ("fmp4", "m4s")}
_SEGMENT_NAME: Final = re.compile(r"segment-([0-9]+)\.(?:ts|m4s)")


def hls_output(
    profile: OriginProfile,
    playlist: MediaPlaylist,
    root: Path,
    *,
    start_number: int,
    key_info: Path | None = None,
) -> list[str]:
    """The arguments of one output, behind its maps and codecs, with its file name.

    `root` is the origin's document root; the playlist's directory below it has to be there.
    `key_info` is a file with key_info_text(). Options: ffmpeg-formats(1), "hls".
    """
    directory = (root / playlist.path).parent
    segment_type, extension = _TYPE[profile.container]
    return [
        *("-f", "hls", "-hls_segment_type", segment_type),
        *(("-hls_fmp4_init_filename", INIT_SECTION) if segment_type == "fmp4" else ()),
        *("-hls_time", str(profile.segment_seconds)),
        *(("-hls_key_info_file", str(key_info)) if key_info else ()),
        *(_live_options(profile, start_number) if profile.is_live else _vod_options(profile)),
        *("-hls_segment_filename", str(directory / f"segment-%d.{extension}")),
        str(root / playlist.path),
    ]


def _live_options(profile: OriginProfile, start_number: int) -> tuple[str, ...]:
    return (
        *("-hls_start_number_source", "generic", "-start_number", str(start_number)),
        *("-hls_list_size", str(profile.playlist_segments)),
        *("-hls_delete_threshold", str(profile.unreferenced_segments)),
        *("-hls_flags", "+".join(_LIVE_FLAGS)),
    )


def _vod_options(profile: OriginProfile) -> tuple[str, ...]:
    return (
        *("-t", str(profile.vod_seconds)),
        *("-hls_playlist_type", "vod", "-hls_list_size", "0", "-hls_flags", "temp_file"),
    )


def key_info_text(playlist: MediaPlaylist, key: Path, iv: str) -> str:
    """What `-hls_key_info_file` reads: the key's URI in the playlist, its file, and the IV.

    `iv` is 32 hexadecimal digits. It is given, and is the same for all segments: else it would be
    the number that an encoder began with, and another one after each restart.
    """
    uri = f"../{KEY_FILE}" if playlist.directory else KEY_FILE
    return f"{uri}\n{key}\n{iv}\n"


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
