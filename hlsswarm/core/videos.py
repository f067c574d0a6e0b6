"""ffmpeg command lines that make short videos to be pushed again and again.

    pattern bars|shapes|gradient ─┐
    a file of the user ───────────┴─► H.264 in MP4, whose end fits its beginning

Knows ffmpeg's sources, encoders and the arithmetic of a seamless loop. Must not know units, the
cache's directory or who asks.

A loop has no seam when picture and sound are of the same length. The length of a picture is a
number of frames; that of AAC is a number of AAC frames, of 1024 samples each. At 48 kHz, 375 of
them are 8 s: a duration that is a multiple of 8 s fits exactly, any other to 11 ms. The encoder's
priming samples would come on top: the time stamps are moved over them, and no frame more than the
wanted number is kept.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from hlsswarm.core.filter_graph import FRAME_TEXT, drawn_text

Pattern = Literal["bars", "shapes", "gradient"]
PATTERNS: Final[tuple[Pattern, ...]] = get_args(Pattern)

SEAMLESS_SECONDS: Final = 8.0
_SAMPLES_PER_SECOND: Final = 48_000
_AAC_FRAME_SAMPLES: Final = 1024
# ffmpeg 9 calls it a success when a filter has failed and nothing was written.
_QUIETLY: Final = ("-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+error", "-y",
                   "-abort_on", "empty_output_stream")  # fmt: skip
_GOP_SECONDS: Final = 2
_TONE_HZ: Final = 1000
_TIME_TEXT: Final = "%{pts:hms}"
_SIZE = re.compile(r"([0-9]{1,4})x([0-9]{1,4})")
_BITRATE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([kKMG]?)")
_FACTORS = {"": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}
_X26X = ("libx264", "libx265")


def parse_picture_size(text: str) -> tuple[int, int]:
    """Width and height in pixels of `1280x720`. Raises ValueError; both are even, as 4:2:0 asks."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    width, height = int(match[1]), int(match[2])
    if min(width, height) < 32 or max(width, height) > 8192 or width % 2 or height % 2:
        raise ValueError(text)
    return width, height


def parse_bitrate(text: str) -> int:
    """Bits per second of `2M`, `500k` or `2000000`: powers of 1000, as ffmpeg has them.

    Raises ValueError, also for less than 1 kbit/s and more than 1 Gbit/s.
    """
    match = _BITRATE.fullmatch(text)
    bits = round(float(match[1]) * _FACTORS[match[2]]) if match else 0
    if not 1000 <= bits <= 1_000_000_000:
        raise ValueError(text)
    return bits


def seamless_duration(seconds: float) -> float:
    """The nearest duration, above 0, that loops without a seam with sound: a multiple of 8 s."""
    return max(1, math.floor(seconds / SEAMLESS_SECONDS + 0.5)) * SEAMLESS_SECONDS


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How pictures are encoded. `preset` is for libx264 and libx265 alone."""

    codec: str = "libx264"
    preset: str = "ultrafast"
    bitrate_bps: int = 2_000_000
    pixel_format: str = "yuv420p"
    fps: int = 30

    def arguments(self) -> list[str]:
        """ffmpeg's, for one output. No B-frames: the order of frames is that of their times."""
        bits, gop = str(self.bitrate_bps), str(_GOP_SECONDS * self.fps)
        return [
            *("-c:v", self.codec),
            *(("-preset", self.preset) if self.codec in _X26X else ()),
            *("-b:v", bits, "-maxrate", bits, "-bufsize", str(2 * self.bitrate_bps)),
            *("-pix_fmt", self.pixel_format, "-r", str(self.fps), "-g", gop, "-bf", "0"),
        ]


@dataclass(frozen=True, kw_only=True)
class TestVideo:
    """A video made of nothing: what it shows, and whether a tone of 1 kHz is heard."""

    __test__ = False  # pytest takes everything named Test… for its own

    pattern: Pattern = "bars"
    width: int = 1280
    height: int = 720
    duration_seconds: float = SEAMLESS_SECONDS
    audio: bool = True

    def frames(self, fps: int) -> int:
        """How many frames it has."""
        return max(1, round(self.duration_seconds * fps))


def generate_command(
    ffmpeg: Path, video: TestVideo, encoding: Encoding, output: Path, *, font: Path | None
) -> list[str]:
    """Make a test video. Without `font` the bars have no words in them.

    Sources: ffmpeg-filters(1) "smptehdbars", "gradients", "overlay"; ffmpeg-bitstream-filters(1)
    "noise", "setts".
    """
    graph = _picture(video, encoding.fps, font) + "[out0]"
    sound: list[str] = []
    frames = video.frames(encoding.fps)
    if video.audio:
        graph += f";sine=frequency={_TONE_HZ}:sample_rate={_SAMPLES_PER_SECOND}[out1]"
        kept = round(frames / encoding.fps * _SAMPLES_PER_SECOND / _AAC_FRAME_SAMPLES)
        fitting = rf"noise=drop=gte(n\,{kept}),setts=ts=TS+{_AAC_FRAME_SAMPLES}"
        sound = ["-c:a", "aac", "-b:a", "96k", "-ac", "2", "-bsf:a", fitting]
    return [
        *(
            str(ffmpeg),
            *_QUIETLY,
            "-xerror",
            "-f",
            "lavfi",
            "-i",
            graph,
            "-t",
            f"{frames / encoding.fps + 1:.3f}",
        ),
        *encoding.arguments(),
        *("-frames:v", str(frames)),
        *sound,
        *("-map_metadata", "-1", "-f", "mp4", str(output)),
    ]


def transcode_command(
    ffmpeg: Path, source: Path, encoding: Encoding, output: Path, *, audio: bool
) -> list[str]:
    """Encode a file once, so that it can be pushed again and again as it is."""
    sound = ("-map", "0:a:0?", "-c:a", "aac", "-b:a", "96k", "-ac", "2") if audio else ()
    return [
        *(str(ffmpeg), *_QUIETLY, "-i", f"file:{source}", "-map", "0:v:0"),
        *encoding.arguments(),
        *sound,
        *("-map_metadata", "-1", "-f", "mp4", str(output)),
    ]


def cache_name(label: str, *facts: object) -> str:
    """A file's name that changes with everything that what is in it depends on.

    `label` is for the eyes; the facts are dataclasses, texts and numbers.
    """
    plain = [asdict(fact) if hasattr(fact, "__dataclass_fields__") else fact for fact in facts]  # type: ignore[call-overload]
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()
    return f"{re.sub(r'[^A-Za-z0-9._-]', '_', label)[:60]}-{digest[:16]}.mp4"


def _picture(video: TestVideo, fps: int, font: Path | None) -> str:
    size = f"s={video.width}x{video.height}:r={fps}"
    match video.pattern:
        case "bars":
            words = [
                drawn_text(text, font=font, picture_height=video.height, line=line)
                for line, text in enumerate((_TIME_TEXT, FRAME_TEXT))
                if font is not None
            ]
            return ",".join([f"smptehdbars={size}", *words])
        case "gradient":
            # Every option is given: their defaults differ from one ffmpeg to the next.
            colours = "n=4:c0=0x16324f:c1=0x2a9d8f:c2=0xe9c46a:c3=0xe76f51"
            line = f"x0=0:y0=0:x1={video.width}:y1={video.height}"
            return f"gradients={size}:{colours}:{line}:speed=0.02"
        case "shapes":
            return _shapes(video, fps, size)


def _shapes(video: TestVideo, fps: int, size: str) -> str:
    """A disc, a square and a diamond on closed paths, which they run whole times in the video."""
    once = 2 * max(1, round(video.duration_seconds / SEAMLESS_SECONDS))
    turn = f"{once}*PI*t/{video.frames(fps) / fps:.6f}"
    side = max(16, min(video.width, video.height) // 3 // 2 * 2)
    small = max(16, side * 3 // 4 // 2 * 2)
    inside = {"disc": "hypot(X-W/2,Y-H/2)", "diamond": "abs(X-W/2)+abs(Y-H/2)"}

    def cut(name: str, colour: str) -> str:
        # The outline is computed for one frame, which is then shown again and again.
        alpha = f"255*lte({inside[name]},W/2)"
        same = "lum='lum(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)'"
        return (
            f"color=c={colour}:s={side}x{side}:r={fps},format=yuva420p,"
            f"geq={same}:a='{alpha}',loop=-1:1[{name}]"
        )

    def moved(below: str, shape: str, above: str, x: str, y: str) -> str:
        place = f"x='(W-w)/2*(1+{x})':y='(H-h)/2*(1+{y})'"
        return f"[{below}][{shape}]overlay={place}{above}"

    sine, cosine = f"sin({turn})", f"cos({turn})"
    sine2, cosine2 = f"sin(2*{turn})", f"cos(2*{turn})"
    return ";".join(
        (
            f"color=c=0x1c2a3a:{size}[ground]",
            cut("disc", "0xe4572e"),
            f"color=c=0x76b041:s={small}x{small}:r={fps}[square]",
            cut("diamond", "0xffc914"),
            moved("ground", "disc", "[one]", sine2, sine),
            moved("one", "square", "[two]", cosine, cosine2),
            moved("two", "diamond", "", sine, cosine),
        )
    )
