"""Looks at the stream once before a swarm is sent to it.

One GET of the playlist (and, of a Multivariant Playlist, of its first Media Playlist), so that
a wrong URL is one sentence and not a thousand failing clients.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import http.client
import os
import socket
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

import m3u8

from hlsswarm.controller.trust import tls_context
from hlsswarm.core.headers import Header
from hlsswarm.core.hosts import Hosts, fetched_urls, foreign_hosts, host_of, plan_hosts
from hlsswarm.core.plan import Plan, check_url
from hlsswarm.core.selection import ProbeFailure, Selection, VariantWish
from hlsswarm.core.states import DEFAULT_TARGET_DURATION_SECONDS
from hlsswarm.core.trust import UNCHECKED, Trust
from hlsswarm.core.variants import ffprobe_command, select, select_program, unread
from hlsswarm.errors import HlsSwarmError, PreflightError, UsageError

_PLAYLIST_MAX_BYTES = 8 << 20
_TIMEOUT_MAX_SECONDS = 600.0
_REASON_MAX = 200
_HOSTS_SHOWN = 8
_HINT = "Open the URL in a player first, or use --skip-preflight to start all the same."
_URL_SAFE = "".join(chr(code) for code in range(0x21, 0x7F))


class StreamAbsentError(PreflightError):
    """No stream is there, or not yet: another look may find it."""


@dataclass(frozen=True)
class Stream:
    """What the playlist says of the stream that a client is to play."""

    is_live: bool = True
    """No EXT-X-ENDLIST: the presentation goes on (RFC 8216bis, 4.4.3.4)."""
    variants: int = 0
    """Variant Streams of a Multivariant Playlist; 0 where the URL is a Media Playlist."""
    selection: Selection | None = None
    """What of them is played; None is all."""
    target_duration_seconds: float = DEFAULT_TARGET_DURATION_SECONDS
    segment_seconds: float = DEFAULT_TARGET_DURATION_SECONDS
    """Media in a segment, on average over those that are listed."""
    dated_url: str | None = None
    """A live Media Playlist whose segments have dates (EXT-X-PROGRAM-DATE-TIME)."""
    looked_at: bool = False
    hosts: tuple[str, ...] = ()
    """Hosts that its playlists lead to, as far as they were looked at."""

    @property
    def playlists(self) -> int:
        """Media Playlists that a client plays at the same time."""
        variant = self.selection.variant if self.selection else None
        return len(variant.urls) if variant else max(1, self.variants)


@dataclass(frozen=True)
class Look:
    """How to look at a stream: as the clients will."""

    url: str
    timeout_seconds: float
    user_agent: str
    headers: tuple[Header, ...] = ()
    variant: VariantWish = "all"
    probe_failure: ProbeFailure = "fallback"
    address: str | None = None
    """What the URL's host name stands for (--resolve)."""
    ffprobe: Path | None = None
    trust: Trust = UNCHECKED
    hosts: Hosts | None = None
    """What playlists and redirects may lead to; None is anywhere."""

    @classmethod
    def of(cls, plan: Plan, ffmpeg: Path) -> Look:
        """The look that a plan asks for; ffprobe is looked for beside its ffmpeg."""
        beside = ffmpeg.with_name("ffprobe")
        client = plan.client
        return cls(
            client.url,
            client.timeout_seconds,
            client.user_agent,
            client.sent_headers,
            plan.variant,
            plan.probe_failure,
            plan.resolve_address,
            beside if os.access(beside, os.X_OK) else None,
            client.trust,
            plan_hosts(client.url, plan.resolve_address, plan.allow_hosts),
        )


def look_at(look: Look) -> Stream:
    """Fetch and read the playlist. Raises PreflightError with what is wrong with it."""
    url = look.url
    final_url, text = _fetch(url, look)
    media_url = final_url
    playlist = _parse(url, text)
    variants = len(playlist.playlists)
    selection = None
    seen = set() if look.variant != "all" and variants else set(fetched_urls(text, final_url))
    if look.variant != "all":
        selection = select(text, final_url, look.variant, on_failure=look.probe_failure)
    if variants:
        chosen = selection.variant if selection else None
        seen |= set(chosen.urls if chosen else fetched_urls(text, final_url))
        _check_hosts(look, seen)
        uri = chosen.url if chosen else playlist.playlists[0].uri
        first = _variant_url(url, final_url, uri)
        media_url, text = _fetch(first, look)
        playlist = _parse(first, text)
        seen |= set(fetched_urls(text, media_url))
    _check_hosts(look, seen)
    if not playlist.segments:
        raise StreamAbsentError(f"The playlist at {url} has no segments (yet).", hint=_HINT)
    target = playlist.target_duration
    dated = not playlist.is_endlist and playlist.segments[-1].current_program_date_time is not None
    lengths = [segment.duration or 0.0 for segment in playlist.segments]
    return Stream(
        is_live=not playlist.is_endlist,
        variants=variants,
        selection=selection,
        target_duration_seconds=float(target or DEFAULT_TARGET_DURATION_SECONDS),
        segment_seconds=sum(lengths) / len(lengths) or DEFAULT_TARGET_DURATION_SECONDS,
        dated_url=media_url if dated else None,
        looked_at=True,
        hosts=tuple(sorted({host for url in seen if (host := host_of(url))})),
    )


def _check_hosts(look: Look, urls: Iterable[str]) -> None:
    """Raise PreflightError for URLs on hosts that nobody has named: others' are not to be loaded
    because a playlist says so.
    """
    if look.hosts is None:
        return
    foreign = [_plain(host) for host in foreign_hosts(sorted(urls), look.hosts)]
    if foreign:
        shown = ", ".join(foreign[:_HOSTS_SHOWN]) + (", …" if len(foreign) > _HOSTS_SHOWN else "")
        raise PreflightError(
            f"{look.url} leads to hosts that the plan does not name: {shown}.",
            hint=f"If you may load them, too: --allow-host {','.join(foreign[:_HOSTS_SHOWN])}",
        )


def select_unseen(look: Look) -> Stream:
    """Only choose the variant, where nothing else is to be checked (--skip-preflight)."""
    if look.variant == "all":
        return Stream()
    look = dataclasses.replace(look, hosts=None)
    try:
        return look_at(look)
    except PreflightError as error:
        probed = _probed(look)
        selection = probed or unread(
            look.variant, error.message.rstrip("."), on_failure=look.probe_failure
        )
        return Stream(selection=selection)


def _probed(look: Look) -> Selection | None:
    """The choice by ffprobe, for an input that is no HLS playlist; None where that fails too."""
    if look.ffprobe is None:
        return None
    command = ffprobe_command(
        look.ffprobe,
        look.url,
        timeout_seconds=look.timeout_seconds,
        user_agent=f"{look.user_agent}/preflight",
    )
    try:
        answer = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=min(2 * look.timeout_seconds, _TIMEOUT_MAX_SECONDS),
        )
    except (OSError, subprocess.SubprocessError):
        return None
    text = answer.stdout.decode(errors="replace")
    return select_program(text, look.variant, on_failure=look.probe_failure)


def _variant_url(url: str, base: str, uri: str | None) -> str:
    """The URL of a Variant Stream. Raises PreflightError where no client can be sent there."""
    try:
        return check_url(urljoin(base, uri or ""))
    except (ValueError, UsageError):
        raise PreflightError(
            f"The playlist at {url} points to {_plain(uri or 'nothing')}, which is not HTTP.",
            hint=_HINT,
        ) from None


def _parse(url: str, text: str) -> m3u8.M3U8:
    if not text.strip():
        raise StreamAbsentError(f"What {url} answers is empty.", hint=_HINT)
    if not text.lstrip("\ufeff").startswith("#EXTM3U"):
        raise PreflightError(
            f"What {url} answers is not an HLS playlist: it does not begin with #EXTM3U.",
            hint="Give the URL of the .m3u8, not of a page or a segment.",
        )
    try:
        return m3u8.loads(text, uri=url)
    except Exception as error:  # the library raises whatever its parsing of a line raises
        raise PreflightError(
            f"The playlist at {url} cannot be parsed: {_plain(str(error))}.", hint=_HINT
        ) from None


@dataclass
class _Fetched:
    """What a fetch came to."""

    url: str = ""
    body: bytes = b""
    error: BaseException = field(default_factory=TimeoutError)


def _fetch(url: str, look: Look) -> tuple[str, str]:
    """The final URL and the text behind a URL, in the look's timeout all in all.

    Raises PreflightError.
    """
    timeout = min(look.timeout_seconds, _TIMEOUT_MAX_SECONDS)
    result = _Fetched()
    # A socket's timeout is for one read: a server that drips would hold us for hours, and so
    # may a resolver. The thread is left to itself then, and ends with this process.
    thread = threading.Thread(
        target=_get, args=(_request(url, look), _opener(look), timeout, result), daemon=True
    )
    thread.start()
    thread.join(timeout)
    if thread.is_alive() or not result.url:
        raise _told(url, TimeoutError() if thread.is_alive() else result.error)
    if len(result.body) > _PLAYLIST_MAX_BYTES:
        raise PreflightError(
            f"What {url} answers is too large for a playlist.",
            hint="Give the URL of the .m3u8, not of a media file.",
        )
    return result.url, result.body.decode("utf-8", errors="replace")


def _request(url: str, look: Look) -> urllib.request.Request:
    """A GET as a client makes it: a user and password in the URL become a header."""
    parts = urlsplit(url)
    credentials, at, host = parts.netloc.rpartition("@")
    headers = {header.name: header.value for header in look.headers}
    headers["User-Agent"] = f"{look.user_agent}/preflight"
    if at:
        basic = base64.b64encode(unquote(credentials).encode()).decode()
        headers["Authorization"] = f"Basic {basic}"
    bare = urlunsplit(parts._replace(netloc=host))
    return urllib.request.Request(quote(bare, safe=_URL_SAFE), headers=headers)


def _opener(look: Look) -> urllib.request.OpenerDirector:
    """As the clients: through no proxy, to the address that --resolve names, and with a look at
    certificates where --tls-verify asks for it.
    """
    # Reading the machine's authorities takes longer than all else here: only where they are wanted.
    context = functools.cache(lambda: tls_context(look.trust))
    name = urlsplit(look.url).hostname

    def connect(address: tuple[str, int], *more: Any) -> socket.socket:
        host, port = address
        return socket.create_connection((look.address or host, port), *more)

    def placed(connection: http.client.HTTPConnection) -> http.client.HTTPConnection:
        # The hook by which http.client itself makes its sockets; SNI and Host keep the name.
        if look.address is not None and connection.host == name:
            setattr(connection, "_create_connection", connect)  # noqa: B010
        return connection

    class Plain(urllib.request.HTTPHandler):
        def http_open(self, request: urllib.request.Request) -> Any:
            def plain(*a: Any, **k: Any) -> http.client.HTTPConnection:
                return placed(http.client.HTTPConnection(*a, **k))

            return self.do_open(plain, request)

    class Secure(urllib.request.HTTPSHandler):
        def https_open(self, request: urllib.request.Request) -> Any:
            def secure(*a: Any, **k: Any) -> http.client.HTTPConnection:
                return placed(http.client.HTTPSConnection(*a, context=context(), **k))

            return self.do_open(secure, request)

    class Redirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *a: Any, **k: Any) -> urllib.request.Request | None:
            request = super().redirect_request(*a, **k)
            _check_hosts(look, [request.full_url] if request else [])
            return request

    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}), Plain(), Secure(), Redirect()
    )


def _get(
    request: urllib.request.Request,
    opener: urllib.request.OpenerDirector,
    timeout_seconds: float,
    result: _Fetched,
) -> None:
    try:
        with opener.open(request, timeout=timeout_seconds) as answer:
            result.body = answer.read(_PLAYLIST_MAX_BYTES + 1)
            result.url = str(answer.url)
    except Exception as error:  # told by the thread that waits
        result.error = error


def _told(url: str, error: BaseException) -> HlsSwarmError:
    """The sentence for an error of a fetch."""
    if isinstance(error, urllib.error.HTTPError):
        with error:
            first = str(error.reason).partition("\n")[0]
            reason = f"{error.code} {_plain(first)}".strip()
        if 300 <= error.code < 400:
            return PreflightError(f"{url} redirects to nowhere ({reason}).", hint=_HINT)
        return StreamAbsentError(f"The origin answers {reason} for {url}.", hint=_HINT)
    refused = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(refused, ssl.SSLCertVerificationError):
        return PreflightError(
            f"The certificate of {url} is refused: {_certificate_words(refused)}.",
            hint="--ca-file names an authority to accept; without --tls-verify none is checked.",
        )
    if isinstance(error, urllib.error.URLError):
        return StreamAbsentError(f"{url} cannot be reached: {_words(error.reason)}.", hint=_HINT)
    if isinstance(error, (OSError, http.client.HTTPException, ValueError)):
        return StreamAbsentError(f"{url} cannot be reached: {_words(error)}.", hint=_HINT)
    raise error


# The first that fits, as people say it.
_NETWORK_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (ConnectionRefusedError, "the connection was refused (nothing listens there)"),
    (http.client.RemoteDisconnected, "the connection was closed without an answer"),
    (ConnectionResetError, "the connection was reset"),
    (TimeoutError, "no answer in time"),
    (socket.gaierror, "the host name cannot be resolved"),
    (UnicodeError, "the host name cannot be resolved"),
    (http.client.IncompleteRead, "the answer broke off"),
    (http.client.BadStatusLine, "what listens there does not speak HTTP"),
)


def _certificate_words(error: ssl.SSLCertVerificationError) -> str:
    text = _plain(error.verify_message).rstrip(".")
    return f"{text[:1].lower()}{text[1:]}" or "no reason given"


def _words(reason: object) -> str:
    """A network error as people say it."""
    for kind, words in _NETWORK_WORDS:
        if isinstance(reason, kind):
            return words
    if isinstance(reason, ssl.SSLError):
        detail = (reason.reason or "").replace("_", " ").lower()
        return f"TLS failed ({detail or 'no reason given'})"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return _plain(str(reason)) or type(reason).__name__


def _plain(text: str) -> str:
    """Text of others without what could steer a terminal, and not too long."""
    return "".join(filter(str.isprintable, text)).strip()[:_REASON_MAX]
