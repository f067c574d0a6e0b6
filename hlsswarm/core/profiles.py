"""Origin profiles: what a test origin encodes and how it is cut into Media Segments, as data.

Knows bitrates, picture sizes, durations and the arithmetic on them. Must not know how ffmpeg or
nginx are told about it (encoder, nginx), nor where files lie, nor what time it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from types import MappingProxyType
from typing import Final

__all__ = [
    "PROFILES",
    "STREAM_PLAYLIST",
    "OriginProfile",
    "PlaylistType",
    "Rendition",
    "segment_bytes_max",
    "window_bytes",
]

STREAM_PLAYLIST: Final = "stream.m3u8"
"""File name, and path below the origin's root, of the Playlist that a client opens."""

# What MPEG-TS adds to the elementary streams (188-byte packets, PES and table headers, stuffing of
# the last packet of each frame): 6 % were measured at 2 Mbit/s; small Renditions have more of it.
_CONTAINER_OVERHEAD: Final = 1.10

# A Media Playlist line group (EXTINF, PROGRAM-DATE-TIME, URI) takes about 90 bytes.
_PLAYLIST_BYTES_PER_SEGMENT: Final = 128
_PLAYLIST_BYTES_FIXED: Final = 512

# tmpfs and every common file system hand out whole pages.
_PAGE_BYTES: Final = 4096

_NAME: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


class PlaylistType(StrEnum):
    """How the Media Playlist grows (RFC 8216bis, EXT-X-PLAYLIST-TYPE and EXT-X-ENDLIST)."""

    LIVE = "live"  # a rolling window without EXT-X-ENDLIST
    VOD = "vod"  # complete from the start, ended by EXT-X-ENDLIST


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """One encoding of the programme: a picture with its sound.

    `width` and `height` are pixels (even: 4:2:0 chroma), `frame_rate` is frames per second. Rates
    are in kbit/s (1000 bit/s) as ffmpeg's `-b:v`, `-maxrate`, `-b:a` take them, `bufsize_kbit` is
    the VBV buffer in kbit (ffmpeg-codecs(1), "bufsize").
    """

    width: int
    height: int
    frame_rate: int
    video_bitrate_kbps: int
    maxrate_kbps: int
    bufsize_kbit: int
    audio_bitrate_kbps: int

    def __post_init__(self) -> None:
        """Refuse values that no encoder can meet; raises ValueError."""
        for field in (
            "width",
            "height",
            "frame_rate",
            "video_bitrate_kbps",
            "maxrate_kbps",
            "bufsize_kbit",
            "audio_bitrate_kbps",
        ):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} must be at least 1, not {getattr(self, field)}")
        if self.width % 2 or self.height % 2:
            raise ValueError(f"picture size must be even, not {self.width}x{self.height}")
        if self.maxrate_kbps < self.video_bitrate_kbps:
            raise ValueError(
                f"maxrate_kbps ({self.maxrate_kbps}) must not be below video_bitrate_kbps"
                f" ({self.video_bitrate_kbps})"
            )

    @property
    def name(self) -> str:
        """The usual short name of a rung: picture height and, where it is not 30, frame rate."""
        return f"{self.height}p" + ("" if self.frame_rate == 30 else str(self.frame_rate))

    @property
    def bitrate_bps(self) -> int:
        """Declared mean bitrate of picture and sound in bit/s, before the container."""
        return (self.video_bitrate_kbps + self.audio_bitrate_kbps) * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginProfile:
    """Everything that distinguishes one test origin from another.

    `segment_seconds` is the Media Segment duration and so the Target Duration, an integer number
    of seconds as RFC 8216bis demands of EXT-X-TARGETDURATION. `playlist_segments` is how many
    Media Segments a live Media Playlist lists. `renditions` holds one entry, or a ladder from the
    highest to the lowest. `preset` and `tune` are libx264's; `encoder_threads` is threads per
    video encoder, 0 to let ffmpeg decide. `access_log` asks for a request log of nginx.
    """

    name: str
    description: str
    segment_seconds: int
    playlist_segments: int
    renditions: tuple[Rendition, ...]
    preset: str = "ultrafast"
    tune: str | None = "zerolatency"
    encoder_threads: int = 1
    playlist_type: PlaylistType = PlaylistType.LIVE
    access_log: bool = False

    def __post_init__(self) -> None:
        """Refuse values that make no valid presentation; raises ValueError."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"profile name must be like 'low-latency', not {self.name!r}")
        if self.segment_seconds < 1:
            raise ValueError(f"segment_seconds must be at least 1, not {self.segment_seconds}")
        if self.playlist_segments < 3:
            # RFC 8216bis 6.2.2: never less than three Target Durations in a live Media Playlist.
            raise ValueError(f"playlist_segments must be at least 3, not {self.playlist_segments}")
        if not self.renditions:
            raise ValueError("a profile needs at least one rendition")
        if self.encoder_threads < 0:
            raise ValueError(f"encoder_threads must not be negative, not {self.encoder_threads}")

    @property
    def unreferenced_segments(self) -> int:
        """Media Segments kept after they left the Media Playlist, for clients that lag.

        RFC 8216bis 6.2.2: a removed Media Segment stays available for its own duration plus that
        of the longest Media Playlist that listed it.
        """
        return self.playlist_segments + 1

    @property
    def window_seconds(self) -> int:
        """Duration in seconds of what a live Media Playlist lists."""
        return self.segment_seconds * self.playlist_segments


def segment_bytes_max(profile: OriginProfile, rendition: Rendition) -> int:
    """Upper estimate in bytes of one Media Segment.

    The VBV model allows a full buffer on top of the segment's duration at `maxrate`
    (ffmpeg-codecs(1), "maxrate", "bufsize"); in the mean a segment has about half of that.
    """
    video_kbit = rendition.maxrate_kbps * profile.segment_seconds + rendition.bufsize_kbit
    audio_kbit = rendition.audio_bitrate_kbps * profile.segment_seconds
    return ceil((video_kbit + audio_kbit) * 1000 / 8 * _CONTAINER_OVERHEAD)


def window_bytes(profile: OriginProfile) -> int:
    """Upper estimate in bytes of what the segment directory of a running live profile holds.

    Counts, for each rendition, the Media Segments that the Media Playlist lists, those kept for
    clients that lag, the one being written, one that is deleted a moment later, and a second set
    of the kept ones, which an encoder that is restarted leaves behind (encoder.leftover_segments
    names them). Each file is rounded up to whole pages. Raises ValueError for a profile that is
    not live, whose size is given by its source.
    """
    if profile.playlist_type is not PlaylistType.LIVE:
        raise ValueError(f"profile {profile.name!r} has no rolling window")
    files = profile.playlist_segments + 2 * profile.unreferenced_segments + 2
    playlist = _PLAYLIST_BYTES_FIXED + _PLAYLIST_BYTES_PER_SEGMENT * profile.playlist_segments
    return sum(
        files * _whole_pages(segment_bytes_max(profile, rendition)) + 2 * _whole_pages(playlist)
        for rendition in profile.renditions
    )


def _whole_pages(size_bytes: int) -> int:
    return -(-size_bytes // _PAGE_BYTES) * _PAGE_BYTES


_P720 = Rendition(
    width=1280,
    height=720,
    frame_rate=30,
    video_bitrate_kbps=2000,
    maxrate_kbps=2200,
    bufsize_kbit=4000,
    audio_bitrate_kbps=128,
)

PROFILES: Final[Mapping[str, OriginProfile]] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            OriginProfile(
                name="default",
                description="720p at 30 frames/s, live, for first runs and demos",
                segment_seconds=2,
                playlist_segments=10,
                renditions=(_P720,),
            ),
        )
    }
)
"""The profiles that come with the program, by name."""
