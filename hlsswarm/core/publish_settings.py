"""The settings of publishers, consumers, test videos and the RTSP server, in tables.

Flags, help and TOML keys come from these rows. STREAM_SETTINGS are what each stream can have of
its own (a `[[stream]]` table); given outside of one they are for all streams.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

from hlsswarm.core.kinds import INTEGER, NUMBER, STRING, Kind, Reader, reads
from hlsswarm.core.quantities import PERCENT_PATTERN, parse_percent
from hlsswarm.core.setting import DURATION, Setting, duration, one_of, port, switch, within
from hlsswarm.core.videos import PATTERNS, parse_bitrate, parse_picture_size

STREAMS_DEFAULT = 3
STREAMS_MAX = 1000
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")


_count = within(1, STREAMS_MAX)
_fps = within(1, 240)


@reads(Kind("percent", (STRING, NUMBER), PERCENT_PATTERN, example="90%"))
def _percent(text: str) -> float:
    """Per cent of the whole machine, as 90.0."""
    share = parse_percent(text) * 100
    if share > 100:
        raise ValueError(text)
    return share


@reads(Kind("word", pattern=r"[A-Za-z0-9_][A-Za-z0-9_-]*", example="libx264"))
def _word(text: str) -> str:
    """A name of an encoder, a preset or a pixel format: goes to ffmpeg as one argument."""
    if not _WORD.fullmatch(text):
        raise ValueError(text)
    return text


@reads(Kind("address", example="127.0.0.1"))
def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


def _above_nothing(text: str) -> float:
    seconds = duration(text)
    if seconds <= 0:
        raise ValueError(text)
    return seconds


_positive = Reader(_above_nothing, duration.kind)
_size = Reader(parse_picture_size, Kind("picture size", pattern=r"\d+x\d+", example="1280x720"))
_bitrate = Reader(
    parse_bitrate,
    Kind("bit rate", (STRING, INTEGER), r"\d+(\.\d+)?[kKMG]?", minimum=1000, example="2M"),
)


def _picture(group: str) -> tuple[Setting, ...]:
    """What videos and streams have in common."""
    return (
        Setting(
            "size", group, "picture size of test videos", _size, "1280x720",
            "WxH", "a size with even numbers such as 1280x720", single_dash=False,
        ),
        Setting(
            "fps", group, "frames a second", _fps, 30, "N", "a number from 1 to 240",
            single_dash=False,
        ),
        Setting(
            "bitrate", group, "bits a second of the picture", _bitrate, "2M",
            "RATE", "a bit rate such as 2M or 500k", single_dash=False,
        ),
    )  # fmt: skip


STREAM_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "source", "stream", f"a file, or a test video: {', '.join(PATTERNS)}", str, "bars",
        "FILE|PATTERN", single_dash=False,
    ),
    *_picture("stream"),
    Setting(
        "codec", "stream", "ffmpeg's video encoder", _word, "libx264", "NAME",
        "the name of an encoder such as libx264", single_dash=False,
    ),
    Setting(
        "preset", "stream", "preset of libx264 and libx265", _word, "ultrafast", "NAME",
        "a preset such as ultrafast", single_dash=False,
    ),
    Setting(
        "pixel-format", "stream", "pixel format", _word, "yuv420p", "NAME",
        "a pixel format such as yuv420p", single_dash=False,
    ),
    Setting(
        "loop", "stream", "on: again and again without a seam; off: once", switch, "on", "on|off",
        "on or off", single_dash=False,
    ),
    Setting(
        "audio", "stream", "sound, too (off: the picture alone)", switch, "off", "on|off",
        "on or off", single_dash=False,
    ),
    Setting(
        "encode", "stream",
        "once: encode before the start, keep it, and push it as it is; live: encode all the time; "
        "copy: push a file as it is",
        one_of("once", "live", "copy"), "once", "HOW", "once, live or copy", single_dash=False,
    ),
)  # fmt: skip
"""What each stream can have of its own, besides `name` and `url`."""

PUBLISH_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "streams", "publishers",
        f"how many (default: one for each [[stream]] of --config, else {STREAMS_DEFAULT})",
        _count, None, "N", f"a number from 1 to {STREAMS_MAX}", single_dash=False,
    ),
    Setting(
        "duration", "publishers", "length from the first start; 0: until stopped", duration, 0.0,
        "TIME", DURATION, single_dash=False,
    ),
    Setting(
        "report-interval", "publishers", "time between two lines of status", _positive, 10.0,
        "TIME", DURATION, single_dash=False,
    ),
    Setting(
        "max-streams", "limits", "never more streams than these", _count, STREAMS_MAX, "N",
        f"a number from 1 to {STREAMS_MAX}", single_dash=False,
    ),
    Setting(
        "max-memory-percent", "limits", "start no stream while more of the memory is used",
        _percent, 80.0, "PERCENT", "a share such as 80%", single_dash=False,
    ),
    Setting(
        "max-cpu-percent", "limits", "start no stream while the processors are busier", _percent,
        90.0, "PERCENT", "a share such as 90%", single_dash=False,
    ),
    Setting("json", "results", "write a report", Path, None, "FILE", single_dash=False),
)  # fmt: skip
"""What is for all streams together."""

RTSP_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "port", "server", "port", port, 8554, "PORT", "a number from 1 to 65535",
        single_dash=False,
    ),
    Setting(
        "listen", "server", "address", _address, "127.0.0.1", "ADDRESS",
        "an IP address such as 127.0.0.1", single_dash=False,
    ),
    Setting(
        "server", "server",
        "MediaMTX's program, or `relay` for our own (default: mediamtx of PATH, else our own)",
        str, None, "PATH", single_dash=False,
    ),
)  # fmt: skip
"""The RTSP server."""

CONSUME_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "duration", "reading", "how long to read; 0: until the streams end", duration, 10.0,
        "TIME", DURATION, single_dash=False,
    ),
    Setting(
        "decode", "reading", "decode each picture instead of taking it as it is", switch, False,
        flag=True, single_dash=False,
    ),
    Setting("json", "results", "write the result", Path, None, "FILE", single_dash=False),
)  # fmt: skip
"""`consume`."""

VIDEO_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "pattern", "video", f"what it shows: {', '.join(PATTERNS)}", one_of(*PATTERNS), "bars",
        "NAME", f"one of {', '.join(PATTERNS)}", single_dash=False,
    ),
    *_picture("video"),
    Setting(
        "duration", "video",
        "length (with sound, multiples of 8s loop without a seam)", _positive, 8.0, "TIME",
        DURATION, single_dash=False,
    ),
    Setting(
        "no-audio", "video", "without the tone of 1 kHz", switch, False, flag=True,
        single_dash=False,
    ),
)  # fmt: skip
"""`video generate`."""
