"""Hostile callers: no token, garbage, too much, too slow, too many. The rig goes on."""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import resource
import socket
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hlsswarm.api import connections
from hlsswarm.api.bodies import BODY_BYTES_MAX
from hlsswarm.api.openapi import errors_of
from hlsswarm.api.routes import Operation
from hlsswarm.api.schemas import components
from hlsswarm.api.table import OPERATIONS
from tests.api.conftest import Rig
from tests.support import wait_for

ERROR = jsonschema.Draft202012Validator(components()["Error"])
JSON = {"Content-Type": "application/json"}


def path_of(operation: Operation) -> str:
    """A path of an operation, of things that are not there."""
    values = {"section": "origin", "name": "nobody", "port": "9", "number": "1", "file": "rig.js"}
    path = operation.path.replace("{rendition}", "none")
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)
    return path


# --- who may --------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
def test_nothing_is_told_or_done_without_the_token(rig: Rig, operation: Operation) -> None:
    for token in (None, "x" * 32, rig.token[:-1], rig.token + "x"):
        body = b'{"clients": 9}' if operation.body else None
        path = path_of(operation)
        status, headers, answer = rig.tcp(operation.method, path, body, JSON, token=token)
        if operation.open:
            assert status == 200
            continue
        assert status == 401
        assert headers["WWW-Authenticate"] == "Bearer"
        assert json.loads(answer)["error"] == "This needs the token."


def test_what_is_not_there_needs_the_token_too(rig: Rig) -> None:
    assert rig.tcp("GET", "/nothing", token=None)[0] == 401
    assert rig.tcp("GET", "/nothing")[0] == 404
    assert rig.tcp("OPTIONS", "/v1/rig", token=None)[0] == 401
    basic = {"Authorization": f"Basic {rig.token}"}
    assert rig.tcp("GET", "/v1/rig", headers=basic, token=None)[0] == 401


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "", "[::1", "a@b"])
def test_a_name_of_others_is_refused(rig: Rig, host: str) -> None:
    status, _, answer = rig.tcp("GET", "/v1/rig", headers={"Host": host})
    assert status == 403
    ERROR.validate(json.loads(answer))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:99", socket.gethostname()])
def test_a_name_of_this_machine_is_allowed(rig: Rig, host: str) -> None:
    assert rig.tcp("GET", "/v1/rig", headers={"Host": host})[0] == 200


def test_every_answer_has_its_headers(rig: Rig) -> None:
    for path, token in (("/", None), ("/v1/rig", ""), ("/v1/rig", None), ("/nothing", "")):
        _, headers, _ = rig.tcp("GET", path, token=token)
        assert "script-src 'self'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in headers
        assert "Set-Cookie" not in headers
        assert "Python" not in headers["Server"]


# --- garbage --------------------------------------------------------------------------------------

WORDS = st.text(max_size=30) | st.sampled_from(
    ["..", "../../etc/passwd", "%00", "\x1b[31m", "<script>", "a" * 5000, "\u202e", "'; --", "NaN"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


def bodies(operation: Operation) -> st.SearchStrategy[Any]:
    """Bodies that are wrong: an object always has a key that there is not."""
    keys = sorted(
        {
            key
            for schema in components().values()
            for key in schema.get("properties", {})
        }
    )  # fmt: skip
    objects = st.dictionaries(st.sampled_from(keys) | WORDS, VALUES, max_size=6)
    return objects.map(lambda made: {**made, "no such key": 1}) | VALUES.filter(
        lambda made: not isinstance(made, dict) or made == {}
    )


def answered(rig: Rig, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
    status, _, answer = rig.tcp(method, path, body, JSON)
    return status, answer


@pytest.mark.parametrize(
    "operation",
    [each for each in OPERATIONS if each.name != "event_stream"],
    ids=lambda each: each.name,
)
def test_no_input_breaks_an_operation(rig: Rig, operation: Operation) -> None:
    allowed = {*errors_of(operation), HTTPStatus.NOT_FOUND, operation.answer.status}
    quoted = WORDS.map(lambda word: _quoted(word) or "x")

    @settings(
        max_examples=8, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.data())
    def sent(data: st.DataObject) -> None:
        path = operation.path
        if operation.name in {"start_fault", "add_item", "change_swarm"} and data.draw(
            st.booleans()
        ):
            path = path.replace("{port}", str(rig.daemon.origin_port))
            path = path.replace("{section}", "encoder").replace("{name}", "evening")
        while "{" in path:
            head, _, rest = path.partition("{")
            path = head + data.draw(quoted) + rest.partition("}")[2]
        if data.draw(st.booleans()):
            path += f"?{data.draw(quoted)}={data.draw(quoted)}"
        body = None
        if operation.body is not None:
            body = json.dumps(data.draw(bodies(operation))).encode()
        status, answer = answered(rig, operation.method, path, body)
        assert HTTPStatus(status) in allowed, answer
        if status >= 400:
            ERROR.validate(json.loads(answer))
        assert b"Traceback" not in answer

    sent()


def _quoted(word: str) -> str:
    return "".join(f"%{byte:02x}" for byte in word.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"clients": NaN}', "application/json", 400),
        (b'{"clients": ' + b"9" * 5000 + b"}", "application/json", 400),
        (b'{"variant": "\\ud800"}', "application/json", 400),
        (b'{"variant": "\\u0000"}', "application/json", 400),
        (b"[" * 60_000, "application/json", 400),
        (b"[]", "application/json", 400),
        (b"", "application/json", 400),
        (b"clients=3", "application/x-www-form-urlencoded", 415),
        (b'{"clients": 3}', "text/plain", 415),
        (b" " * (BODY_BYTES_MAX + 1), "application/json", 413),
    ],
    ids=range(12),
)
def test_a_body_that_cannot_be_is_refused(rig: Rig, body: bytes, kind: str, status: int) -> None:
    found, _, answer = rig.tcp("PATCH", "/v1/swarms/evening", body, {"Content-Type": kind})
    assert found == status
    ERROR.validate(json.loads(answer))


@pytest.mark.parametrize(
    "words",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"GET / HTTP/1.1\r\nHost: \x00\r\n\r\n",
        b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
        b"POST /v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /%zz%ff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECT evil:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=range(11),
)
def test_what_is_no_http_is_refused(rig: Rig, words: bytes) -> None:
    with (
        socket.create_connection(("127.0.0.1", rig.port), timeout=10) as caller,
        contextlib.suppress(ConnectionError),
    ):
        caller.sendall(words)
        caller.shutdown(socket.SHUT_WR)
        answer = caller.recv(65536)
        assert answer == b"" or answer.split()[1] in {b"400", b"401", b"403", b"404", b"413"}
        assert b"Traceback" not in answer
    assert rig.tcp("GET", "/healthz", token=None)[0] == 200


# --- too many, too slow ---------------------------------------------------------------------------


@contextlib.contextmanager
def callers(address: Any, count: int) -> Iterator[list[socket.socket]]:
    """So many connections that say nothing."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    made = []
    try:
        for _ in range(count):
            made.append(socket.socket(family, socket.SOCK_STREAM))
            made[-1].settimeout(20)
            wait_for("a place", functools.partial(_is_let_in, made[-1], address))
        yield made
    finally:
        for each in made:
            each.close()


def _is_let_in(caller: socket.socket, address: Any) -> bool:
    try:
        caller.connect(address)
    except BlockingIOError:  # unix(7): so many wait already
        return False
    return True


def test_a_thousand_callers_that_say_nothing_lock_nobody_out(rig: Rig) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8192), most))
    pid, clients, before = rig.daemon.pid(), rig.daemon.processes(), rig.swarm()
    sock = str(rig.daemon.place.runtime_directory / "api.sock")
    with callers(("127.0.0.1", rig.port), 1000) as idle, callers(sock, 600):
        for slow in idle[-200:]:
            with contextlib.suppress(OSError):
                slow.sendall(b"GET /v1/rig HTTP/1.1\r\nX-Slow: ")
        # Nobody waits for those: both ways in answer, by new connections.
        for _ in range(5):
            assert rig.tcp("GET", "/v1/rig")[0] == 200
            assert rig.swarm()["state"] == "running"
        # Those that came first have gone, as there may be only so many.
        idle[0].settimeout(10)
        with contextlib.suppress(ConnectionResetError):
            assert idle[0].recv(1) == b""
        assert connections.CONNECTIONS_MAX < 1000
        wait_for(
            "segments meanwhile",
            lambda: rig.swarm()["requests"]["segment"] > before["requests"]["segment"] + 4,
        )
    assert rig.daemon.pid() == pid
    assert rig.daemon.processes() >= clients or rig.swarm()["restarts"] > before["restarts"]


def test_a_follower_that_reads_nothing_holds_nobody_up(rig: Rig) -> None:
    with callers(("127.0.0.1", rig.port), 20) as deaf:
        for each in deaf:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            head = f"Host: localhost\r\nAuthorization: Bearer {rig.token}"
            each.sendall(f"GET /v1/events/stream HTTP/1.1\r\n{head}\r\n\r\n".encode())
        for _ in range(30):
            rig.api.call("POST", "/v1/swarms/evening/pause")
            rig.api.call("POST", "/v1/swarms/evening/resume")
        began = time.monotonic()
        assert rig.tcp("GET", "/v1/rig")[0] == 200
        assert time.monotonic() - began < 5


def test_one_connection_is_used_again_and_again(rig: Rig) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", rig.port, timeout=10)
    for _ in range(20):
        connection.request("GET", "/v1/rig", headers={"Authorization": f"Bearer {rig.token}"})
        answer = connection.getresponse()
        assert (answer.status, answer.read()[:1]) == (200, b"{")
    connection.request("HEAD", "/v1/rig", headers={"Authorization": f"Bearer {rig.token}"})
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    connection.close()
