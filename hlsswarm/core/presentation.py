"""How a profile's presentation is laid out: its Media Playlists, and what is said of them.

One Rendition alone:   /stream.m3u8, /segment-N.ts
A ladder or a group:   /stream.m3u8 (Multivariant Playlist), /NAME/stream.m3u8, /NAME/segment-N.ts

Knows names, bandwidths and codecs. Must not know how they are encoded, nor touch a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hlsswarm.core.h264 import AAC_LC, AvcProfile, avc_codecs, level_idc, x264_profile
from hlsswarm.core.multivariant import AudioRendition, Variant, multivariant_playlist
from hlsswarm.core.profiles import (
    STREAM_PLAYLIST,
    AudioTrack,
    Container,
    OriginProfile,
    Rendition,
    container_bps,
    container_share,
)

__all__ = [
    "MediaPlaylist",
    "avc_profile_and_level",
    "average_bandwidth_bps",
    "bandwidth_bps",
    "has_ladder",
    "media_playlists",
    "multivariant_text",
    "source_rendition",
]

AUDIO_GROUP: Final = "audio"
# RFC 8216bis 4.4.6.2: version 6 for what EXT-X-MAP needs in Media Playlists, 3 for decimal EXTINF.
_VERSION: Final = {Container.TS: 3, Container.FMP4: 7}


@dataclass(frozen=True, slots=True)
class MediaPlaylist:
    """One Media Playlist of a presentation: `directory` is its own ("" is the root)."""

    directory: str
    part: Rendition | AudioTrack

    @property
    def path(self) -> str:
        """Below the origin's root."""
        return f"{self.directory}/{STREAM_PLAYLIST}" if self.directory else STREAM_PLAYLIST

    @property
    def audio_kbps(self) -> int:
        """Its sound, in kbit/s; 0 when it has none."""
        if isinstance(self.part, AudioTrack):
            return self.part.bitrate_kbps
        return self.part.audio_bitrate_kbps


def has_ladder(profile: OriginProfile) -> bool:
    """Whether the presentation has a Multivariant Playlist."""
    return len(profile.parts) > 1


def media_playlists(profile: OriginProfile) -> tuple[MediaPlaylist, ...]:
    """The Media Playlists: pictures first, from the first to the last, then an audio group's."""
    if not has_ladder(profile):
        return (MediaPlaylist("", profile.renditions[0]),)
    return tuple(MediaPlaylist(part.name, part) for part in profile.parts)


def source_rendition(profile: OriginProfile) -> Rendition:
    """The Rendition with the largest picture: all others are made smaller from it."""
    return max(profile.renditions, key=lambda rendition: rendition.width * rendition.height)


def avc_profile_and_level(profile: OriginProfile, rendition: Rendition) -> tuple[AvcProfile, int]:
    """H.264 profile and level (times ten) of a Rendition. Raises ValueError beyond all levels."""
    avc = x264_profile(profile.preset)
    level = level_idc(
        avc,
        width=rendition.width,
        height=rendition.height,
        frame_rate=rendition.frame_rate,
        maxrate_kbps=rendition.maxrate_kbps,
        bufsize_kbit=rendition.bufsize_kbit,
    )
    return avc, level


def average_bandwidth_bps(profile: OriginProfile, part: Rendition | AudioTrack) -> int:
    """Mean bitrate of a Media Playlist's segments in bit/s, container and all."""
    if isinstance(part, AudioTrack):
        return _with_container(profile, part.bitrate_kbps, _AUDIO_PACKETS_PER_SECOND)
    kbps = part.video_bitrate_kbps + part.audio_bitrate_kbps
    return _with_container(profile, kbps, part.frame_rate)


def bandwidth_bps(profile: OriginProfile, part: Rendition | AudioTrack) -> int:
    """The largest bitrate that a Media Segment of a Media Playlist may have, in bit/s.

    A segment can have what the VBV buffer saved up in the one before it; x264 holds half of the
    buffer back for that (measured: no segment comes near).
    """
    if isinstance(part, AudioTrack):
        return _with_container(profile, part.bitrate_kbps * _AUDIO_PEAK, _AUDIO_PACKETS_PER_SECOND)
    saved_kbps = part.bufsize_kbit / 2 / profile.segment_seconds
    peak_kbps = min(part.maxrate_kbps + saved_kbps, part.video_bitrate_kbps * _video_peak(profile))
    kbps = max(peak_kbps, part.maxrate_kbps) + part.audio_bitrate_kbps * _AUDIO_PEAK
    return _with_container(profile, kbps, part.frame_rate)


def _video_peak(profile: OriginProfile) -> float:
    """How far single segments may be above the mean: the shorter they are, the further (seen were
    8 % in 2 s of 2160p, and a third in 1 s of the smallest pictures).
    """
    return 1.15 + 0.25 / profile.segment_seconds


_AUDIO_PEAK: Final = 1.05
_AUDIO_PACKETS_PER_SECOND: Final = 6  # ffmpeg's MPEG-TS muxer collects AAC frames


def _with_container(profile: OriginProfile, kbps: float, frame_rate: int) -> int:
    bits = kbps * 1000 * container_share(profile.container)
    return round(bits + container_bps(profile.container, frame_rate))


def multivariant_text(profile: OriginProfile) -> str:
    """The Multivariant Playlist of a ladder. Raises ValueError for a profile without one."""
    if not has_ladder(profile):
        raise ValueError(f"profile {profile.name!r} has one Media Playlist and no Multivariant one")
    tracks = profile.audio
    group = AUDIO_GROUP if tracks else None
    # RFC 8216bis 4.4.6.2: BANDWIDTH is the sum with the largest of the group.
    peak = max((bandwidth_bps(profile, track) for track in tracks), default=0)
    mean = max((average_bandwidth_bps(profile, track) for track in tracks), default=0)
    variants = [
        Variant(
            uri=playlist.path,
            bandwidth_bps=bandwidth_bps(profile, playlist.part) + peak,
            average_bandwidth_bps=average_bandwidth_bps(profile, playlist.part) + mean,
            codecs=_codecs(profile, playlist.part),
            width=playlist.part.width,
            height=playlist.part.height,
            frame_rate=playlist.part.frame_rate,
            audio_group=group,
        )
        for playlist in media_playlists(profile)
        if isinstance(playlist.part, Rendition)
    ]
    audio = [
        AudioRendition(
            group=AUDIO_GROUP,
            name=track.name,
            uri=f"{track.name}/{STREAM_PLAYLIST}",
            language=track.language,
            default=track is tracks[0],
        )
        for track in tracks
    ]
    return multivariant_playlist(variants, audio, version=_VERSION[profile.container])


def _codecs(profile: OriginProfile, rendition: Rendition) -> tuple[str, ...]:
    video = avc_codecs(*avc_profile_and_level(profile, rendition))
    has_sound = rendition.audio_bitrate_kbps or profile.audio
    return (video, AAC_LC) if has_sound else (video,)
