"""Read one ffmpeg HLS client's log and tell a sink what that client asked for and got.

Knows the lines that libavformat's hls.c, http.c, tcp.c, aviobuf.c and options.c print from level
verbose on, as seen from ffmpeg 5.1, 7.1 and 9.0. Must not know files, sockets, clocks, asyncio or
what becomes of the calls: bytes and the caller's time go in, calls on a TelemetrySink come out.

Requests: `HLS request for url` announces a Media Segment or an init section, `Opening 'U'` is the
request itself. An Opening of another URL before the announced one is its key; any other is a
playlist. Where a playlist's URL is the input's, level verbose shows only its TCP connection: a
silent one. In exact measuring that is a playlist's unless the request opened last has not ended
(redirect, reconnect, second address). In light measuring an answered segment leaves no line, so the
line after it decides: a parsed playlist says `Skip ('#`, a redirect does not.
`Statistics` in exact measuring: the demuxer is one thread, so while a playlist, key or init section
is open the line is its; else it ends a segment. With segments of several playlists open it is held
until hls.c goes on with that playlist's reload or next segment (without such a hint: the oldest).
After ffmpeg's closing report it is what the stop cut off: aborted, and its bytes are bytes_read.
The minimal ffmpeg stamps its lines (`[verbose 81234567]`: CLOCK_MONOTONIC in microseconds, from
ffmpeg_minimal/source.sed). Then a line's time is when it was said, however late it is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from hlsswarm.telemetry.sink import RequestKind, TelemetrySink

Measure = Literal["exact", "light"]
MAX_LINE_BYTES: Final = 64 * 1024
MAX_ERROR_CHARACTERS: Final = 300
_MAX_REMEMBERED_URLS: Final = 1024
_TROUBLE: Final = frozenset({"warning", "error", "fatal", "panic"})
_LEVELS: Final = {name.encode(): name for name in (*_TROUBLE, "info", "verbose", "debug")}
_HLS_REQUEST: Final = re.compile(rb"HLS request for url '(.*)', offset (\d+), playlist (\d{1,9})$")
_OPENING: Final = re.compile(rb"Opening '(?:crypto[+:])?(.*)' for reading$")
_STATISTICS: Final = re.compile(rb"Statistics: (\d{1,18}) bytes read")
_HTTP_ERROR: Final = re.compile(rb"HTTP error (\d{3})\b")
_INPUT: Final = re.compile(rb"Input #\d+, (data|hls|concat), from")
_SKIPPED_TAG: Final = re.compile(rb"\[[^]]*\] \[info(?: \d+)?\] Skip \('#")
_NO_LONGER: Final = re.compile(rb"No longer receiving playlist (\d{1,9})")
_ADDRESS: Final = re.compile(r" @ 0x[0-9a-fA-F]+|\b0x[0-9a-fA-F]{6,}")
# RFC 8216bis, section 3.1: fragmented MP4 needs EXT-X-MAP; TS, packed audio and WebVTT do not.
_PLAIN_NAMES: Final = (b".ts", b".m2ts", b".aac", b".mp3", b".ac3", b".ec3", b".vtt", b".webvtt")
_MP4_NAMES: Final = (b".mp4", b".m4s", b".m4v", b".m4a", b".m4i", b".cmfv", b".cmfa", b".fmp4")

_PLAYLIST, _SEGMENT = RequestKind.PLAYLIST, RequestKind.SEGMENT
# The first 20 bytes of hls.c's complaints that an opening failed, and what it can be about.
_FAILURES: Final = {
    b"Failed to open segme": (_SEGMENT,),
    b"Failed to open an in": (RequestKind.INIT, _SEGMENT),
    b"Failed to reload pla": (_PLAYLIST,),
    b"parse_playlist error": (_PLAYLIST,),
    b"Unable to open key f": (RequestKind.KEY,),
}


@dataclass(slots=True, eq=False)
class _Request:
    kind: RequestKind
    started: float
    url: bytes = b""
    playlist: int = 0
    kept_alive: bool = False
    connected: bool = False
    first: bool = False  # for the input itself, whose connection ffmpeg keeps until its exit


class FFmpegLogParser:
    """The parser of one client's log; how the bytes are cut into chunks does not matter.

    Measuring "exact" expects `-http_persistent 0`, "light" kept-alive connections, both expect
    `-loglevel repeat+level+verbose` or `+debug`. A body that stalls until -rw_timeout counts as
    finished, short: ffmpeg goes on with what it has and prints nothing.

    An init section is requested by the same line as a segment. INIT is the first request of a
    playlist if named like MP4, a repeated one for a playlist's first URL and offset unless it is
    named like TS or audio, and an MP4 name with "init" in it; any other new one is a SEGMENT.

    `lines`, `recognised` of them, `dropped_bytes` of lines over 64 KiB, `aborted` by the stop;
    `stamped`: whether the last line told its own time. None counts as said before `began`.
    """

    def __init__(
        self, sink: TelemetrySink, *, measure: Measure = "exact", began: float = 0.0
    ) -> None:
        self.lines = self.recognised = self.dropped_bytes = self.aborted = 0
        self.stamped = False
        self._said_at = began
        self._sink = sink
        self._exact = measure == "exact"
        self._partial = bytearray()
        self._told_first = False
        self._dropping = self._levelled = self._signalled = False  # levelled: ffmpeg itself logs
        self._skipping = False  # the line before told a tag of a playlist that hls.c does not read
        self._context = self._bare = b""
        self._announced: tuple[RequestKind, bytes, int] | None = None  # kind, URL, playlist
        self._last: _Request | None = None  # opened last and, as far as the log tells, not ended
        self._segments: list[_Request] = []  # exact only, in the order of their opening
        self._held: list[tuple[float, int, bool]] = []  # Statistics: time, bytes, cut short
        self._silent: float | None = None
        self._silent_status: int | None = None
        self._announced_open = self._begun = self._skips = self._cut = self._ending = False
        self._media_playlists: dict[bytes, int] = {}
        self._first_of: dict[int, tuple[bytes, bytes]] = {}
        self._inits: set[tuple[bytes, bytes]] = set()

    def feed(self, data: bytes, now: float) -> None:
        """Take the next bytes of the log.

        `now` in seconds of a clock that does not go back; for stamped lines it is CLOCK_MONOTONIC.
        """
        lines = data.replace(b"\r", b"\n").split(b"\n")  # \r: a progress report, glued to a message
        rest = lines.pop()
        if lines and (self._partial or self._dropping):
            self._hold(lines[0])
            lines[0] = bytes(self._partial)
            self._partial.clear()
            self._dropping = False
        for line in filter(None, lines):
            if self._skipping and _SKIPPED_TAG.match(line):
                # A playlist with dates has one such line a segment: half the log, all the same.
                self.lines += 1
                self.recognised += 1
            else:
                self._take(line, now)
        self._hold(rest)

    def close(self, now: float) -> None:
        """The log has ended: read its unfinished line and count what is still open."""
        self.feed(b"\n", now)
        if self._bare and self._levelled:
            self._report("error", self._bare)
        self._settle(None)
        self._settle_silent(now, is_playlist=not self._skips)
        if not self._exact and self._ending and not self._signalled:
            self._prove(now)  # a playlist that was played to its end
        self.aborted += len({*self._segments, self._last} - {None})
        self._segments, self._last, self._bare = [], None, b""

    def _hold(self, part: bytes) -> None:
        if self._dropping:
            self.dropped_bytes += len(part)
            return
        self._partial += part
        if len(self._partial) > MAX_LINE_BYTES:
            self.dropped_bytes += len(self._partial)
            self._partial.clear()
            self._dropping = True

    def _take(self, line: bytes, now: float) -> None:
        if len(line) > MAX_LINE_BYTES:
            self.dropped_bytes += len(line)
            return
        self.lines += 1
        self._skipping = False
        begin, end = 1, line.find(b"] ") if line[0] == 0x5B else -1
        while end < 0 or not (level := _LEVELS.get((told := line[begin:end].partition(b" "))[0])):
            begin = end + 3
            if end < 0 or line[end + 2 : begin] != b"[":
                # Before any logging the loader's or the option parser's complaint; later a dump at
                # level debug goes on, unless these are the last words of the process.
                self._bare = line
                if not self._levelled:
                    self._report("error", line)
                return
            end = line.find(b"] ", begin)
        self._levelled, self._bare = True, b""
        self.stamped = told[2].isdigit()
        if self.stamped:
            self._said_at = now = max(self._said_at, min(now, int(told[2]) / 1e6))
        self._context = line[:5] if begin > 1 else b""
        message = line[end + 2 :]
        if level in _TROUBLE:
            self.recognised += self._trouble(level, message, now)
            self._report(level, message)
        elif handler := _HANDLERS.get(message[:8]):
            self.recognised += handler(self, message, now)

    def _landmark(self, message: bytes, now: float) -> bool:
        if match := _INPUT.match(message):
            self._prove(now, only_first=True)
            self._begun = match[1] != b"data"  # a Multivariant Playlist apart from what is played
            if self._begun:
                self._sink.input_opened(now)
        elif message.startswith(b"Input file #0 ("):
            self._settle(None)
            self._ending = True
        elif message.startswith(b"Exiting normally, received signal"):
            self._signalled = True
        elif message.startswith(b"Skip ('#"):
            self._skips = self._skipping = True
            self._settle_silent(now, is_playlist=True)
            self._prove(now, only_first=True)
        elif match := _NO_LONGER.match(message):  # its segment has just ended
            self._settle(int(match[1]))
        return True

    def _hls_request(self, message: bytes, now: float) -> bool:
        if not (match := _HLS_REQUEST.match(message)):
            return False
        url, playlist = match[1], int(match[3])
        self._supersede(now)
        self._settle(playlist)
        key = (url, match[2])
        name = url.partition(b"?")[0].rpartition(b"/")[2].lower()
        first = self._first_of.setdefault(playlist, key)
        repeated = key in self._inits or (key is not first and key == first)
        is_init = repeated and not name.endswith(_PLAIN_NAMES)
        is_init |= name.endswith(_MP4_NAMES) and (key is first or b"init" in name)
        if is_init and len(self._inits) < _MAX_REMEMBERED_URLS:
            self._inits.add(key)
        self._announced = (RequestKind.INIT if is_init else _SEGMENT, url, playlist)
        if not is_init and not self._told_first:
            self._told_first = True
            self._sink.first_segment(url.decode(errors="replace"))
        self._announced_open = False
        return True

    def _opening(self, message: bytes, now: float) -> bool:
        if (match := _OPENING.match(message)) is None:
            return False
        url, last = match[1], self._last
        kept_alive = self._context == b"[http"
        if last and last.kept_alive and not kept_alive and last.url == url:
            # The kept-alive connection was dead; hls.c asks once more on a new one.
            self._settle_silent(now, is_playlist=False)
            last.kept_alive = False
            return True
        self._supersede(now)
        kind, playlist = _PLAYLIST, 0
        if self._announced is not None and self._announced[1] == url:
            kind, _, playlist = self._announced
            self._announced_open = True
        elif self._announced is not None and not self._announced_open:
            kind = RequestKind.KEY
        else:
            # hls.c loads the Media Playlists of a Multivariant Playlist in their order at first.
            if self._begun:
                playlist = self._media_playlists.setdefault(url, len(self._media_playlists))
            self._settle(playlist)
        self._start(_Request(kind, now, url, playlist, kept_alive))
        return True

    def _connection(self, now: float) -> bool:
        last = self._last
        if not self._begun or (self._exact and last is None):
            self._settle(None)
            self._start(_Request(_PLAYLIST, now))
        elif last is not None and (
            # Of those kept alive only a segment logs another Opening before it connects anew.
            self._exact or last.kind is not _SEGMENT or not (last.connected or last.kept_alive)
        ):
            last.connected = True
        else:
            self._settle_silent(now, is_playlist=not self._skips)
            self._silent = now
        return True

    def _connected(self, message: bytes, _now: float) -> bool:
        if is_connection := message.startswith(b"Successfully connected"):
            self._sink.connected()
        return is_connection

    def _statistics(self, message: bytes, now: float) -> bool:
        if (match := _STATISTICS.match(message)) is None:
            return False
        size = int(match[1])
        if not self._exact or self._ending:
            self._sink.bytes_read(size)  # light: its last request may never have been answered
            return True
        last, cut = self._last, self._cut
        self._last, self._cut = None, False
        if last is not None and last.kind is not _SEGMENT:
            self._end(last, now, size, cut=cut)
        else:
            self._held.append((now, size, cut))
            playlists = {segment.playlist for segment in self._segments}
            if len(playlists) < 2 or len(self._held) == len(self._segments):
                self._settle(None)
        return True

    def _trouble(self, level: str, message: bytes, now: float) -> bool:
        last = self._last
        if match := _HTTP_ERROR.match(message):
            self._sink.http_error(int(match[1]))
            if self._silent is not None:
                self._silent_status = int(match[1])
            elif last:
                self._fail(last, now, int(match[1]))
        elif kinds := _FAILURES.get(message[:20]):
            self._opening_failed(kinds, now)
        elif message.startswith(b"Failed to resolve hostname"):
            self._connection(now)
        elif message.startswith(b"Error when loading first segment"):
            self._ending = True
        elif message.startswith(b"Stream ends prematurely") and not (last and last.first):
            self._cut = self._exact
            if last and not self._exact:
                self._fail(last, now, None)
        elif last and last.first and not message.endswith(b"Immediate exit requested"):
            if (level == "warning" or self._context) and not message.startswith(b"Error opening"):
                return False
            self._fail(last, now, None)  # ffmpeg 5.1 says `[error] URL: reason`
        else:
            return False
        return True

    def _opening_failed(self, kinds: tuple[RequestKind, ...], now: float) -> None:
        is_playlist, status = _PLAYLIST in kinds, self._silent_status
        if self._settle_silent(now, is_playlist=is_playlist, failed=True):
            return
        if not is_playlist and self._announced and not self._announced_open:
            self._announced = None  # refused by hls.c itself: no request was made
        elif self._last and self._last.kind in kinds:
            self._fail(self._last, now, status)

    def _start(self, request: _Request) -> None:
        request.first, self._begun = not self._begun and request.kind is _PLAYLIST, True
        self._last = request
        if self._exact and request.kind is _SEGMENT:
            self._segments.append(request)
        self._sink.request_started(request.kind, request.started)

    def _end(self, request: _Request, now: float, size: int, *, cut: bool) -> None:
        if cut:
            self._sink.bytes_read(size)
            self._sink.request_failed(request.kind, request.started, now, None)
        else:
            self._sink.request_finished(request.kind, request.started, now, size)

    def _fail(self, request: _Request, now: float, status: int | None) -> None:
        self._last = None
        if request in self._segments:
            self._segments.remove(request)
        if self._first_of.get(request.playlist, (b"",))[0] == request.url:
            self._first_of.pop(request.playlist, None)
        self._sink.request_failed(request.kind, request.started, now, status)

    def _prove(self, now: float, *, only_first: bool = False) -> None:
        last = self._last
        if last is not None and (last.first or not only_first):
            self._last = None
            self._sink.request_finished(last.kind, last.started, now, None)

    def _supersede(self, now: float) -> None:
        self._settle_silent(now, is_playlist=not self._skips)
        self._prove(now, only_first=self._exact)
        if self._last is not None and self._last.kind is not _SEGMENT:
            self._fail(self._last, now, None)

    def _settle_silent(self, now: float, *, is_playlist: bool, failed: bool = False) -> bool:
        """Decide what a silent connection of light measuring was for; True if a playlist."""
        started, status = self._silent, self._silent_status
        self._silent = self._silent_status = None
        if started is None or not is_playlist:
            return False
        self._prove(now)
        self._start(_Request(_PLAYLIST, started))
        if self._last is not None and (failed or status is not None):
            self._fail(self._last, now, status)
        self._prove(now)
        return True

    def _settle(self, playlist: int | None) -> None:
        """Give the held Statistics to segments, the last of them to one of `playlist` if it can."""
        while self._held:
            now, size, cut = self._held.pop(0)
            if not self._segments:
                self._sink.bytes_read(size)
                continue
            own = [s for s in self._segments if s.playlist == playlist and not self._held]
            request = (own or self._segments)[0]
            self._segments.remove(request)
            self._end(request, now, size, cut=cut)

    def _report(self, level: str, message: bytes) -> None:
        text = message[: 4 * MAX_ERROR_CHARACTERS].decode(errors="replace")
        if text := "".join(filter(str.isprintable, _ADDRESS.sub("", text))).strip():
            self._sink.error_line(level, text[:MAX_ERROR_CHARACTERS])


# By the first eight bytes: nearly every other line of the log is told from these by one look-up.
_HANDLERS: Final[dict[bytes, Callable[[FFmpegLogParser, bytes, float], bool]]] = {
    b"Statisti": FFmpegLogParser._statistics,
    b"Starting": lambda self, text, now: text[8:19] == b" connection" and self._connection(now),
    b"Successf": FFmpegLogParser._connected,
    b"HLS requ": FFmpegLogParser._hls_request,
    b"Opening ": FFmpegLogParser._opening,
    b"Skip ('#": FFmpegLogParser._landmark,
    **{b"Input #%d" % number: FFmpegLogParser._landmark for number in range(10)},
    b"Input fi": FFmpegLogParser._landmark,
    b"Exiting ": FFmpegLogParser._landmark,
    b"No longe": FFmpegLogParser._landmark,
}
