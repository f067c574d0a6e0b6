"""A small RTSP relay: what one publisher sends to a path, every reader of that path gets.

Run as `python -m hlsswarm.publishers.rtsp_relay ADDRESS PORT`, a unit of its own. RTP goes
interleaved over the RTSP connection alone (UDP is answered with 461, upon which clients take TCP).
Packets are handed on as they came, in one piece each time the publisher's socket is read.

Nobody waits for anybody: a reader that is too slow loses whole packets, and is dropped when it
takes none for a while. Knows connections and paths; what messages look like is core/rtsp's.
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import signal
import socket
import struct
import sys
from dataclasses import dataclass, field

from hlsswarm.core.rtsp import (
    MessageReader,
    Packets,
    Presentation,
    Request,
    RtspError,
    interleaved_channels,
    path_of,
    presentation,
    renumbered,
    response,
    sender_reports,
    split_track,
)

METHODS = "OPTIONS, ANNOUNCE, DESCRIBE, SETUP, RECORD, PLAY, GET_PARAMETER, SET_PARAMETER, TEARDOWN"
_CONNECTIONS_MAX = 4096
_QUEUE_BYTES = 4 << 20
"""What one reader may leave unread before it loses packets: 16 s of 2 Mbit/s."""
_STUCK_SECONDS = 10.0
"""A reader that takes nothing for so long is dropped."""
_IDLE_SECONDS = 15.0
"""A publisher that sends nothing, or a connection that asks for nothing, is dropped after it."""
_TOLD_MAX = 1000


@dataclass
class Stream:
    """What is published at a path, and who reads it."""

    path: str
    publisher: Connection
    presentation: Presentation
    readers: set[Connection] = field(default_factory=set)
    reports: dict[int, Packets] = field(default_factory=dict)
    """The last RTCP Sender Report of each channel, for readers that come later: without it their
    clock would jump when the next one comes, up to 5 s after the first packet."""


class Relay:
    """All streams and connections."""

    def __init__(self, stuck_seconds: float = _STUCK_SECONDS) -> None:
        self.stuck_seconds = stuck_seconds
        self.streams: dict[str, Stream] = {}
        self.connections: set[Connection] = set()
        self._told = 0

    def tell(self, text: str) -> None:
        """A line to the log; no more of them than it takes to understand."""
        self._told += 1
        if self._told <= _TOLD_MAX:
            print(text, file=sys.stderr, flush=True)

    async def watch(self) -> None:
        """Drop who is stuck or silent, once a second."""
        while True:
            await asyncio.sleep(1)
            now = asyncio.get_running_loop().time()
            for connection in tuple(self.connections):
                connection.check(now)


class Connection(asyncio.Protocol):
    """One client: a publisher or a reader, once it has said which."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._reader = MessageReader()
        self._session = secrets.token_hex(8)
        self._published: Stream | None = None
        self._read: Stream | None = None
        self._channels: dict[int, int] = {}
        """Of a publisher: its channel -> ours, which is twice the track, and one more for RTCP.
        Of a reader: ours -> its channel."""
        self._plain = True
        """Whether the numbers on both sides are the same, so that nothing is to be rewritten."""
        self._goes = False
        self._lost_packets = False
        self._heard_at = asyncio.get_running_loop().time()
        self._drained_at = self._heard_at
        self._unsent_bytes = 0
        self._transport: asyncio.Transport

    # --- connection ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if len(self._relay.connections) >= _CONNECTIONS_MAX:
            transport.write(response(None, 503))
            transport.close()
            return
        self._relay.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Something has come from the client."""
        self._heard_at = asyncio.get_running_loop().time()
        try:
            for message in self._reader.feed(data):
                if self._transport.is_closing():
                    return
                if isinstance(message, Packets):
                    self._forward(message)
                else:
                    self._transport.write(self._answer(message))
        except RtspError as error:
            self._relay.tell(f"{self._peer()} is cut off: {error}")
            self._transport.write(response(None, 400))
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone; a publisher's readers have nothing to wait for any more."""
        self._relay.connections.discard(self)
        if self._read is not None:
            self._read.readers.discard(self)
        stream, self._published = self._published, None
        if stream is not None:
            if self._relay.streams.get(stream.path) is stream:
                del self._relay.streams[stream.path]
            self._relay.tell(f"{stream.path}: the publisher is gone")
            for reader in tuple(stream.readers):
                reader.end()

    def end(self) -> None:
        """Close, once what is on its way has been sent."""
        self._transport.close()

    def check(self, now: float) -> None:
        """Drop this client when it is stuck or silent."""
        unsent = self._transport.get_write_buffer_size()
        if not unsent or unsent < self._unsent_bytes:
            self._drained_at = now
        self._unsent_bytes = unsent
        stuck = now - self._drained_at > self._relay.stuck_seconds
        silent = self._read is None or not self._goes
        if stuck or (silent and now - self._heard_at > _IDLE_SECONDS):
            self._relay.tell(f"{self._peer()} is dropped: {'stuck' if stuck else 'silent'}")
            # With a reset: what is queued in the kernel would else wait for its reader for minutes.
            self._transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            self._transport.abort()

    def _peer(self) -> str:
        peer = self._transport.get_extra_info("peername")
        return f"{peer[0]}:{peer[1]}" if peer else "a client"

    # --- packets ---------------------------------------------------------------------------

    def _forward(self, packets: Packets) -> None:
        """Hand on what a publisher has sent; what a reader sends is RTCP, which nobody needs."""
        stream = self._published
        if stream is None or not self._goes:
            return
        packets = self._renumbered(packets)
        stream.reports.update(sender_reports(packets))
        for reader in stream.readers:
            reader.take(packets)

    def take(self, packets: Packets) -> None:
        """Packets for this reader, by our numbers of channels."""
        if not self._goes or self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() + len(packets.data) > _QUEUE_BYTES:
            if not self._lost_packets:
                self._lost_packets = True
                self._relay.tell(f"{self._peer()} is too slow and loses packets")
            return
        self._transport.write(self._renumbered(packets).data)

    def _renumbered(self, packets: Packets) -> Packets:
        """As they came where that is right; else with other numbers, and without packets of
        channels that were not set up."""
        if self._plain and packets.channels <= self._channels.keys():
            return packets
        return renumbered(packets, self._channels)

    # --- requests --------------------------------------------------------------------------

    def _answer(self, request: Request) -> bytes:
        """Carry out a request. Raises RtspError for what cannot be meant."""
        carry_out = {
            "OPTIONS": self._options,
            "ANNOUNCE": self._announce,
            "DESCRIBE": self._describe,
            "SETUP": self._setup,
            "RECORD": self._record,
            "PLAY": self._play,
            "GET_PARAMETER": self._keep_alive,
            "SET_PARAMETER": self._keep_alive,
            "TEARDOWN": self._tear_down,
        }.get(request.method)
        if carry_out is None:
            return response(request, 405, {"Allow": METHODS})
        return carry_out(request)

    def _options(self, request: Request) -> bytes:
        return response(request, headers={"Public": METHODS})

    def _keep_alive(self, request: Request) -> bytes:
        return response(request, headers=self._named())

    def _tear_down(self, request: Request) -> bytes:
        self._goes = False
        asyncio.get_running_loop().call_soon(self.end)
        return response(request, headers=self._named())

    def _named(self) -> dict[str, str]:
        return {"Session": f"{self._session};timeout=60"}

    def _announce(self, request: Request) -> bytes:
        path = path_of(request.url)
        if request.headers.get("content-type", "application/sdp").lower() != "application/sdp":
            return response(request, 415)
        if self._published is not None or self._read is not None:
            return response(request, 455)
        if path in self._relay.streams:
            return response(request, 403, reason="Forbidden: this path has a publisher")
        self._published = Stream(path, self, presentation(request.body))
        self._relay.streams[path] = self._published
        self._relay.tell(f"{path}: a publisher from {self._peer()}")
        return response(request, headers=self._named())

    def _describe(self, request: Request) -> bytes:
        path = path_of(request.url)
        stream = self._relay.streams.get(path)
        if stream is None or not stream.publisher._goes:
            return response(request, 404, reason="Not Found: nobody publishes here")
        base = request.url.partition("?")[0].rstrip("/") + "/"
        headers = {"Content-Base": base, "Content-Type": "application/sdp"}
        return response(request, headers=headers, body=stream.presentation.sdp)

    def _setup(self, request: Request) -> bytes:
        channels = interleaved_channels(request.headers.get("transport", ""))
        if channels is None:
            return response(request, 461)
        if self._published is not None:
            track = self._published.presentation.track_of(request.url)
        else:
            path, track = split_track(path_of(request.url))
            stream = self._relay.streams.get(path)
            if stream is None or (self._read is not None and self._read is not stream):
                return response(request, 404)
            if track is not None and track >= len(stream.presentation.controls):
                track = None
            if track is not None:
                self._read = stream
        if track is None:
            return response(request, 404, reason="Not Found: no such track")
        ours = (2 * track, 2 * track + 1)
        theirs = ours if channels == (-1, -1) else channels
        for our, their in zip(ours, theirs, strict=True):
            self._channels.update({their: our} if self._published else {our: their})
        self._plain = all(key == value for key, value in self._channels.items())
        transport = f"RTP/AVP/TCP;unicast;interleaved={theirs[0]}-{theirs[1]}"
        return response(request, headers={"Transport": transport, **self._named()})

    def _record(self, request: Request) -> bytes:
        if self._published is None or not self._channels:
            return response(request, 455)
        self._go()
        return response(request, headers=self._named())

    def _play(self, request: Request) -> bytes:
        stream = self._read
        if stream is None:
            return response(request, 455)
        if self._relay.streams.get(stream.path) is not stream:
            return response(request, 404)
        stream.readers.add(self)
        # The answer has to come before the first packet.
        asyncio.get_running_loop().call_soon(self._go)
        return response(request, headers={**self._named(), "Range": "npt=now-"})

    def _go(self) -> None:
        self._goes = True
        for report in self._read.reports.values() if self._read is not None else ():
            self.take(report)


async def serve(address: str, port: int, relay: Relay) -> None:
    """Relay until SIGTERM or SIGINT. Raises OSError when the port cannot be had."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(relay), address, port, backlog=1024)
    relay.tell(f"listening on {address}:{port}")
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    watching = asyncio.ensure_future(relay.watch())
    await ended.wait()
    watching.cancel()
    server.close()
    for connection in tuple(relay.connections):
        connection.end()


def main(words: list[str]) -> int:
    """Run a relay at ADDRESS PORT [STUCK_SECONDS]; its exit status."""
    address, port, *stuck = words
    relay = Relay(float(stuck[0])) if stuck else Relay()
    try:
        asyncio.run(serve(str(ipaddress.ip_address(address)), int(port), relay))
    except OSError as error:
        print(f"{address}:{port}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
