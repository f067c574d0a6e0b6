"""Command lines of the ffmpeg clients, and which options each ffmpeg has.

Knows ffmpeg's options (ffmpeg-protocols(1) http, ffmpeg-formats(1) hls); starts nothing. Of the
http options, hls.c hands headers, http_proxy, user_agent, cookies, referer and rw_timeout down to
all that a playlist leads to; the others, `reconnect` among them, are for the input's own URL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from hlsswarm.core.headers import (
    Header,
    all_headers,
    check_secrets,
    has_secret,
    header_block,
    input_script,
)
from hlsswarm.core.resolve import Resolution, host_header_value, proxy_url, rewritten_url
from hlsswarm.core.selection import Selection
from hlsswarm.core.trust import UNCHECKED, Trust

Measure = Literal["exact", "light"]
"""`exact`: one request a connection, so ffmpeg tells each request's end and bytes;
`light`: kept-alive connections as a player has them, bytes known when a connection ends."""

Pace = Literal["max", "realtime"]
"""`max`: a VOD is fetched as fast as it comes; `realtime`: as it is watched, a segment each
Target Duration after the first three. Live is paced by the origin, with either."""
PACES: tuple[Pace, ...] = get_args(Pace)

TESTED_MAJORS = (5, 6, 7, 8, 9)
_VERSION = re.compile(r"ffmpeg version (\S+)")
_RELEASE = re.compile(r"n?(\d+)\.(\d+)")


@dataclass(frozen=True)
class FFmpegVersion:
    """What `ffmpeg -version` says: the full text, and the release where it has one."""

    text: str
    release: tuple[int, int] | None

    @property
    def is_known(self) -> bool:
        """Whether this is a release whose options and log lines have been tried."""
        return self.release is not None and self.release[0] in TESTED_MAJORS

    @property
    def has_segment_retry(self) -> bool:
        """`-seg_max_retry` came after 5.1 (libavformat/hls.c)."""
        return self.release is None or self.release >= (6, 0)

    @property
    def checks_every_certificate(self) -> bool:
        """With 8.0 the check became the default, and so is done behind playlists (Changelog)."""
        return self.release is None or self.release >= (8, 0)

    @property
    def has_initial_burst(self) -> bool:
        """`-readrate_initial_burst` came with 6.1 (Changelog)."""
        return self.release is None or self.release >= (6, 1)


def parse_ffmpeg_version(output: str) -> FFmpegVersion | None:
    """The version in the output of `ffmpeg -version`; None when this is not ffmpeg's.

    Debian prefixes nothing (`5.1.9-0+deb12u1`), git tags an `n` (`n7.1`), nightly builds tell
    no release (`N-117000-g1234`): then `release` is None.
    """
    match = _VERSION.search(output)
    if match is None:
        return None
    release = _RELEASE.match(match[1])
    return FFmpegVersion(match[1], (int(release[1]), int(release[2])) if release else None)


def parse_protocols(output: str) -> frozenset[str]:
    """The protocols that `ffmpeg -protocols` lists for inputs."""
    inputs = output.partition("Input:")[2].partition("Output:")[0]
    return frozenset(inputs.split())


def parse_demuxers(output: str) -> frozenset[str]:
    """The names that `ffmpeg -demuxers` lists, aliases apart: ` D  hls   Apple HTTP Live …`."""
    rows = re.findall(r"^ D[ .d]{1,2} +([a-z0-9_,]+)(?: |$)", output, re.MULTILINE)
    return frozenset(name for row in rows for name in row.split(","))


@dataclass(frozen=True)
class ClientOptions:
    """What a client is asked to do, in the words of the command line."""

    url: str
    user_agent: str = "hlsswarm/1.0"
    timeout_seconds: float = 15.0
    reconnect: bool = True
    reconnect_delay_max_seconds: int = 5
    segment_retries: int = 3
    measure: Measure = "exact"
    selection: Selection | None = None
    """What of the stream is played; None is all that is behind the URL."""
    headers: tuple[Header, ...] = ()
    no_cache: bool = False
    headers_in_command_line: bool = False
    """The user's consent to secret headers that everybody on the machine can read."""
    pace: Pace = "max"
    initial_burst_seconds: float = 0.0
    """With pace realtime: media that is fetched at once at the start, as a player's buffer is."""
    resolution: Resolution | None = None
    trust: Trust = UNCHECKED

    def __post_init__(self) -> None:
        """Raise UsageError for headers that cannot be sent, or certificates that are not there."""
        self.trust.check(self.url)
        check_secrets(self.sent_headers, in_command_line=self.headers_in_command_line)

    @property
    def sent_headers(self) -> tuple[Header, ...]:
        """All headers of a request that are not ffmpeg's own."""
        headers = all_headers(self.headers, no_cache=self.no_cache)
        is_rewritten = self.resolution is not None and self.resolution.way == "rewrite"
        if is_rewritten and not any(header.name.lower() == "host" for header in headers):
            return (Header("Host", host_header_value(self.url)), *headers)
        return headers

    @property
    def needs_scripts(self) -> bool:
        """Whether client_scripts() has to be written before a client starts."""
        return has_secret(self.sent_headers) and not self.headers_in_command_line

    @property
    def media_urls(self) -> tuple[str, ...]:
        """What a client plays: the URL itself, or the Media Playlists of the chosen variant."""
        variant = self.selection.variant if self.selection else None
        return tuple(map(self._located, variant.urls if variant else (self.url,)))

    @property
    def interleaves(self) -> bool:
        """Whether ffmpeg fetches by several demuxers at once, each a thread that logs by itself.

        Which end belongs to which request cannot be told then: measuring has to be `light`.
        """
        return len(self.media_urls) > 1

    @property
    def looked_at_url(self) -> str | None:
        """The Multivariant Playlist, where each client fetches it without playing all of it.

        With a script it is left out: a concat script cannot say that an input is plain data.
        """
        chosen = self.selection is not None and self.selection.variant is not None
        return self._located(self.url) if chosen and not self.needs_scripts else None

    def _located(self, url: str) -> str:
        if self.resolution is None or self.resolution.way != "rewrite":
            return url
        return rewritten_url(self.resolution, url)


PROTOCOLS = "http,https,tcp,tls,crypto"
"""All that a client may open, whatever a playlist says: without rtp, udp, data and httpproxy, which
ffmpeg itself allows behind http."""
_SCRIPT_PROTOCOLS = "file"
"""For a script alone: it opens its one input with PROTOCOLS, as its options say."""

_Option = tuple[str, str]


def client_command(
    ffmpeg: Path,
    version: FFmpegVersion,
    options: ClientOptions,
    *,
    client: int,
    scripts: Path | None = None,
) -> tuple[str, ...]:
    """The whole command of client number `client` (from 1).

    It fetches and parses, and decodes nothing: `-c copy -f null`. `verbose` is the lowest log
    level that tells each request and its bytes; `level` puts the level in brackets on every
    version, `repeat` keeps ffmpeg from folding equal lines.

    `scripts` is the directory of client_scripts(); raises ValueError where it is needed and None.
    """
    command = [str(ffmpeg), "-hide_banner", "-nostdin", "-nostats"]
    command += ["-loglevel", "repeat+level+verbose"]
    http = _http_options(options, client)
    inputs = 0
    if options.looked_at_url is not None:
        tls = _tls_options(options, options.looked_at_url)
        command += [*_words([*http, *tls]), "-f", "data", "-i", options.looked_at_url]
        inputs += 1
    maps = []
    for number, url in enumerate(options.media_urls):
        command += _pace(version, options)
        if options.needs_scripts:
            if scripts is None:
                raise ValueError("secret headers need a directory for scripts")
            path = scripts / script_name(client, number)
            command += ["-f", "concat", "-safe", "0", "-protocol_whitelist", _SCRIPT_PROTOCOLS]
            command += ["-i", str(path)]
        else:
            own = [*http, *_tls_options(options, url)]
            command += [*_words(_hls_options(version, options, own)), "-i", url]
        maps.append(str(inputs))
        inputs += 1
    if options.selection is not None and options.selection.program is not None:
        maps = [f"0:p:{options.selection.program}"]
    for wanted in maps:
        command += ["-map", wanted]
    command += ["-c", "copy", "-f", "null", "-"]
    return tuple(command)


def client_scripts(
    version: FFmpegVersion, options: ClientOptions, *, client: int
) -> dict[str, str]:
    """Files that a client's command reads, by name; they hold secrets (mode 0600). Often none."""
    if not options.needs_scripts:
        return {}
    http = _http_options(options, client)
    scripts = {}
    for number, url in enumerate(options.media_urls):
        own = _hls_options(version, options, [*http, *_tls_options(options, url)])
        # The line end of the one header is added by ffmpeg: a script cannot carry it.
        pairs = [(name, value.removesuffix("\r\n")) for name, value in own]
        scripts[script_name(client, number)] = input_script(url, pairs)
    return scripts


def script_name(client: int, number: int) -> str:
    """Name of the script of a client's input `number` (from 0)."""
    return f"client-{client}-{number}.ffconcat"


def notes(version: FFmpegVersion, options: ClientOptions) -> tuple[str, ...]:
    """What this ffmpeg, or a client's other options, keep from being as asked; in sentences."""
    result = []
    if not version.has_segment_retry and options.segment_retries:
        result.append(f"ffmpeg {version.text} does not ask again for a failed Media Segment.")
    burst = options.pace == "realtime" and options.initial_burst_seconds > 0
    if burst and not version.has_initial_burst:
        result.append(
            f"ffmpeg {version.text} has no burst at the start: three segments come at once."
        )
    if options.trust.verify and not version.checks_every_certificate:
        result.append(
            f"ffmpeg {version.text} checks the certificate where a session begins, and not again "
            "for segments."
        )
    if options.interleaves:
        result.append(
            "Video and audio are fetched side by side: measured light, as ends of requests cannot "
            "be told apart."
        )
    if options.needs_scripts and options.selection is not None and options.selection.variant:
        result.append(
            "With a secret header a client does not fetch the Multivariant Playlist itself."
        )
    return tuple(result)


def _http_options(options: ClientOptions, client: int) -> list[_Option]:
    """Options of every http input of a client."""
    result: list[_Option] = [("protocol_whitelist", PROTOCOLS)]
    if options.reconnect:
        result += [("reconnect", "1"), ("reconnect_streamed", "1")]
        result.append(("reconnect_on_network_error", "1"))
        result.append(("reconnect_delay_max", str(options.reconnect_delay_max_seconds)))
    result.append(("rw_timeout", str(round(options.timeout_seconds * 1_000_000))))
    result.append(("user_agent", f"{options.user_agent}/client-{client}"))
    if options.sent_headers:
        result.append(("headers", header_block(options.sent_headers)))
    if options.resolution is not None and options.resolution.way == "proxy":
        result.append(("http_proxy", proxy_url(options.resolution, options.url)))
    return result


def _tls_options(options: ClientOptions, url: str) -> list[_Option]:
    """Options of an input for its certificate."""
    if options.resolution is None or options.resolution.way != "rewrite":
        return options.trust.options(url)
    if options.trust.verify:
        return options.trust.options(url, name=options.resolution.host)
    return [("tls_verify", "0")]


def _hls_options(
    version: FFmpegVersion, options: ClientOptions, http: list[_Option]
) -> list[_Option]:
    """The same, and those of the hls demuxer."""
    before = [("http_persistent", "0")] if options.measure == "exact" else []
    retries = [("seg_max_retry", str(options.segment_retries))] if version.has_segment_retry else []
    return [*before, *http, *retries]


def _pace(version: FFmpegVersion, options: ClientOptions) -> list[str]:
    """`-readrate` (ffmpeg(1), since 5.0) paces by the media's own timestamps.

    Without it nobody misses the first packets: `nobuffer` drops those from which ffmpeg has learnt
    what the streams are, rather than keep some seconds of media (docs/client-flags.md).
    """
    if options.pace == "max":
        return ["-fflags", "nobuffer"]
    burst = options.initial_burst_seconds
    if burst > 0 and version.has_initial_burst:
        return ["-readrate", "1", "-readrate_initial_burst", f"{burst:g}"]
    return ["-readrate", "1"]


def _words(options: list[_Option]) -> list[str]:
    return [word for name, value in options for word in (f"-{name}", value)]
