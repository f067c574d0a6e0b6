"""The relay as a process, over sockets: what it hands on, what it refuses, whom it drops."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hlsswarm.core.rtsp import MessageReader, Packets
from tests.support import REPOSITORY, free_port, wait_for

SDP = b"v=0\r\ns=x\r\nm=video 0 RTP/AVP 96\r\na=control:streamid=0\r\n"


def packet(channel: int, payload: bytes) -> bytes:
    return b"$" + bytes((channel,)) + len(payload).to_bytes(2, "big") + payload


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "hlsswarm.publishers.rtsp_relay", "127.0.0.1", str(port), "2"]
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL) as process:

        def listening() -> bool:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            return False

        try:
            wait_for("the relay", listening)
            yield port
        finally:
            process.terminate()
            assert process.wait(5) == 0


class Client:
    """One connection, and what has come on it."""

    def __init__(self, port: int, path: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self.socket.settimeout(5)
        self.url = f"rtsp://127.0.0.1:{port}/{path}"
        self._buffer = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, method: str, *lines: str, url: str = "", body: bytes = b"") -> str:
        """Send a request; the answer without its body."""
        head = [f"{method} {url or self.url} RTSP/1.0", "CSeq: 1", *lines]
        if body:
            head.append(f"Content-Length: {len(body)}")
        self.socket.sendall("\r\n".join([*head, "", ""]).encode() + body)
        while b"\r\n\r\n" not in self._buffer:
            received = self.socket.recv(65536)
            assert received, "the relay has closed the connection"
            self._buffer += received
        answer, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return answer.decode()

    def publish(self) -> str:
        """Announce, set up one track, record; the answer to the first of them."""
        announced = self.ask("ANNOUNCE", "Content-Type: application/sdp", body=SDP)
        if " 200 " in announced:
            setup = self.setup(f"{self.url}/streamid=0", "interleaved=0-1;mode=record")
            assert " 200 " in setup
            assert " 200 " in self.ask("RECORD")
        return announced

    def setup(self, url: str, transport: str, *, over: str = "RTP/AVP/TCP") -> str:
        return self.ask("SETUP", f"Transport: {over};unicast;{transport}", url=url)

    def play(self, transport: str = "interleaved=0-1") -> None:
        """Describe, set up the one track, play."""
        described = self.ask("DESCRIBE")
        assert " 200 " in described
        self._buffer = b""
        assert " 200 " in self.setup(f"{self.url}/track0", transport)
        assert " 200 " in self.ask("PLAY")

    def packets(self, count: int) -> bytes:
        """The next so many bytes of packets."""
        while len(self._buffer) < count:
            received = self.socket.recv(65536)
            assert received, "the relay has closed the connection"
            self._buffer += received
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def is_closed(self) -> bool:
        """Whether the relay closes this connection; what still comes is thrown away."""
        with contextlib.suppress(ConnectionError):
            while self.socket.recv(1 << 20):
                pass
        return True


def test_packets_reach_every_reader_by_the_numbers_it_asked_for(port: int) -> None:
    media, control = packet(0, b"rtp" * 100), packet(1, b"\x80\xc9rtcp")
    with Client(port, "a/b") as publisher, Client(port, "a/b") as one, Client(port, "a/b") as two:
        publisher.publish()
        one.play()
        two.play("interleaved=6-7")
        publisher.socket.sendall((media + control) * 50)
        assert one.packets(len(media + control) * 50) == (media + control) * 50
        renumbered = packet(6, b"rtp" * 100) + packet(7, b"\x80\xc9rtcp")
        assert two.packets(len(renumbered) * 50) == renumbered * 50
        assert " 200 " in one.ask("GET_PARAMETER")
        assert " 200 " in one.ask("TEARDOWN")
        assert one.is_closed()
        publisher.socket.sendall(media)
        assert two.packets(len(media)) == packet(6, b"rtp" * 100)


def test_a_late_reader_gets_the_last_sender_report_first(port: int) -> None:
    report, media = packet(1, b"\x80\xc8 report"), packet(0, b"media")
    with Client(port, "late") as publisher, Client(port, "late") as reader:
        publisher.publish()
        publisher.socket.sendall(report + media)
        publisher.ask("GET_PARAMETER")
        reader.play()
        publisher.socket.sendall(media)
        assert reader.packets(len(report + media)) == report + media


def test_who_comes_before_the_publisher_gets_404(port: int) -> None:
    with Client(port, "nobody") as reader:
        assert " 404 Not Found: nobody publishes here" in reader.ask("DESCRIBE")
        assert " 455 " in reader.ask("PLAY")


def test_udp_is_answered_with_461_and_tcp_may_follow(port: int) -> None:
    with Client(port, "udp") as publisher, Client(port, "udp") as reader:
        publisher.publish()
        asked = reader.setup(f"{reader.url}/track0", "client_port=5000-5001", over="RTP/AVP")
        assert " 461 " in asked
        reader.play()


def test_a_path_has_one_publisher_and_is_free_when_it_is_gone(port: int) -> None:
    with Client(port, "one") as second, Client(port, "one") as reader:
        with Client(port, "one") as first:
            assert " 200 " in first.publish()
            assert " 403 Forbidden: this path has a publisher" in second.publish()
            reader.play()
        assert reader.is_closed()
        with Client(port, "one") as third:
            wait_for("the path to be free", lambda: " 200 " in third.publish())


@pytest.mark.parametrize(
    ("method", "lines", "status"),
    [
        ("OPTIONS", (), 200),
        ("BREW", (), 405),
        ("SETUP", ("Transport: RTP/AVP/TCP;interleaved=0-1",), 404),
        ("RECORD", (), 455),
        ("ANNOUNCE", ("Content-Type: text/html",), 415),
    ],
)
def test_what_does_not_fit_is_answered(
    port: int, method: str, lines: tuple[str, ...], status: int
) -> None:
    with Client(port, "x") as client:
        assert f"RTSP/1.0 {status} " in client.ask(method, *lines)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(min_size=1, max_size=3000))
def test_garbage_ends_its_own_connection_at_most(port: int, garbage: bytes) -> None:
    with Client(port, "x") as bad, contextlib.suppress(ConnectionError):
        bad.socket.sendall(garbage)
        bad.socket.shutdown(socket.SHUT_WR)
        bad.is_closed()
    with Client(port, "x") as good:
        assert " 200 " in good.ask("OPTIONS")


def test_a_stuck_reader_disturbs_nobody_and_is_dropped(port: int) -> None:
    payload = bytes(60_000)
    media = packet(0, payload)
    with Client(port, "s") as publisher, Client(port, "s") as stuck, Client(port, "s") as reader:
        stuck.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        publisher.publish()
        stuck.play()
        reader.play()

        def dropped() -> bool:
            publisher.socket.sendall(media * 20)
            assert reader.packets(len(media) * 20) == media * 20
            return not _is_established(stuck.socket)

        wait_for("the stuck reader to be dropped", dropped, timeout_seconds=60)


def _is_established(connection: socket.socket) -> bool:
    """The state in tcp(7)'s TCP_INFO: 1 is ESTABLISHED."""
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 1


def test_the_tests_own_packets_are_packets() -> None:
    (found,) = MessageReader().feed(packet(6, b"x"))
    assert found == Packets(packet(6, b"x"), frozenset({6}))
