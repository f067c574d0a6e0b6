"""RTSP messages and interleaved packets as bytes: taken apart, and put together.

Pure: bytes in, messages out. Knows RFC 2326 (RTSP 1.0) as far as a relay over TCP needs it, and of
SDP (RFC 8866) the lines that name tracks. Must not know sockets, nor who publishes what.

    C─►S  ANNOUNCE rtsp://…/name (SDP) ─► SETUP each track ─► RECORD ─► $ packets …
    C─►S  DESCRIBE rtsp://…/name       ─► SETUP each track ─► PLAY   ◄─ $ packets …

Whatever arrives, MessageReader raises nothing but RtspError, and holds no more than its bounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

HEADER_BYTES_MAX = 8 * 1024
BODY_BYTES_MAX = 64 * 1024
TRACKS_MAX = 16
_PACKET_HEADER_BYTES = 4
_MAGIC = 0x24  # "$", RFC 2326 section 10.12
_SENDER_REPORT = b"\xc8"  # packet type 200
_METHOD = re.compile(r"[A-Z_]{1,32}")
_DIGITS = re.compile(r"[0-9]{1,9}")
_INTERLEAVED = re.compile(r"interleaved=([0-9]{1,3})(?:-([0-9]{1,3}))?")
_PATH = re.compile(r"[A-Za-z0-9._~/-]{1,200}")
_REASONS = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    415: "Unsupported Media Type",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    461: "Unsupported Transport",
    503: "Service Unavailable",
}


class RtspError(ValueError):
    """What arrived is not RTSP, or is more than is taken."""


@dataclass(frozen=True)
class Request:
    """One request; header names are in lower case."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def sequence(self) -> str:
        """CSeq, which the answer has to repeat; a number, or `0` for what is none."""
        text = self.headers.get("cseq", "0")
        return text if _DIGITS.fullmatch(text) else "0"


@dataclass(frozen=True)
class Packets:
    """Whole interleaved packets, one behind the other, as they arrived; `channels` are in them."""

    data: bytes
    channels: frozenset[int]


class MessageReader:
    """Takes in what one connection sends, in pieces of any size."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Request | Packets]:
        """The requests and packets that are whole by now. Raises RtspError."""
        buffer = self._buffer
        buffer += data
        result: list[Request | Packets] = []
        at = 0
        while at < len(buffer):
            if buffer[at] == _MAGIC:
                packets, end = _packets(buffer, at)
                if packets is None:
                    break
                result.append(packets)
            elif buffer[at] in b"\r\n":  # RFC 2326 section 4.2 lets empty lines stand between
                end = at + 1
            else:
                request, end = _request(buffer, at)
                if request is None:
                    break
                result.append(request)
            at = end
        del buffer[:at]
        return result


def split_packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Channel and whole packet of each of `Packets.data`."""
    at = 0
    while at < len(data):
        end = at + _PACKET_HEADER_BYTES + (data[at + 2] << 8 | data[at + 3])
        yield data[at + 1], data[at:end]
        at = end


def sender_reports(packets: Packets) -> dict[int, Packets]:
    """The last RTCP Sender Report (RFC 3550 section 6.4.1) of each odd channel, if there is one."""
    if not any(channel % 2 for channel in packets.channels):
        return {}
    return {
        channel: Packets(packet, frozenset((channel,)))
        for channel, packet in split_packets(packets.data)
        if channel % 2 and packet[5:6] == _SENDER_REPORT
    }


def renumbered(packets: Packets, channels: Mapping[int, int]) -> Packets:
    """Packets with other channel numbers; those of channels without one are left out."""
    data = b"".join(
        b"$" + bytes((channels[channel],)) + packet[2:]
        for channel, packet in split_packets(packets.data)
        if channel in channels
    )
    new = frozenset(channels[channel] for channel in packets.channels if channel in channels)
    return Packets(data, new)


def _packets(buffer: bytearray, start: int) -> tuple[Packets | None, int]:
    """All whole packets from `start` on, and where they end."""
    at, size = start, len(buffer)
    channels = set()
    while at + _PACKET_HEADER_BYTES <= size and buffer[at] == _MAGIC:
        end = at + _PACKET_HEADER_BYTES + (buffer[at + 2] << 8 | buffer[at + 3])
        if end > size:
            break
        channels.add(buffer[at + 1])
        at = end
    if at == start:
        return None, start
    return Packets(bytes(buffer[start:at]), frozenset(channels)), at


def _request(buffer: bytearray, start: int) -> tuple[Request | None, int]:
    """The request at `start`, when it is whole, and where it ends."""
    head_end = buffer.find(b"\r\n\r\n", start, start + HEADER_BYTES_MAX + 4)
    if head_end < 0:
        if len(buffer) - start > HEADER_BYTES_MAX:
            raise RtspError(f"a header is longer than {HEADER_BYTES_MAX} bytes")
        if not 0x41 <= buffer[start] <= 0x5A:  # else garbage would be waited for to the bound
            raise RtspError("this is no request")
        return None, start
    lines = bytes(buffer[start:head_end]).decode("utf-8", errors="replace").split("\r\n")
    headers = dict(_header(line) for line in lines[1:])
    length_text = headers.get("content-length", "0")
    if not _DIGITS.fullmatch(length_text) or int(length_text) > BODY_BYTES_MAX:
        raise RtspError(f"a body of {length_text[:20]!r} bytes")
    end = head_end + 4 + int(length_text)
    if end > len(buffer):
        return None, start
    method, url = _request_line(lines[0])
    return Request(method, url, headers, bytes(buffer[head_end + 4 : end])), end


def _request_line(line: str) -> tuple[str, str]:
    """Method and URL. A response to a request that we never made is an error, too."""
    words = line.split(" ")
    if len(words) != 3 or not _METHOD.fullmatch(words[0]) or not words[2].startswith("RTSP/1."):
        raise RtspError("this is no request of RTSP 1.0")
    return words[0], words[1]


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise RtspError("a header has no colon")
    return name.strip().lower(), value.strip()


def response(
    request: Request | None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    *,
    reason: str = "",
    body: bytes = b"",
) -> bytes:
    """An answer; `reason` says in words of our own what is wrong."""
    lines = [f"RTSP/1.0 {status} {reason or _REASONS[status]}"]
    if request is not None:
        lines.append(f"CSeq: {request.sequence}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def path_of(url: str) -> str:
    """The stream that a URL names: its path without slashes around. Raises RtspError."""
    try:
        path = unquote(urlsplit(url).path).strip("/")
    except ValueError:
        raise RtspError("a URL that is none") from None
    if not _PATH.fullmatch(path):
        raise RtspError("a stream has a name of letters, digits and .-_~/")
    return path


def interleaved_channels(transport: str) -> tuple[int, int] | None:
    """The channels for RTP and RTCP that a Transport header asks for, None for none at all.

    Of several transports the first over TCP counts (RFC 2326 section 12.39); (-1, -1) stands for
    one that leaves the channels to the server.
    """
    for offer in transport.split(","):
        words = offer.strip().split(";")
        if words[0].strip().upper() != "RTP/AVP/TCP":
            continue
        match = _INTERLEAVED.search(offer)
        if match is None:
            return (-1, -1)
        first = int(match[1])
        second = int(match[2]) if match[2] else first + 1
        return (first, second) if first < 256 and second < 256 else None
    return None


@dataclass(frozen=True)
class Presentation:
    """What a publisher announces: SDP for readers, and how its own tracks are named in SETUP."""

    sdp: bytes
    controls: tuple[str, ...]

    def track_of(self, url: str) -> int | None:
        """The track that the URL of a publisher's SETUP names; None when there is none such."""
        for number, control in enumerate(self.controls):
            if url == control or url.endswith("/" + control):
                return number
        return 0 if len(self.controls) == 1 else None


def presentation(sdp: bytes) -> Presentation:
    """Read an announced SDP, and name the tracks in it by numbers. Raises RtspError."""
    try:
        lines = sdp.decode("utf-8").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError:
        raise RtspError("the SDP is no text") from None
    written: list[str] = []
    controls: list[str] = []
    for line in lines:
        if line.startswith("a=control:"):
            if controls:
                controls[-1] = line.removeprefix("a=control:").strip()
            continue
        if line.startswith("m="):
            written += [line, f"a=control:{track_name(len(controls))}"]
            controls.append(track_name(len(controls)))
        elif line:
            written.append(line)
    if not 0 < len(controls) <= TRACKS_MAX:
        raise RtspError(f"an SDP has 1 to {TRACKS_MAX} tracks, this one has {len(controls)}")
    return Presentation("\r\n".join([*_attributes_last(written), ""]).encode(), tuple(controls))


def _attributes_last(lines: list[str]) -> list[str]:
    """RFC 8866 section 5: within a media description, `a=` lines come behind all others."""
    sections: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    return [
        line
        for section in sections
        for line in sorted(section, key=lambda line: line.startswith("a="))
    ]


def track_name(number: int) -> str:
    """How readers name a track."""
    return f"track{number}"


def split_track(path: str) -> tuple[str, int | None]:
    """Stream and track of the path of a reader's SETUP; no track for what names none."""
    stream, _, last = path.rpartition("/")
    number = last.removeprefix("track")
    if stream and number != last and _DIGITS.fullmatch(number):
        return stream, int(number)
    return path, None
