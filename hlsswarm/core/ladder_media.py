"""Media Playlists as a ladder looks at them, and what its Multivariant Playlist says. Text in.

Knows RFC 8216bis. Must not know where playlists lie or who writes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import m3u8

from hlsswarm.core.ladder import Rung

_OVERHEAD: Final = 1.10
"""What MPEG-TS adds (profiles has the measurement)."""
_AUDIO_CODECS: Final = {
    "aac": "mp4a.40.2",
    "mp3": "mp4a.40.34",
    "ac3": "ac-3",
    "eac3": "ec-3",
    "opus": "Opus",
    "flac": "fLaC",
}


@dataclass(frozen=True, slots=True)
class MediaSegment:
    """One Media Segment: Media Sequence Number, URI, duration in seconds."""

    number: int
    uri: str
    seconds: float
    discontinuity: bool = False


@dataclass(frozen=True, slots=True)
class MediaPlaylist:
    """A Media Playlist; `map_uri` is its initialization section, `ended` is EXT-X-ENDLIST."""

    segments: tuple[MediaSegment, ...]
    target_seconds: float
    ended: bool
    map_uri: str | None = None

    @property
    def last_discontinuity(self) -> int | None:
        """Number of the last Media Segment that begins anew; None without one."""
        return max((item.number for item in self.segments if item.discontinuity), default=None)

    @property
    def segment_seconds(self) -> float:
        """The usual duration of its Media Segments: the median."""
        durations = sorted(item.seconds for item in self.segments)
        return durations[len(durations) // 2] if durations else self.target_seconds


def parse_media_playlist(text: str) -> MediaPlaylist | None:
    """A playlist's text; None for what is no Media Playlist."""
    try:
        read = m3u8.loads(text)
        if not text.startswith("#EXTM3U") or read.is_variant or read.target_duration is None:
            return None
        first = read.media_sequence or 0
        found = [(item.uri, item.duration, item.discontinuity) for item in read.segments]
        inits = [item.uri for item in read.segment_map if item is not None]
    except Exception:  # the library raises whatever its parsing of a line raises
        return None
    segments = tuple(
        MediaSegment(first + place, uri, float(seconds), bool(discontinuity))
        for place, (uri, seconds, discontinuity) in enumerate(found)
        if uri and seconds
    )
    target = float(read.target_duration)
    return MediaPlaylist(segments, target, bool(read.is_endlist), inits[-1] if inits else None)


def stale_seconds(playlist: MediaPlaylist) -> float:
    """How long a live playlist may stay as it is before its maker is taken to be gone: a few
    Target Durations (RFC 8216bis 6.2.1 has one and a half), and time for a restart.
    """
    return max(6.0, 3 * playlist.target_seconds)


def linger_seconds(playlist: MediaPlaylist | None) -> float:
    """How long the files of a rung that is taken away stay, for clients in the middle of it: the
    duration of its playlist and of a Media Segment (RFC 8216bis 6.2.2).
    """
    if playlist is None:
        return 0.0
    return sum(item.seconds for item in playlist.segments) + playlist.target_seconds


def declared_bps(rung: Rung, *, audio_kbps: float) -> int:
    """The largest bitrate in bit/s of a Media Segment of an encoded rung, as it is declared.

    The VBV model would let a full buffer go out on top of the rate (ffmpeg-codecs(1), "bufsize");
    what is really larger is measured.
    """
    return round((rung.maxrate_kbps + audio_kbps) * 1000 * _OVERHEAD)


def average_bps(rung: Rung, *, audio_kbps: float) -> int:
    """The mean bitrate in bit/s of an encoded rung."""
    return round((rung.video_kbps + audio_kbps) * 1000 * _OVERHEAD)


def measured_bps(segments: Iterable[tuple[int, float]]) -> int:
    """The largest bitrate in bit/s of Media Segments given by bytes and seconds; 0 without any.

    Those that an end has cut short tell nothing and do not count.
    """
    known = [(size, seconds) for size, seconds in segments if seconds > 0]
    usual = max((seconds for _, seconds in known), default=0.0)
    return max(
        (round(8 * size / seconds) for size, seconds in known if seconds * 2 > usual), default=0
    )


def rounded_up(bps: int) -> int:
    """To two digits, so that a playlist does not change with each Media Segment."""
    if bps < 100:
        return max(bps, 1)
    step = int(10 ** (len(str(bps)) - 2))
    return -(-bps // step) * step


def codecs(video: str | None, audio: str) -> Sequence[str]:
    """CODECS of a Variant Stream (RFC 6381); `audio` is ffprobe's name of the codec or empty."""
    sound = _AUDIO_CODECS.get(audio, audio)
    return [word for word in (video, sound) if word]
