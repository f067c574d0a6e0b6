"""H.264 as playlists name it: profiles, levels, and the CODECS text (RFC 6381 3.3).

Source: ITU-T H.264, 7.4.2.1.1 (profile_idc, constraint flags) and Table A-1 (levels); x264's
set.c for which profile its presets come to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil
from typing import Final

__all__ = [
    "AAC_LC",
    "BASELINE",
    "HIGH",
    "MAIN",
    "AvcProfile",
    "avc_codecs",
    "avc_of",
    "level_idc",
    "x264_profile",
]

AAC_LC: Final = "mp4a.40.2"
"""CODECS of AAC with low complexity, which is what ffmpeg's own encoder makes."""

_HIGH_RATE: Final = 1.25  # Table A-2: High allows 1.25 times the rates of Baseline and Main

# level_idc, macroblocks a second, macroblocks a frame, kbit/s and kbit (Baseline, Main)
_LEVELS: Final = (
    (10, 1_485, 99, 64, 175),
    (11, 3_000, 396, 192, 500),
    (12, 6_000, 396, 384, 1_000),
    (13, 11_880, 396, 768, 2_000),
    (20, 11_880, 396, 2_000, 2_000),
    (21, 19_800, 792, 4_000, 4_000),
    (22, 20_250, 1_620, 4_000, 4_000),
    (30, 40_500, 1_620, 10_000, 10_000),
    (31, 108_000, 3_600, 14_000, 14_000),
    (32, 216_000, 5_120, 20_000, 20_000),
    (40, 245_760, 8_192, 20_000, 25_000),
    (41, 245_760, 8_192, 50_000, 62_500),
    (42, 522_240, 8_704, 50_000, 62_500),
    (50, 589_824, 22_080, 135_000, 135_000),
    (51, 983_040, 36_864, 240_000, 240_000),
    (52, 2_073_600, 36_864, 240_000, 240_000),
    (60, 4_177_920, 139_264, 240_000, 240_000),
    (61, 8_355_840, 139_264, 480_000, 480_000),
    (62, 16_711_680, 139_264, 800_000, 800_000),
)


@dataclass(frozen=True, slots=True)
class AvcProfile:
    """A profile: `name` as libx264's `-profile:v` takes it, its number and constraint flags."""

    name: str
    idc: int
    constraints: int
    rate_factor: float = 1.0


BASELINE: Final = AvcProfile("baseline", 66, 0xC0)
MAIN: Final = AvcProfile("main", 77, 0x40)
HIGH: Final = AvcProfile("high", 100, 0x00, _HIGH_RATE)


def x264_profile(preset: str) -> AvcProfile:
    """What 8-bit 4:2:0 video of this libx264 preset is: `ultrafast` has neither CABAC nor 8x8
    transforms, and so is Constrained Baseline; all others are High.
    """
    return BASELINE if preset == "ultrafast" else HIGH


def level_idc(
    profile: AvcProfile,
    *,
    width: int,
    height: int,
    frame_rate: float,
    maxrate_kbps: float,
    bufsize_kbit: float,
) -> int:
    """The lowest level (times ten) that such a stream keeps to. Raises ValueError when none does.

    Sizes are pixels, rates kbit/s, the VBV buffer is kbit.
    """
    macroblocks = ceil(width / 16) * ceil(height / 16)
    side = max(ceil(width / 16), ceil(height / 16))
    for idc, per_second, per_frame, rate, buffer in _LEVELS:
        fits = macroblocks <= per_frame and macroblocks * frame_rate <= per_second
        fits = fits and side * side <= 8 * per_frame  # A.3.1: neither side beyond sqrt(8 MaxFS)
        if (
            fits
            and maxrate_kbps <= rate * profile.rate_factor
            and bufsize_kbit <= buffer * profile.rate_factor
        ):
            return idc
    raise ValueError(
        f"no H.264 level has {width}x{height} at {frame_rate:g} frames/s and {maxrate_kbps} kbit/s"
    )


def avc_codecs(profile: AvcProfile, level: int) -> str:
    """The CODECS element of a stream: `avc1.PPCCLL` in hexadecimal (RFC 6381 3.3)."""
    return f"avc1.{profile.idc:02x}{profile.constraints:02x}{level:02x}"


def avc_of(data: bytes) -> str | None:
    """The CODECS element of the first H.264 video in the bytes of a Media Segment or an
    initialization section; None when there is none.

    In MPEG-TS the sequence parameter set stands behind a start code (H.264 Annex B), in MP4 the
    three bytes are in the `avcC` box (ISO/IEC 14496-15 5.3.3.1).
    """
    match = re.search(rb"avcC\x01(...)|\x00\x00\x01[\x27\x47\x67](...)", data, re.DOTALL)
    if match is None:
        return None
    return f"avc1.{(match[1] or match[2]).hex()}"
