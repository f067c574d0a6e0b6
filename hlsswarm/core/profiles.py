"""Origin profiles: what a test origin encodes and how it is cut into Media Segments, as data.

Knows bitrates, picture sizes, durations and the arithmetic on them. Must not know how ffmpeg or
nginx are told about it (encoder, nginx), how a presentation is laid out (presentation), nor where
files lie, nor what time it is. The profiles that come with the program: shipped_profiles.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import Final

__all__ = [
    "STREAM_PLAYLIST",
    "AudioTrack",
    "Container",
    "Encryption",
    "OriginProfile",
    "PlaylistType",
    "Rendition",
    "container_bps",
    "container_share",
    "media_bytes",
    "segment_bytes_max",
]

STREAM_PLAYLIST: Final = "stream.m3u8"
"""File name, and path below the origin's root, of the Playlist that a client opens."""

# A Media Playlist line group (EXTINF, PROGRAM-DATE-TIME, URI) takes about 90 bytes.
_PLAYLIST_BYTES_PER_SEGMENT: Final = 128
_PLAYLIST_BYTES_FIXED: Final = 512

# tmpfs and every common file system hand out whole pages.
_PAGE_BYTES: Final = 4096

_NAME: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_NAME_MAX: Final = 40
_SIDE_MIN: Final = 16  # a macroblock
# x264's own names (x264_preset_names, x264_tune_names); what is left out of the tunes forbids what
# segments need, or is for measuring encoders.
_PRESETS: Final = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower"),
    *("veryslow", "placebo"),
)
_TUNES: Final = ("", "zerolatency", "film", "animation", "grain", "stillimage", "fastdecode")
_AAC_FRAME_RATE: Final = 47  # 48 kHz in frames of 1024 samples
_INTERLEAVING_SECONDS: Final = 0.5


class PlaylistType(StrEnum):
    """How the Media Playlist grows (RFC 8216bis, EXT-X-PLAYLIST-TYPE and EXT-X-ENDLIST)."""

    LIVE = "live"  # a rolling window without EXT-X-ENDLIST
    VOD = "vod"  # complete from the start, ended by EXT-X-ENDLIST


class Container(StrEnum):
    """What Media Segments are made of (RFC 8216bis 3.1)."""

    TS = "ts"  # MPEG-2 Transport Streams
    FMP4 = "fmp4"  # fragmented MPEG-4 (CMAF), with an initialization section


class Encryption(StrEnum):
    """Whether Media Segments are encrypted (RFC 8216bis, EXT-X-KEY, METHOD)."""

    NONE = "none"
    AES_128 = "aes-128"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """One encoding of the programme: a picture with its sound.

    `name` is that of its directory in a ladder. `width` and `height` are pixels (even: 4:2:0
    chroma), `frame_rate` is frames per second. Rates are in kbit/s (1000 bit/s) as ffmpeg's
    `-b:v`, `-maxrate`, `-b:a` take them, `bufsize_kbit` is the VBV buffer in kbit
    (ffmpeg-codecs(1), "bufsize"). `audio_bitrate_kbps` 0: it has no sound of its own.
    """

    name: str
    width: int
    height: int
    frame_rate: int
    video_bitrate_kbps: int
    maxrate_kbps: int
    bufsize_kbit: int
    audio_bitrate_kbps: int

    def __post_init__(self) -> None:
        """Refuse values that no encoder can meet; raises ValueError."""
        _check_name("rendition", self.name)
        _at_least(self, "audio_bitrate_kbps", 0)
        _at_least(self, "width", _SIDE_MIN)
        _at_least(self, "height", _SIDE_MIN)
        for field in (
            "frame_rate",
            "video_bitrate_kbps",
            "maxrate_kbps",
            "bufsize_kbit",
        ):
            _at_least(self, field, 1)
        if self.width % 2 or self.height % 2:
            raise ValueError(f"picture size must be even, not {self.width}x{self.height}")
        if self.maxrate_kbps < self.video_bitrate_kbps:
            raise ValueError(
                f"maxrate_kbps ({self.maxrate_kbps}) must not be below video_bitrate_kbps"
                f" ({self.video_bitrate_kbps})"
            )

    @property
    def bitrate_bps(self) -> int:
        """Mean bitrate of picture and sound in bit/s, before the container."""
        return (self.video_bitrate_kbps + self.audio_bitrate_kbps) * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioTrack:
    """One audio Rendition of a presentation whose pictures have no sound of their own.

    `language` is a tag of RFC 5646. `tone_hz` is the test tone by which it can be told apart.
    """

    name: str
    language: str
    bitrate_kbps: int
    tone_hz: int = 1000

    def __post_init__(self) -> None:
        """Refuse values that no encoder can meet; raises ValueError."""
        _check_name("audio", self.name)
        _at_least(self, "bitrate_kbps", 1)
        if not 20 <= self.tone_hz <= 20_000:
            raise ValueError(f"tone_hz must be from 20 to 20000, not {self.tone_hz}")
        if not re.fullmatch(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", self.language):
            raise ValueError(f"language must be like 'en' or 'pt-BR', not {self.language!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginProfile:
    """Everything that distinguishes one test origin from another.

    `segment_seconds` is the Media Segment duration and so the Target Duration, an integer number
    of seconds as RFC 8216bis demands of EXT-X-TARGETDURATION. `playlist_segments` is how many
    Media Segments a live Media Playlist lists, `vod_seconds` is the length of one that is not
    live. `renditions` holds one entry, or a ladder from the highest to the lowest; `audio` the
    Renditions of an audio group. `preset` and `tune` are libx264's; `encoder_threads` is threads
    per video encoder, 0 to let ffmpeg decide. `access_log` asks for a request log of nginx.
    """

    name: str
    description: str
    segment_seconds: int
    playlist_segments: int
    renditions: tuple[Rendition, ...]
    audio: tuple[AudioTrack, ...] = ()
    preset: str = "ultrafast"
    tune: str = "zerolatency"
    encoder_threads: int = 1
    playlist_type: PlaylistType = PlaylistType.LIVE
    vod_seconds: int = 60
    container: Container = Container.TS
    encryption: Encryption = Encryption.NONE
    access_log: bool = False

    def __post_init__(self) -> None:
        """Refuse values that make no valid presentation; raises ValueError."""
        _check_name("profile", self.name)
        _at_least(self, "segment_seconds", 1)
        # RFC 8216bis 6.2.2: never less than three Target Durations in a live Media Playlist.
        _at_least(self, "playlist_segments", 3)
        _at_least(self, "encoder_threads", 0)
        for field, known in (("preset", _PRESETS), ("tune", _TUNES)):
            if getattr(self, field) not in known:
                raise ValueError(f"{field} must be one of {', '.join(filter(None, known))}")
        if self.vod_seconds < self.segment_seconds:
            raise ValueError(
                f"vod_seconds must be at least segment_seconds, {self.segment_seconds}"
            )
        if not self.renditions:
            raise ValueError("a profile needs at least one rendition")
        names = [part.name for part in self.parts]
        if len(set(names)) < len(names):
            raise ValueError(f"two renditions have one name: {', '.join(names)}")
        if self.audio and any(rendition.audio_bitrate_kbps for rendition in self.renditions):
            raise ValueError(
                "with audio renditions, audio_bitrate_kbps of the others must be 0: sound is"
                " either in the group or with the picture"
            )
        if self.container is Container.FMP4 and self.encryption is not Encryption.NONE:
            raise ValueError(
                "encryption aes-128 needs container ts: ffmpeg's hls muxer encrypts no fmp4"
            )

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

    @property
    def parts(self) -> tuple[Rendition | AudioTrack, ...]:
        """What has a Media Playlist: pictures first, then an audio group's sounds."""
        return (*self.renditions, *self.audio)

    @property
    def is_live(self) -> bool:
        """Whether it goes on for ever."""
        return self.playlist_type is PlaylistType.LIVE

    @property
    def bitrate_bps(self) -> int:
        """Mean bitrate of everything that is encoded, in bit/s, before the container."""
        pictures = sum(rendition.bitrate_bps for rendition in self.renditions)
        return pictures + sum(track.bitrate_kbps for track in self.audio) * 1000


def container_bps(container: Container, frame_rate: int) -> int:
    """What a container adds to a stream of `frame_rate` frames a second, in bit/s, measured.

    MPEG-TS (ISO/IEC 13818-1): the last packet of a frame is stuffed, half of 188 bytes in the mean,
    each frame has a PES header, and tables come with a frame and ten times a second at most
    (ffmpeg-formats(1), "pat_period"). Fragmented MP4 has some bytes for each frame.
    See also container_share.
    """
    if container is Container.FMP4:
        return frame_rate * 128 + 8_000
    return frame_rate * 904 + min(frame_rate, 10) * 3_000


def container_share(container: Container) -> float:
    """By how much a container makes a stream larger, beside container_bps: the packets' headers."""
    return 188 / 184 if container is Container.TS else 1.0


def segment_bytes_max(profile: OriginProfile, part: Rendition | AudioTrack) -> int:
    """Upper estimate in bytes of one Media Segment.

    The VBV model allows a full buffer on top of the segment's duration at `maxrate`
    (ffmpeg-codecs(1), "maxrate", "bufsize"); in the mean a segment has about half of that.
    """
    if isinstance(part, AudioTrack):
        video_kbit, audio_kbps, frame_rate = 0, part.bitrate_kbps, _AAC_FRAME_RATE
    else:
        video_kbit = part.maxrate_kbps * profile.segment_seconds + part.bufsize_kbit
        audio_kbps, frame_rate = part.audio_bitrate_kbps, part.frame_rate
    # Sound is interleaved with the picture: some of the next segment's may be in this one.
    seconds = profile.segment_seconds + _INTERLEAVING_SECONDS
    bits = (video_kbit + audio_kbps * seconds) * 1000 * container_share(profile.container)
    return ceil((bits + container_bps(profile.container, frame_rate) * seconds) / 8)


def media_bytes(profile: OriginProfile) -> int:
    """Upper estimate in bytes of what the segment directories of a running origin hold.

    Counts, for each Media Playlist of a live profile, the Media Segments that it lists, those kept
    for clients that lag, the one being written, one that is deleted a moment later, and a second
    set of the kept ones, which an encoder that is restarted leaves behind
    (hls_muxer.leftover_segments names them). Each file is rounded up to whole pages.
    """
    if profile.is_live:
        files = profile.playlist_segments + 2 * profile.unreferenced_segments + 2
    else:
        files = ceil(profile.vod_seconds / profile.segment_seconds) + 1
    playlist = _PLAYLIST_BYTES_FIXED + _PLAYLIST_BYTES_PER_SEGMENT * files
    return sum(
        files * _whole_pages(segment_bytes_max(profile, part)) + 2 * _whole_pages(playlist)
        for part in profile.parts
    )


def _check_name(what: str, name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > _NAME_MAX:
        raise ValueError(f"{what} name must be like 'low-latency' or '720p', not {name!r}")


def _at_least(part: object, field: str, least: int) -> None:
    value = getattr(part, field)
    if value < least:
        raise ValueError(f"{field} must be at least {least}, not {value}")


def _whole_pages(size_bytes: int) -> int:
    return -(-size_bytes // _PAGE_BYTES) * _PAGE_BYTES
