"""What of a stream clients play: what can be wished for, and what was chosen (core.variants)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from hlsswarm.errors import UsageError

VariantWish = Literal["all", "highest", "lowest", "first"]
ProbeFailure = Literal["fallback", "fail"]
VARIANT_WISHES: tuple[VariantWish, ...] = get_args(VariantWish)
PROBE_FAILURES: tuple[ProbeFailure, ...] = get_args(ProbeFailure)


@dataclass(frozen=True)
class Rendition:
    """An alternative audio that a Variant Stream is played with (EXT-X-MEDIA, 4.4.6.1)."""

    url: str
    name: str
    language: str | None = None


@dataclass(frozen=True)
class Variant:
    """One Variant Stream (EXT-X-STREAM-INF, RFC 8216bis, 4.4.6.2); `number` counts from 1."""

    number: int
    url: str
    bandwidth: int | None = None
    """Peak bits per second; None where the playlist lacks the attribute, against the RFC."""
    resolution: tuple[int, int] | None = None
    codecs: str | None = None
    audio: Rendition | None = None
    """Its audio, where that has a Media Playlist of its own."""

    @property
    def urls(self) -> tuple[str, ...]:
        """The Media Playlists that are played together."""
        return (self.url, self.audio.url) if self.audio else (self.url,)

    def __str__(self) -> str:
        """Bandwidth, resolution and codecs, as far as they are told."""
        words = ["of unknown bandwidth" if self.bandwidth is None else rate_text(self.bandwidth)]
        if self.resolution:
            words.append(f"{self.resolution[0]}x{self.resolution[1]}")
        if self.codecs:
            words.append(self.codecs)
        if self.audio:
            words.append(f"with the audio {self.audio.name!r} of its own Media Playlist")
        return ", ".join(words)


@dataclass(frozen=True)
class Selection:
    """What of the stream a client plays; `sentence` says it to the user."""

    wish: VariantWish
    sentence: str
    variant: Variant | None = None
    """None: all that is behind the URL."""
    program: int | None = None
    """ffprobe's program_id, for an input that is no HLS: taken by `-map`, so all is probed."""
    fell_back: bool = False
    """Whether the wish could not be met."""


def rate_text(bits_per_second: int) -> str:
    """A bandwidth as people say it: `1.07 Mbit/s`."""
    if bits_per_second < 1_000_000:
        return f"{bits_per_second / 1000:.3g} kbit/s"
    return f"{bits_per_second / 1_000_000:.3g} Mbit/s"


def parse_wish(text: str) -> VariantWish:
    """`--variant`'s value. Raises UsageError."""
    for wish in VARIANT_WISHES:
        if wish == text:
            return wish
    raise UsageError(
        f"--variant {text!r} is none that can be chosen.",
        hint=f"Choose one of {', '.join(VARIANT_WISHES)}.",
    )
