"""What is published: streams out of settings and tables, their URLs, and ffmpeg's command lines.

    rtsp://HOST:PORT/PATH ─► -f rtsp over TCP    rtmp://HOST/APP ─► -f flv
    srt://HOST:PORT ───────► -f mpegts           each with a name of its own at the end

Knows ffmpeg's muxers and options. Must not know units, nor whether a file or a server is there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from hlsswarm.core.publish_settings import STREAM_SETTINGS, STREAMS_DEFAULT
from hlsswarm.core.videos import PATTERNS, Encoding
from hlsswarm.errors import ConfigurationError, UsageError

How = Literal["once", "live", "copy"]
NAME_PLACE: Final = "{name}"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_HINT = "Give, say, rtsp://127.0.0.1:8554/ (or rtmp://, srt://)."
_STATS_SECONDS = "0.5"
_DEFAULTS: Mapping[str, Any] = {setting.key: setting.default_value for setting in STREAM_SETTINGS}


@dataclass(frozen=True)
class Target:
    """How a kind of URL is pushed to; `protocol` is what ffmpeg has to have been built with.

    `port` is the scheme's own; `connects` tells whether a TCP connection says if a server is there.
    """

    muxer: str
    options: tuple[str, ...]
    protocol: str
    port: int | None
    connects: bool = True


# Nothing in the way between ffmpeg and the network: a publisher's packets go out as they are made.
TARGETS: Final[Mapping[str, Target]] = {
    "rtsp": Target("rtsp", ("-rtsp_transport", "tcp"), "tcp", 554),
    "rtmp": Target("flv", ("-flvflags", "no_duration_filesize"), "rtmp", 1935),
    "srt": Target("mpegts", (), "srt", None, connects=False),
}
"""By the URL's scheme."""


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One stream to be published."""

    name: str
    url: str
    source: str
    size: tuple[int, int]
    encoding: Encoding
    loop: bool
    audio: bool
    how: How

    @property
    def is_pattern(self) -> bool:
        """Whether the source is a test video of ours, not a file."""
        return self.source in PATTERNS

    @property
    def target(self) -> Target:
        """How it is pushed."""
        return TARGETS[urlsplit(self.url).scheme]


def check_push_url(text: str) -> str:
    """A URL that streams can be pushed to. Raises UsageError."""
    if any(ord(character) < 33 or character == "\x7f" for character in text):
        raise UsageError("The URL holds a blank or a control character.", hint=_HINT)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{text!r} is not a URL: {error}.", hint=_HINT) from None
    target = TARGETS.get(parts.scheme)
    if target is None or not parts.hostname:
        raise UsageError(f"{text!r} is no URL that streams can be pushed to.", hint=_HINT)
    if port is None and target.port is None:
        raise UsageError(f"{text!r} names no port.", hint="Give, say, srt://127.0.0.1:9000.")
    return text


def stream_url(base: str, name: str) -> str:
    """Where the stream of this name goes: the place of {name}, else the end of the path.

    SRT has no paths: there the name becomes the stream id, in the form that MediaMTX reads.
    """
    if NAME_PLACE in base:
        return base.replace(NAME_PLACE, name)
    parts = urlsplit(base)
    if parts.scheme == "srt":
        if "streamid=" in parts.query or "mode=listener" in parts.query:
            return base
        query = f"{parts.query}&" if parts.query else ""
        return parts._replace(query=f"{query}streamid=publish:{name}").geturl()
    return parts._replace(path=f"{parts.path.rstrip('/')}/{name}").geturl()


def server_address(url: str) -> tuple[str, int] | None:
    """Host and port at which a TCP connection tells whether the server is there; None for UDP."""
    parts = urlsplit(url)
    target = TARGETS[parts.scheme]
    port = parts.port or target.port
    return (parts.hostname or "", port) if target.connects and port else None


def streams_of(
    base_url: str | None,
    count: int | None,
    given: Mapping[str, Any],
    tables: Sequence[Mapping[str, Any]] = (),
    general: Mapping[str, Any] | None = None,
) -> tuple[Stream, ...]:
    """The streams that flags (`given`), `[[stream]]` tables and a file's `general` settings mean.

    Flags come before tables, tables before the general settings, those before the defaults. With
    more streams than tables the tables are taken in turn, with a number behind the name. Raises
    UsageError or ConfigurationError.
    """
    tables = tables or ({},)
    number = count or (len(tables) if tables != ({},) else STREAMS_DEFAULT)
    streams: list[Stream] = []
    for index in range(number):
        table = tables[index % len(tables)]
        name = _name(table.get("name"), index, len(tables))
        chosen = {**_DEFAULTS, **(general or {}), **table, **given}
        streams.append(_stream(name, table.get("url"), base_url, chosen))
    names = [stream.name for stream in streams]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigurationError(f"Two streams are named {twice[0]}.", hint="Give each its own.")
    urls = [stream.url for stream in streams]
    if len(set(urls)) < len(urls):
        url = next(url for url in urls if urls.count(url) > 1)
        raise ConfigurationError(
            f"Two streams go to {url}.", hint="Put {name} where they are to differ."
        )
    return tuple(streams)


def _name(given: str | None, index: int, tables: int) -> str:
    if given is None:
        return f"stream{index + 1}"
    if not _NAME.fullmatch(given):
        raise ConfigurationError(
            f"{given!r} cannot name a stream.", hint="Use 1 to 64 of a-z, A-Z, 0-9, _, . and -."
        )
    again = index // tables
    return f"{given}-{again + 1}" if again else given


def _stream(name: str, own_url: str | None, base: str | None, chosen: Mapping[str, Any]) -> Stream:
    if own_url is None and base is None:
        raise UsageError("The server's URL is missing.", hint=_HINT)
    url = own_url if own_url is not None else stream_url(check_push_url(base or ""), name)
    source = chosen["source"]
    if chosen["encode"] == "copy" and source in PATTERNS:
        raise UsageError(
            f"--encode copy pushes a file as it is, and {source} is none.",
            hint="Give --source FILE, or --encode once.",
        )
    return Stream(
        name=name,
        url=check_push_url(url),
        source=source,
        size=chosen["size"],
        encoding=Encoding(
            codec=chosen["codec"],
            preset=chosen["preset"],
            bitrate_bps=chosen["bitrate"],
            pixel_format=chosen["pixel_format"],
            fps=chosen["fps"],
        ),
        loop=chosen["loop"],
        audio=chosen["audio"],
        how=chosen["encode"],
    )


def push_command(ffmpeg: Path, stream: Stream, file: Path) -> list[str]:
    """Push `file` at its own pace. Progress goes to standard output, the log to stderr.

    `-stream_loop` moves the time stamps of each round behind those of the last (ffmpeg(1)).
    """
    target = stream.target
    sound = ["-map", "0:a:0?"] if stream.audio else []
    if stream.how == "live":
        coded = stream.encoding.arguments() + (["-c:a", "aac", "-b:a", "96k"] if sound else [])
    else:
        coded = ["-c", "copy"]
    return [
        *(str(ffmpeg), "-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+warning"),
        *("-progress", "pipe:1", "-stats_period", _STATS_SECONDS),
        *("-re", *(("-stream_loop", "-1") if stream.loop else ()), "-i", f"file:{file}"),
        *("-map", "0:v:0", *sound, *coded),
        *("-f", target.muxer, *target.options, stream.url),
    ]
