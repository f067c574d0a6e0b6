"""Whether an origin plays, as its clients see it: by what its web server serves."""

from __future__ import annotations

import asyncio
import time
import urllib.error
from collections.abc import Callable, Sequence
from urllib.parse import urljoin

from hlsswarm.controller.log_tail import last_lines
from hlsswarm.controller.services import Services
from hlsswarm.core import names
from hlsswarm.errors import UnitError
from hlsswarm.origin.web_server import fetched

_READY_SEGMENTS = 2
_WAITING = {"running", "start", "start-pre", "exited"}


async def wait_until(
    ready: Callable[[], str],
    services: Services,
    *,
    what: str,
    timeout_seconds: float,
    hint: str | None = None,
) -> None:
    """Wait until `ready` has nothing more to complain of. Raises UnitError as soon as a unit of the
    run fails, and after `timeout_seconds`.
    """
    deadline = time.monotonic() + timeout_seconds
    while why_not := await asyncio.to_thread(ready):
        for unit in services.manager.list_units(names.run_pattern(services.run)):
            if unit.sub not in _WAITING:
                raise UnitError(f"{unit.name} does not run: {last_message(services, unit.name)}")
        if time.monotonic() > deadline:
            encoders = [name for name in services.started if "-encoder-" in name]
            said = f"; the encoder: {last_message(services, encoders[0])}" if encoders else ""
            raise UnitError(
                f"{what} does not play after {timeout_seconds:.0f} s: {why_not}{said}", hint=hint
            )
        await asyncio.sleep(0.1)


def last_message(services: Services, unit: str) -> str:
    """The last line that a unit has logged."""
    lines = last_lines(services.log(unit), 1)
    return lines[0][:300] if lines else "it left no message"


def lacking_segments(url: str, paths: Sequence[str]) -> str:
    """Why the Media Playlists at these paths, relative to `url`, do not play; empty when all do."""
    for path in paths:
        if why_not := lacking(urljoin(url, path), b"#EXTINF", count=_READY_SEGMENTS):
            return f"{path}: {why_not}" if len(paths) > 1 else why_not
    return ""


def lacking(url: str, tag: bytes, *, count: int = 1) -> str:
    """Why what is at `url` does not have so many lines of `tag`; empty when it has."""
    try:
        body = fetched(url)
    except urllib.error.HTTPError as error:
        with error:
            return f"nginx answers {error.code} {error.reason}"
    except OSError as error:
        return str(error)
    if body.count(tag) >= count or b"#EXT-X-ENDLIST" in body:
        return ""
    return "its playlist has no segments" if tag == b"#EXTINF" else f"there is no {tag.decode()}"


def playlist_segments(url: str) -> int:
    """Media Segments that the playlist at `url` lists, or in a Multivariant Playlist its first
    Variant Stream; 0 when it is not there.
    """
    try:
        lines = fetched(url).decode(errors="replace").splitlines()
        if any(line.startswith("#EXT-X-STREAM-INF") for line in lines):
            first = next(line for line in lines if line and not line.startswith("#"))
            lines = fetched(urljoin(url, first)).decode(errors="replace").splitlines()
    except (OSError, StopIteration):
        return 0
    return sum(line.startswith("#EXTINF") for line in lines)
