"""The origin profiles that come with the program."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hlsswarm.core.profiles import AudioTrack, OriginProfile, PlaylistType, Rendition

__all__ = ["PROFILES"]


def _rung(
    name: str,
    size: tuple[int, int],
    video_kbps: int,
    audio_kbps: int,
    *,
    maxrate_kbps: int | None = None,
    bufsize_kbit: int | None = None,
    frame_rate: int = 30,
) -> Rendition:
    """A Rendition; unless told otherwise its rate may rise by a tenth, over one second."""
    width, height = size
    return Rendition(
        name=name,
        width=width,
        height=height,
        frame_rate=frame_rate,
        video_bitrate_kbps=video_kbps,
        maxrate_kbps=maxrate_kbps or video_kbps * 11 // 10,
        bufsize_kbit=bufsize_kbit or video_kbps,
        audio_bitrate_kbps=audio_kbps,
    )


_P720 = _rung("720p", (1280, 720), 2000, 128, bufsize_kbit=4000)

_ALL = (
    OriginProfile(
        name="default",
        description="720p at 30 frames/s, live, for first runs and demos",
        segment_seconds=2,
        playlist_segments=10,
        renditions=(_P720,),
    ),
    OriginProfile(
        name="low-latency",
        description="720p in segments of one second and a short window",
        segment_seconds=1,
        playlist_segments=6,
        renditions=(_rung("720p", (1280, 720), 2000, 96, maxrate_kbps=2500, bufsize_kbit=2000),),
    ),
    OriginProfile(
        name="4k-abr",
        description="a ladder of five from 2160p to 360p",
        segment_seconds=2,
        playlist_segments=10,
        renditions=(
            _rung("2160p", (3840, 2160), 15_000, 192),
            _rung("1080p", (1920, 1080), 5000, 128),
            _rung("720p", (1280, 720), 2000, 128),
            _rung("480p", (854, 480), 1000, 96),
            _rung("360p", (640, 360), 500, 64),
        ),
    ),
    OriginProfile(
        name="stress",
        description="many requests a second for few bytes and little CPU",
        segment_seconds=1,
        playlist_segments=15,
        # A client that plays them all asks eight times a second, in one process.
        renditions=(
            _rung("180p", (320, 180), 200, 32, frame_rate=10),
            _rung("144p", (256, 144), 150, 32, frame_rate=10),
            _rung("108p", (192, 108), 100, 32, frame_rate=10),
            _rung("72p", (128, 72), 60, 32, frame_rate=10),
        ),
    ),
    OriginProfile(
        name="logged",
        description="1080p, with a line in the access log for each request",
        segment_seconds=2,
        playlist_segments=10,
        renditions=(_rung("1080p", (1920, 1080), 5000, 128, bufsize_kbit=10_000),),
        access_log=True,
    ),
    OriginProfile(
        name="vod",
        description="720p as a finished programme of one minute",
        segment_seconds=2,
        playlist_segments=10,
        renditions=(_P720,),
        playlist_type=PlaylistType.VOD,
    ),
    OriginProfile(
        name="audio-group",
        description="two pictures without sound, and a group of two audio renditions",
        segment_seconds=2,
        playlist_segments=10,
        renditions=(
            _rung("720p", (1280, 720), 2000, 0),
            _rung("360p", (640, 360), 500, 0),
        ),
        audio=(
            AudioTrack(name="english", language="en", bitrate_kbps=128, tone_hz=1000),
            AudioTrack(name="deutsch", language="de", bitrate_kbps=128, tone_hz=440),
        ),
    ),
)

PROFILES: Final[Mapping[str, OriginProfile]] = MappingProxyType(
    {profile.name: profile for profile in _ALL}
)
"""The profiles, by name."""
