"""Where the API listens: the socket's mode, tokens, TLS; what cannot be is refused in words."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import resource
import socket
import ssl
import stat
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.api.client import ApiClient
from hlsswarm.api.connections import Connections
from hlsswarm.api.listeners import Hosts, Token, read_token, tls_context, unix_listener
from hlsswarm.api.serving import api_served
from hlsswarm.core.plan import Address
from hlsswarm.core.rig import RigConfig
from hlsswarm.errors import PreflightError
from tests.support import free_port

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """A token, as it should be kept."""
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 and its key."""
    place = tmp_path_factory.mktemp("tls")
    chain, key = place / "chain.pem", place / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=rig", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(chain)),
        ],
        check=True,
        capture_output=True,
    )
    return chain, key


@contextlib.asynccontextmanager
async def served(place: Path, **api: Any) -> AsyncIterator[str]:
    """The API without a rig: what needs none is answered."""
    values = {"socket": place / "s", "listen": None, "token_file": None, "tls_cert": None, **api}
    controls = cast(Any, None)
    async with api_served(RigConfig(api=values), controls) as where:
        yield where


def test_the_socket_is_for_its_group_alone_and_takes_a_dead_ones_place(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    made, listener = unix_listener(path)
    with listener:
        assert made == path
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(path))
    assert [each.name for each in tmp_path.iterdir()] == ["s"]


def test_a_file_of_others_is_not_replaced_by_the_socket(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("mine")
    with pytest.raises(PreflightError, match="is no socket"):
        unix_listener(path)
    assert path.read_text() == "mine"
    with pytest.raises(PreflightError, match="cannot be made: No such file"):
        unix_listener(tmp_path / "none" / "s")
    with pytest.raises(PreflightError, match="cannot be made"):
        unix_listener(tmp_path / ("x" * 200))


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o666])
def test_a_token_that_others_can_read_is_none(token_file: Path, mode: int) -> None:
    token_file.chmod(mode)
    with pytest.raises(PreflightError, match="Everybody can read"):
        read_token(token_file)


@pytest.mark.parametrize("text", ["", "short", "two words of thirty-two letters", "é" * 20])
def test_a_token_is_long_and_one_word(token_file: Path, text: str) -> None:
    token_file.write_text(text)
    with pytest.raises(PreflightError, match="no token of at least 16"):
        read_token(token_file)


def test_a_token_that_is_not_there_is_told_with_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match="No such file") as raised:
        read_token(tmp_path / "none")
    assert "umask 077" in (raised.value.hint or "")


@given(st.text(max_size=60))
def test_only_the_token_fits(text: str) -> None:
    token = Token(TOKEN.encode())
    assert token.fits(f"Bearer {TOKEN}")
    assert token.fits(f"bearer  {TOKEN} ")
    assert not token.fits(None)
    for header in (text, f"Bearer {text}", f"Bearer {TOKEN}{text}x", f"{text}x {TOKEN}"):
        assert not token.fits(header)


@given(st.text(alphabet="abc.:[]1%\x00@", max_size=30))
def test_a_host_is_an_address_or_our_own_name(text: str) -> None:
    hosts = Hosts(Address("rig.example", 80))
    assert hosts.allows("rig.example:80")
    assert hosts.allows("RIG.example.")
    assert not hosts.allows(f"{text}.rig.example.evil")
    if hosts.allows(text):
        assert set(text) <= set("abc.:[]1%")


def test_tls_files_that_do_not_fit_are_told(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    chain, _ = certificate
    for key in (tmp_path / "none", chain):
        with pytest.raises(PreflightError, match="TLS files cannot be used"):
            tls_context({"tls_cert": chain, "tls_key": key})


def test_it_speaks_tls_and_asks_for_the_token(
    tmp_path: Path, token_file: Path, certificate: tuple[Path, Path]
) -> None:
    chain, key = certificate
    port = free_port()

    def asked(token: str | None) -> int:
        context = ssl.create_default_context(cafile=str(chain))
        caller = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        caller.request("GET", "/v1/openapi.json", headers=headers)
        status = caller.getresponse().status
        caller.close()
        return status

    def asked_without_tls() -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as caller:
            caller.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                return caller.recv(100)
        return b""

    async def talk() -> None:
        tls = {"tls_cert": chain, "tls_key": key, "token_file": token_file}
        async with served(tmp_path, listen=Address("127.0.0.1", port), **tls) as where:
            assert where == f"API: {tmp_path / 's'} and https://127.0.0.1:{port}"
            assert await asyncio.to_thread(asked, TOKEN) == 200
            assert await asyncio.to_thread(asked, None) == 401
            assert not (await asyncio.to_thread(asked_without_tls)).startswith(b"HTTP")
            client = ApiClient(tmp_path / "s")
            assert await asyncio.to_thread(client.text, "/healthz") == "ok\n"
        assert not (tmp_path / "s").exists()

    asyncio.run(talk())


def test_a_port_that_is_taken_is_told(tmp_path: Path, token_file: Path) -> None:
    async def start(port: int) -> None:
        listen = Address("127.0.0.1", port)
        async with served(tmp_path, listen=listen, token_file=token_file):
            pass

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PreflightError, match=f"The API's address 127.0.0.1:{port} cannot be"):
            asyncio.run(start(port))
    assert not (tmp_path / "s").exists()


def test_who_asks_nothing_is_cut_off_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hlsswarm.api.connections.QUIET_SECONDS", 0.3)
    monkeypatch.setattr("hlsswarm.api.connections.ANSWER_SECONDS", 0.3)

    async def talk() -> None:
        async with served(tmp_path):
            for words in (
                b"",
                b"GET /healthz HTTP/1.1\r\nHo",
                b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
            ):
                reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
                writer.write(words)
                with contextlib.suppress(ConnectionError):
                    answer = await asyncio.wait_for(reader.read(), 10)
                    assert answer.startswith(b"HTTP/1.1 200") == words.endswith(b"\r\n\r\n")
                writer.close()

    asyncio.run(talk())


def test_where_there_are_too_many_the_quietest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hlsswarm.api.connections.CONNECTIONS_MAX", 3)

    async def crowd() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        there = Connections(asyncio.Protocol)
        running = await asyncio.get_running_loop().create_server(there, sock=listener)
        address = listener.getsockname()
        callers = [await asyncio.open_connection(*address) for _ in range(3)]
        while len(there) < 3:
            await asyncio.sleep(0.01)
        first = next(iter(there._there))
        there.asks(first)  # the first caller is being answered
        callers.append(await asyncio.open_connection(*address))
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(callers[1][0].read(), 10) == b""
        assert len(there) == 3
        assert first in there._there
        for _, writer in callers:
            writer.close()
        running.close()

    asyncio.run(crowd())


def test_without_descriptors_it_complains_little_and_goes_on_later(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def talk() -> None:
        async with served(tmp_path):
            caller = socket.socket(socket.AF_UNIX)
            caller.setblocking(False)
            free = os.dup(caller.fileno())
            os.close(free)
            try:
                # None is left from here on: every one below is taken.
                resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
                caller.connect(str(tmp_path / "s"))
                loop = asyncio.get_running_loop()
                await loop.sock_sendall(caller, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                await asyncio.sleep(2.5)  # asyncio tries again each second
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, before)
            answer = await asyncio.wait_for(loop.sock_recv(caller, 100), 10)
            assert answer.startswith(b"HTTP/1.1 200")
            caller.close()

    asyncio.run(talk())
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("The API can let nobody in just now: [Errno 24]")
