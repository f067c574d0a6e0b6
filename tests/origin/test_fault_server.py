"""The server for what nginx cannot do: hostile input, limits, ends. What it is for: test_faults."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from hlsswarm.origin.fault_server import FaultServer

Ask = Callable[[bytes], Awaitable[bytes]]
BODY = bytes(range(200))


def asked(
    root: Path, *requests: bytes, connections_max: int = 100, together: bool = False
) -> list[bytes]:
    """What the server sends back to each of these, until it closes."""

    async def ask(path: Path, request: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(path)
        try:
            writer.write(request)
            return await asyncio.wait_for(reader.read(), 10)
        except ConnectionResetError:
            return b""
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def all_of_them() -> list[bytes]:
        path = root / "s"
        async with await FaultServer(root, connections_max=connections_max).serve(path):
            if together:
                return list(await asyncio.gather(*(ask(path, request) for request in requests)))
            return [await ask(path, request) for request in requests]

    return asyncio.run(all_of_them())


def get(target: str, method: str = "GET") -> bytes:
    return f"{method} {target} HTTP/1.0\r\nHost: x\r\nConnection: close\r\n\r\n".encode()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "a.ts").write_bytes(BODY)
    (tmp_path / "root" / "out.ts").symlink_to(tmp_path / "secret.ts")
    (tmp_path / "secret.ts").write_bytes(b"secret")
    return tmp_path / "root"


def test_delay_sends_nginx_to_the_file(root: Path) -> None:
    (answer,) = asked(root, get("/.hlsswarm-fault/delay-0.010/720p/a%20b.ts"))
    assert b" 200 " in answer
    assert b"x-accel-redirect: /.hlsswarm-served/720p/a%20b.ts\r\n" in answer.lower()


def test_cut_sends_half_of_what_it_promises(root: Path) -> None:
    answer, head = asked(
        root, get("/.hlsswarm-fault/cut/a.ts"), get("/.hlsswarm-fault/cut/a.ts", "HEAD")
    )
    assert b"content-length: 200\r\n" in answer.lower()
    assert b"content-type: video/mp2t\r\n" in answer.lower()
    assert answer.endswith(b"\r\n\r\n" + BODY[:100])
    assert head.endswith(b"\r\n\r\n")


def test_nothing_outside_the_root(root: Path) -> None:
    paths = ("../secret.ts", "..%2Fsecret.ts", "out.ts", "%00", "/etc/passwd", "none.ts", ".", "")
    for answer in asked(root, *(get(f"/.hlsswarm-fault/cut/{path}") for path in paths)):
        assert b" 404 " in answer.splitlines()[0]
        assert b"secret" not in answer


def test_what_is_no_request_of_nginx(root: Path) -> None:
    for target in ("/", "/a.ts", "/.hlsswarm-fault/", "/.hlsswarm-fault/delay-1e9/a.ts"):
        assert b" 404 " in asked(root, get(target))[0]
    # No HTTP, a head without end, a body that nobody asked for: closed, and nothing said.
    for request in (b"\x16\x03\x01\x00\x00\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000):
        assert asked(root, request) == [b""]


def test_connections_are_bounded(root: Path) -> None:
    target = get("/.hlsswarm-fault/delay-0.500/a.ts")
    answers = asked(root, *[target] * 5, connections_max=2, together=True)
    assert sorted(len(answer) > 0 for answer in answers) == [False] * 3 + [True] * 2
    # They are free again afterwards.
    assert all(asked(root, target, target, connections_max=1))
