"""What is asked of a test origin, and where its stream is then. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hlsswarm.core.profiles import STREAM_PLAYLIST


def origin_url(listen: str, port: int, path: str, *, tls: bool) -> str:
    """Where clients on this machine find `path`, which begins without a slash.

    Raises ValueError when `listen` is no address.
    """
    host = "127.0.0.1" if ipaddress.ip_address(listen).is_unspecified else listen
    scheme = "https" if tls else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/{path}"


@dataclass(frozen=True)
class OriginOptions:
    """What is asked of an origin.

    `profile` is a name or a TOML file, `changes` are texts FIELD=VALUE (profile_text), `encode` is
    `live` or `once`. `source` is a file to play instead of the test pattern. `serve` is a directory
    that others write: no encoder then.
    """

    profile: str = "default"
    changes: tuple[str, ...] = ()
    encode: str = "live"
    source: Path | None = None
    serve: Path | None = None
    listen: str = "127.0.0.1"
    port: int = 8080
    manager: str = "auto"
    ffmpeg: str | None = None
    nginx: str | None = None
    access_log: Path | None = None
    tls: bool = False
    tls_names: tuple[str, ...] = ()

    @property
    def run(self) -> str:
        """The run that the origin is: one for each port."""
        return f"origin{self.port}"

    @property
    def url(self) -> str:
        """Where the stream is; of a directory that is served, its root."""
        path = STREAM_PLAYLIST if self.serve is None else ""
        return origin_url(self.listen, self.port, path, tls=self.tls)


def origin_options(values: Mapping[str, Any]) -> OriginOptions:
    """The options that the values of ORIGIN_SETTINGS, `ffmpeg` and `manager` mean."""
    return OriginOptions(
        profile=values["profile"],
        changes=tuple(values["set"] or ()),
        encode=values["encode"],
        source=values["source"],
        serve=values.get("serve"),
        listen=values["listen"],
        port=values["port"],
        manager=values["manager"],
        ffmpeg=values["ffmpeg"],
        nginx=values["nginx"],
        access_log=values["access_log"],
        tls=values["tls"],
        tls_names=tuple(values["tls_name"] or ()),
    )
