"""The settings of an ABR ladder, in one table."""

from __future__ import annotations

from pathlib import Path

from hlsswarm.core.kinds import STRING, Kind, described, reads
from hlsswarm.core.ladder import DEFAULT_LADDER, parse_rungs
from hlsswarm.core.plan import parse_address
from hlsswarm.core.setting import Setting, one_of, switch
from hlsswarm.errors import UsageError


@reads(Kind("address", example="127.0.0.1:9091"))
def _address(text: str) -> object:
    return None if text in {"off", "none"} else parse_address(text)


@reads(Kind("NAME=URL", may_hide_secret=True, example="cam=rtsp://10.0.0.7/stream1"))
def _source(text: str) -> tuple[str, str]:
    name, equals, url = text.partition("=")
    if not equals or not name.strip("/") or not url:
        raise UsageError(f"--source {text!r} cannot be read.", hint="Give NAME=URL.")
    return name.strip("/"), url


LADDER_SETTINGS: tuple[Setting, ...] = (
    Setting("name", "ladder", "name of the ladder's run", str, "ladder", "NAME"),
    Setting(
        "factory", "ladder", "what makes the renditions: passthrough, x264, audio …", str, "x264",
        "NAME", single_dash=False,
    ),
    Setting(
        "rungs", "start",
        f"renditions to begin with (default {','.join(r.name for r in DEFAULT_LADDER)})",
        described(parse_rungs, "list", types=(STRING,), example="720p,540p=960x540@1200"),
        None, "LIST", "presets or NAME=WIDTHxHEIGHT@KBPS, with commas between",
        single_dash=False,
    ),
    Setting(
        "media", "start", "directory with the sources (default: where encoders write)", Path, None,
        "DIR", single_dash=False,
    ),
    Setting(
        "source", "start", "a source that is elsewhere: http, rtsp, srt … (may be repeated)",
        _source, None, "NAME=URL", repeat=True, single_dash=False,
    ),
    Setting(
        "with-source", "start", "list the source itself in master.m3u8: on or off (default on)",
        switch, None, "on|off", "on or off", single_dash=False,
    ),
    Setting(
        "on-failure", "start", "a transcoder that fails is started again (restart) or not (leave)",
        one_of("restart", "leave"), "restart", "WHAT", "restart or leave", single_dash=False,
    ),
    Setting(
        "metrics", "start", "Prometheus address of the runner, or off (default off)", _address,
        None, "HOST:PORT", "HOST:PORT, or off", single_dash=False,
    ),
)  # fmt: skip
"""Every setting of a ladder that takes a value, besides `ffmpeg` and `manager`."""
