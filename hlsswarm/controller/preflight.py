"""Looks at the stream once before a swarm is sent to it.

One GET of the playlist (and, of a Multivariant Playlist, of its first Media Playlist), so that
a wrong URL is one sentence and not a thousand failing clients.
"""

from __future__ import annotations

import http.client
import socket
import urllib.error
import urllib.request
from dataclasses import dataclass
from urllib.parse import quote, urljoin

import m3u8

from hlsswarm.core.states import DEFAULT_TARGET_DURATION_SECONDS
from hlsswarm.errors import PreflightError

_PLAYLIST_MAX_BYTES = 8 << 20
_HINT = "Open the URL in a player first, or use --skip-preflight to start all the same."
_URL_SAFE = "".join(chr(code) for code in range(0x21, 0x7F))


@dataclass(frozen=True)
class Stream:
    """What the playlist says of the stream."""

    is_live: bool = True
    """No EXT-X-ENDLIST: the presentation goes on (RFC 8216bis, 4.4.3.4)."""
    variants: int = 0
    """Variant Streams of a Multivariant Playlist; 0 where the URL is a Media Playlist."""
    target_duration_seconds: float = DEFAULT_TARGET_DURATION_SECONDS
    looked_at: bool = False


def look_at(url: str, *, timeout_seconds: float, user_agent: str) -> Stream:
    """Fetch and read the playlist. Raises PreflightError with what is wrong with it."""
    final_url, text = _fetch(url, timeout_seconds, user_agent)
    playlist = _parse(url, text)
    variants = len(playlist.playlists)
    if variants:
        first = urljoin(final_url, playlist.playlists[0].uri)
        _, text = _fetch(first, timeout_seconds, user_agent)
        playlist = _parse(first, text)
    if not playlist.segments:
        raise PreflightError(f"The playlist at {url} has no segments (yet).", hint=_HINT)
    target = playlist.target_duration
    return Stream(
        is_live=not playlist.is_endlist,
        variants=variants,
        target_duration_seconds=float(target or DEFAULT_TARGET_DURATION_SECONDS),
        looked_at=True,
    )


def _parse(url: str, text: str) -> m3u8.M3U8:
    if not text.lstrip("\ufeff").startswith("#EXTM3U"):
        raise PreflightError(
            f"What {url} answers is not an HLS playlist: it does not begin with #EXTM3U.",
            hint="Give the URL of the .m3u8, not of a page or a segment.",
        )
    try:
        return m3u8.loads(text, uri=url)
    except Exception as error:  # the library raises whatever its parsing of a line raises
        raise PreflightError(
            f"The playlist at {url} cannot be parsed: {error}.", hint=_HINT
        ) from None


def _fetch(url: str, timeout_seconds: float, user_agent: str) -> tuple[str, str]:
    """The final URL and the text behind a URL. Raises PreflightError."""
    request = urllib.request.Request(
        quote(url, safe=_URL_SAFE), headers={"User-Agent": f"{user_agent}/preflight"}
    )
    # No proxy: the clients use none either.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout_seconds) as answer:
            body = answer.read(_PLAYLIST_MAX_BYTES + 1)
            final_url = str(answer.url)
    except urllib.error.HTTPError as error:
        with error:
            reason = f"{error.code} {error.reason}"
        raise PreflightError(f"The origin answers {reason} for {url}.", hint=_HINT) from None
    except urllib.error.URLError as error:
        raise PreflightError(
            f"{url} cannot be reached: {_words(error.reason)}.", hint=_HINT
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise PreflightError(f"{url} cannot be reached: {_words(error)}.", hint=_HINT) from None
    if len(body) > _PLAYLIST_MAX_BYTES:
        raise PreflightError(
            f"What {url} answers is too large for a playlist.",
            hint="Give the URL of the .m3u8, not of a media file.",
        )
    return final_url, body.decode("utf-8", errors="replace")


def _words(reason: object) -> str:
    """A network error as people say it."""
    if isinstance(reason, ConnectionRefusedError):
        return "the connection was refused (nothing listens there)"
    if isinstance(reason, TimeoutError):
        return "no answer in time"
    if isinstance(reason, socket.gaierror):
        return "the host name cannot be resolved"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return str(reason) or type(reason).__name__
