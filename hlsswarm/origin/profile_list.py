"""`hlsswarm origin profiles`: what profiles there are, with what each asks of a machine."""

from __future__ import annotations

import json
from typing import Any

from hlsswarm.core.presentation import average_bandwidth_bps, bandwidth_bps, has_ladder
from hlsswarm.core.profile_text import document_of
from hlsswarm.core.profiles import OriginProfile, Rendition, media_bytes
from hlsswarm.core.quantities import format_size
from hlsswarm.core.shipped_profiles import PROFILES
from hlsswarm.origin.profile_files import own_profiles, read_profile

SCHEMA = "hlsswarm.profiles/1"


def _profiles() -> dict[str, tuple[OriginProfile, str]]:
    """All profiles by name, with the file of each ("": it came with the program)."""
    found = {name: (profile, "") for name, profile in PROFILES.items()}
    found.update({name: (read_profile(path), str(path)) for name, path in own_profiles().items()})
    return found


def profiles_text() -> str:
    """A few lines for each. Raises ConfigurationError for a user's profile that is wrong."""
    return "\n\n".join(_text(name, *found) for name, found in _profiles().items())


def _text(name: str, profile: OriginProfile, file: str) -> str:
    length = (
        f"{profile.playlist_segments} listed ({profile.window_seconds} s)"
        if profile.is_live
        else f"{profile.vod_seconds} s in all"
    )
    mean = sum(average_bandwidth_bps(profile, part) for part in profile.parts)
    return "\n".join(
        [
            f"{name}: {profile.description}{f' ({file})' if file else ''}",
            f"  segments of {profile.segment_seconds} s, {length}, {profile.container.upper()},"
            f" {mean / 1e6:.2f} Mbit/s, up to {format_size(media_bytes(profile))} in memory",
            *(f"    {_part_text(profile, part)}" for part in profile.renditions),
            *(
                f"    {track.name:<8} {'':<9} audio {track.bitrate_kbps} kbit/s ({track.language})"
                for track in profile.audio
            ),
        ]
    )


def _part_text(profile: OriginProfile, part: Rendition) -> str:
    declared = f", BANDWIDTH {bandwidth_bps(profile, part)}" if has_ladder(profile) else ""
    size = f"{part.width}x{part.height}"
    return (
        f"{part.name:<8} {size:<9} {part.frame_rate} frames/s, video {part.video_bitrate_kbps:>5}"
        f" + audio {part.audio_bitrate_kbps:>3} kbit/s{declared}"
    )


def profiles_json() -> str:
    """Every field of every profile, and what follows from them."""
    document: dict[str, Any] = {"schema": SCHEMA, "profiles": {}}
    for name, (profile, file) in _profiles().items():
        document["profiles"][name] = {
            **document_of(profile),
            "file": file or None,
            "window_seconds": profile.window_seconds if profile.is_live else None,
            "memory_bytes": media_bytes(profile),
            "bandwidth_bps": {part.name: bandwidth_bps(profile, part) for part in profile.parts},
            "average_bandwidth_bps": {
                part.name: average_bandwidth_bps(profile, part) for part in profile.parts
            },
        }
    return json.dumps(document, indent=2)
