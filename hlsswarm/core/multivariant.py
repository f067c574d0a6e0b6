"""The Multivariant Playlist of a presentation, as text (RFC 8216bis 4.4.6).

Knows the tags and what they demand of each other. Must not know where Media Playlists come from.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["AudioRendition", "Variant", "multivariant_playlist"]

_UNQUOTABLE = re.compile(r'["\r\n]')


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One Variant Stream (EXT-X-STREAM-INF).

    `bandwidth_bps` is the largest bitrate of any of its Media Segments together with those of its
    Renditions, `average_bandwidth_bps` their mean, both in bit/s with the container. `width` and
    `height` are pixels (0: no picture), `frame_rate` is frames per second. `codecs` are those of
    all its media (RFC 6381). `audio_group` names the group of AudioRenditions it plays with.
    """

    uri: str
    bandwidth_bps: int
    codecs: Sequence[str]
    average_bandwidth_bps: int | None = None
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    audio_group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioRendition:
    """One audio Rendition (EXT-X-MEDIA); `language` is a tag of RFC 5646, `channels` a count."""

    group: str
    name: str
    uri: str
    language: str | None = None
    default: bool = False
    channels: int = 2


def multivariant_playlist(
    variants: Sequence[Variant],
    audio: Sequence[AudioRendition] = (),
    *,
    version: int = 3,
    independent_segments: bool = True,
) -> str:
    """The playlist's text, the Variant Streams in the order given: a client that does not choose
    begins with the first.

    Raises ValueError for what no such playlist can hold: no variants, a group that is named and
    not there, two Renditions of a name in a group, two defaults in it, text with quotes in it.
    """
    if not variants:
        raise ValueError("a Multivariant Playlist needs a Variant Stream")
    _check(variants, audio)
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{version}"]
    if independent_segments:
        lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
    lines += [_media(rendition) for rendition in audio]
    for variant in variants:
        lines += [_stream_inf(variant), _text(variant.uri)]
    return "\n".join(lines) + "\n"


def _check(variants: Sequence[Variant], audio: Sequence[AudioRendition]) -> None:
    groups = {rendition.group for rendition in audio}
    named = {variant.audio_group for variant in variants if variant.audio_group is not None}
    if not named <= groups:
        raise ValueError(f"there is no audio group {', '.join(sorted(named - groups))}")
    for group in groups:
        members = [rendition for rendition in audio if rendition.group == group]
        if len({rendition.name for rendition in members}) < len(members):
            raise ValueError(f"two audio Renditions of group {group} have one name")
        if sum(rendition.default for rendition in members) > 1:
            raise ValueError(f"two audio Renditions of group {group} are the default")
    for variant in variants:
        if variant.bandwidth_bps < 1 or not variant.codecs:
            raise ValueError(f"{variant.uri} needs a bandwidth and codecs")


def _text(text: str) -> str:
    if not text or _UNQUOTABLE.search(text):
        raise ValueError(f"{text!r} cannot stand in a playlist")
    return text


def _quoted(text: str) -> str:
    return f'"{_text(text)}"'


def _media(rendition: AudioRendition) -> str:
    attributes = ["TYPE=AUDIO", f"GROUP-ID={_quoted(rendition.group)}"]
    if rendition.language:
        attributes.append(f"LANGUAGE={_quoted(rendition.language)}")
    attributes += [
        f"NAME={_quoted(rendition.name)}",
        f"DEFAULT={'YES' if rendition.default else 'NO'}",
        "AUTOSELECT=YES",
        f'CHANNELS="{rendition.channels}"',
        f"URI={_quoted(rendition.uri)}",
    ]
    return f"#EXT-X-MEDIA:{','.join(attributes)}"


def _stream_inf(variant: Variant) -> str:
    attributes = [f"BANDWIDTH={variant.bandwidth_bps}"]
    if variant.average_bandwidth_bps is not None:
        attributes.append(f"AVERAGE-BANDWIDTH={variant.average_bandwidth_bps}")
    attributes.append(f"CODECS={_quoted(','.join(variant.codecs))}")
    if variant.width and variant.height:
        attributes.append(f"RESOLUTION={variant.width}x{variant.height}")
    if variant.frame_rate:
        attributes.append(f"FRAME-RATE={variant.frame_rate:.3f}")
    if variant.audio_group is not None:
        attributes.append(f"AUDIO={_quoted(variant.audio_group)}")
    return f"#EXT-X-STREAM-INF:{','.join(attributes)}"
