"""The settings of a test origin, in one table."""

from __future__ import annotations

from pathlib import Path

from hlsswarm.core.certificates import parse_name as parse_tls_name
from hlsswarm.core.kinds import STRING, described
from hlsswarm.core.setting import Setting, one_of, port

ORIGIN_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "profile", "origin", "what stream it plays: a name, or a TOML file", str, "default", "NAME"
    ),
    Setting(
        "set",
        "origin",
        "change a field of the profile, or of one of its renditions: 720p.FIELD=VALUE",
        str,
        (),
        "FIELD=VALUE",
        repeat=True,
    ),
    Setting(
        "encode",
        "origin",
        "live, or once: a loop is encoded, kept, and played for almost no CPU",
        one_of("live", "once"),
        "live",
        "WHEN",
        "live or once",
    ),
    Setting("source", "origin", "play this file over and over", Path, None, "FILE"),
    Setting(
        "serve",
        "origin",
        "encode nothing, serve what others write to a directory; `media`: the one of preview"
        " encoders and ladders",
        described(Path, "directory", pattern=r"media|[^\u0000]+", example="media"),
        None,
        "DIR",
    ),
    Setting("port", "origin", "port", port, 8080, "PORT", "a number from 1 to 65535"),
    Setting("listen", "origin", "address", str, "127.0.0.1", "ADDRESS"),
    Setting("nginx", "origin", "nginx program (default: the one in PATH)", str, None, "PATH"),
    Setting(
        "tls",
        "origin",
        "speak HTTP over TLS, with a certificate made for it",
        bool,
        False,
        flag=True,
    ),
    Setting(
        "tls-name",
        "origin",
        "a further name that the certificate is for (may be repeated)",
        described(parse_tls_name, "name", types=(STRING,), example="origin.example"),
        (),
        "NAME",
        repeat=True,
    ),
    Setting("access-log", "origin", "write a JSON line for each request", Path, None, "FILE"),
)
"""Every setting of a test origin that takes a value, besides `ffmpeg` and `manager`."""
