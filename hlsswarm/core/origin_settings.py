"""The settings of a test origin, in one table."""

from __future__ import annotations

from pathlib import Path

from hlsswarm.core.setting import Setting, port

ORIGIN_SETTINGS: tuple[Setting, ...] = (
    Setting("profile", "origin", "what stream it plays", str, "default", "NAME"),
    Setting("port", "origin", "port", port, 8080, "PORT", "a number from 1 to 65535"),
    Setting("listen", "origin", "address", str, "127.0.0.1", "ADDRESS"),
    Setting("nginx", "origin", "nginx program (default: the one in PATH)", str, None, "PATH"),
    Setting("access-log", "origin", "write a JSON line for each request", Path, None, "FILE"),
)
"""Every setting of a test origin that takes a value, besides `ffmpeg` and `manager`."""
