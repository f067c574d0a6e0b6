"""The metrics server on a real socket, asked by well-behaved and by ill-behaved clients."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from hlsswarm.core.cgroup_text import Stall
from hlsswarm.core.plan import Address
from hlsswarm.core.states import ClientState
from hlsswarm.core.usage import Usage
from hlsswarm.errors import PreflightError
from hlsswarm.metrics import server as server_module
from hlsswarm.metrics.own import OwnMetrics
from hlsswarm.metrics.server import MetricsServer, bind
from hlsswarm.metrics.swarm import SwarmCollector, SwarmFigures
from hlsswarm.telemetry.sink import RequestKind
from tests.support import free_port, wait_for

NOTHING_YET = SwarmFigures(
    target=20,
    active=0,
    started=0,
    restarted=0,
    states={str(state): 0 for state in ClientState},
    oom_kills=0,
    exits={},
    requests={str(kind): 0 for kind in RequestKind},
    failed_requests={str(kind): 0 for kind in RequestKind},
    received_bytes={str(kind): 0 for kind in RequestKind},
    http_errors={},
    telemetry_lines=0,
    telemetry_dropped_bytes=0,
    telemetry_unattributed=0,
    cpu_seconds=0.5,
)


@dataclass
class Served:
    """A metrics server in a thread of its own, and what it shows."""

    port: int = 0
    figures: SwarmFigures = NOTHING_YET
    healthy: bool = True
    own: OwnMetrics = field(default_factory=OwnMetrics)

    def ask(self, path: str, method: str = "GET") -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def samples(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], Sample]:
        text = self.ask("/metrics")[2].decode()
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    up, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    complaints: list[object] = []

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        loops.append(loop)
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        registry = CollectorRegistry()
        registry.register(SwarmCollector(lambda: made.figures))
        server = MetricsServer(
            bind(Address("127.0.0.1", 0)), (registry, made.own.registry), lambda: made.healthy
        )
        made.port = int(server.address.rpartition(":")[2])
        await server.start()
        up.set()
        await stop.wait()
        await server.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert up.wait(10)
    try:
        yield made
        # Whatever was done to it, it answers.
        assert made.ask("/healthz")[0] == (200 if made.healthy else 503)
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(10)
    assert not thread.is_alive()
    assert complaints == []


def received(connection: socket.socket) -> bytes:
    """Everything until the server closes; a reset is an end as well."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(65536):
            data += chunk
    return data


def open_files() -> int:
    """File descriptors of this process."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


# --- what it shows ---------------------------------------------------------------------------


def test_every_series_of_the_issue_is_there_before_anything_happened(served: Served) -> None:
    found = served.samples()
    for name in (
        "hlsswarm_clients_active",
        "hlsswarm_clients_target",
        "hlsswarm_clients_started_total",
        "hlsswarm_clients_restarted_total",
        "hlsswarm_clients_oom_killed_total",
        "hlsswarm_telemetry_lines_total",
        "hlsswarm_telemetry_dropped_bytes_total",
        "hlsswarm_telemetry_unattributed_connections_total",
        "hlsswarm_controller_cpu_seconds_total",
        "hlsswarm_dbus_call_seconds_count",
        "hlsswarm_dbus_call_seconds_sum",
        "hlsswarm_ramp_lateness_seconds_count",
        "hlsswarm_ramp_lateness_seconds_sum",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_start_time_seconds",
    ):
        assert (name, ()) in found, name
    for state in ClientState:
        assert found["hlsswarm_clients", (("state", str(state)),)].value == 0
    for name in ("requests", "requests_failed", "received_bytes"):
        for kind in RequestKind:
            assert found[f"hlsswarm_{name}_total", (("kind", str(kind)),)].value == 0
    # Known by their families: which codes there will be is not known in advance.
    text = served.ask("/metrics")[2].decode()
    assert "# TYPE hlsswarm_process_exits_total counter" in text
    assert "# TYPE hlsswarm_http_errors_total counter" in text


def test_values_are_those_of_the_moment(served: Served) -> None:
    served.figures = replace(
        NOTHING_YET,
        active=17,
        started=20,
        restarted=3,
        states={"streaming": 16, "buffering": 1, "starting": 0, "backoff": 3, "idle": 0},
        exits={"145": 2, "SIGKILL": 1},
        http_errors={404: 5},
        received_bytes={"segment": 3_123_456_789},
        telemetry_dropped_bytes=70_000,
    )
    served.own.dbus_call(0.0004)
    served.own.start_lateness(0.03)
    found = served.samples()

    def value(name: str, **labels: str) -> float:
        return found[f"hlsswarm_{name}", tuple(sorted(labels.items()))].value

    assert value("clients_active") == 17
    assert value("clients_started_total") == 20
    assert value("clients_restarted_total") == 3
    assert value("clients", state="streaming") == 16
    assert value("clients", state="backoff") == 3
    assert value("process_exits_total", code="145") == 2
    assert value("process_exits_total", code="SIGKILL") == 1
    assert value("http_errors_total", code="404") == 5
    assert value("received_bytes_total", kind="segment") == 3_123_456_789
    assert value("telemetry_dropped_bytes_total") == 70_000
    assert value("dbus_call_seconds_bucket", le="0.0002") == 0
    assert value("dbus_call_seconds_bucket", le="0.0005") == 1
    assert value("ramp_lateness_seconds_bucket", le="0.05") == 1
    assert value("ramp_lateness_seconds_count") == 1


def test_names_follow_prometheus_rules(served: Served) -> None:
    """The rules of `promtool check metrics`, and ours: prefix, base units, no client as a label."""
    served.figures = replace(NOTHING_YET, exits={"0": 1}, http_errors={404: 1})
    families = list(text_string_to_metric_families(served.ask("/metrics")[2].decode()))
    assert len({family.name for family in families}) == len(families) > 10
    for family in families:
        assert family.name.startswith(("hlsswarm_", "process_")), family.name
        assert family.documentation.endswith("."), family.name
        assert family.type in {"counter", "gauge", "histogram"}, family.name
        names = {sample.name for sample in family.samples}
        if family.type == "counter":
            assert names == {f"{family.name}_total"}
        else:
            assert not any(name.endswith(("_total", "_created")) for name in names)
        if family.type == "gauge":
            assert not family.name.endswith(("_count", "_sum", "_bucket"))
        words = family.name.split("_")
        assert not {"ms", "milliseconds", "kb", "mb", "bits", "percent", "minutes"} & set(words)
        labels = {label for sample in family.samples for label in sample.labels}
        assert labels <= {"state", "code", "kind", "le"}, family.name
    histograms = {family.name for family in families if family.type == "histogram"}
    assert all(name.endswith("_seconds") for name in histograms)


# --- how it speaks ---------------------------------------------------------------------------


def test_paths_and_methods(served: Served) -> None:
    status, headers, body = served.ask("/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=")
    assert int(headers["Content-Length"]) == len(body) > 1000
    assert served.ask("/metrics?name=x")[0] == 200
    assert served.ask("/")[0] == 200
    assert served.ask("/nothing")[0] == 404
    status, headers, body = served.ask("/metrics", "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 1000
    for method in ("POST", "DELETE", "OPTIONS", "BREW"):
        status, headers, _ = served.ask("/metrics", method)
        assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_health_says_whether_systemd_is_heard(served: Served) -> None:
    assert served.ask("/healthz")[::2] == (200, b"ok\n")
    served.healthy = False
    assert served.ask("/healthz")[::2] == (503, b"systemd is not heard\n")


def test_a_connection_is_kept_alive(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    with contextlib.closing(connection):
        connection.connect()
        local = connection.sock.getsockname()
        for path in ("/metrics", "/healthz", "/nothing", "/metrics"):
            connection.request("GET", path)
            connection.getresponse().read()
            assert connection.sock is not None
            assert connection.sock.getsockname() == local


def test_requests_may_be_sent_ahead(served: Served) -> None:
    with served.connected() as connection:
        one = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        last = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        connection.sendall(2 * one + last)
        assert received(connection).count(b"HTTP/1.1 200 OK") == 3


def test_http_1_0_is_answered_and_closed(served: Served) -> None:
    with served.connected() as connection:
        connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert received(connection).endswith(b"\r\n\r\nok\n")


# --- what it survives ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bytes_sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n", b"400"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
    ],
    ids=["TLS", "words", "no host", "bad length", "bad path"],
)
def test_what_is_not_http_is_refused(served: Served, bytes_sent: bytes, status: bytes) -> None:
    with served.connected() as connection:
        connection.sendall(bytes_sent)
        assert received(connection).startswith(b"HTTP/1.1 " + status)


def test_a_megabyte_of_headers_is_refused(served: Served) -> None:
    with served.connected() as connection:
        # The server closes before it has read everything, so a send may fail.
        with contextlib.suppress(OSError):
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
            for number in range(10_000):
                connection.sendall(b"X-%d: %s\r\n" % (number, b"y" * 100))
        assert b"200" not in received(connection)[:20]


def test_a_body_that_never_ends_is_not_waited_for(served: Served) -> None:
    with served.connected() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n")
        assert received(connection).startswith(b"HTTP/1.1 405")


def test_a_slow_client_is_cut_off(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_REQUEST_SECONDS", 0.3)
    with served.connected() as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHo")
        assert served.ask("/healthz")[0] == 200  # nobody waits for the slow one
        assert received(connection) == b""


def test_a_client_that_does_not_read_is_cut_off(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "_REQUEST_SECONDS", 0.5)
    served.figures = replace(NOTHING_YET, exits={f"{n:04d}" * 50: n for n in range(30_000)})
    before = open_files()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", served.port))
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        head = connection.recv(500).decode()
        # Both ends are in this process: the server's goes away, ours stays.
        wait_for("an end of the connection", lambda: open_files() <= before + 1)
        wanted = int(head.partition("Content-Length: ")[2].partition("\r\n")[0])
        assert len(received(connection)) < wanted
    served.figures = NOTHING_YET


def test_many_connections_leave_room_for_the_next(served: Served) -> None:
    before = open_files()
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(served.connected()) for _ in range(300)]
        assert served.ask("/metrics")[0] == 200
        assert received(idle[0]) == b"", "the oldest has to go"
        assert open_files() - before < 300 + 100, "both ends are in this process"


# --- the address -----------------------------------------------------------------------------


def test_a_busy_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = Address("127.0.0.1", other.getsockname()[1])
        with pytest.raises(PreflightError) as told:
            bind(address)
    assert told.value.message == (
        f"The metrics address {address} cannot be used: Address already in use."
    )
    assert told.value.hint == "Choose another with --metrics HOST:PORT, or --metrics off."


@pytest.mark.parametrize("host", ["..", "a" * 300, "no-such-host.invalid", "203.0.113.1"])
def test_a_host_that_is_not_ours_is_told(host: str) -> None:
    with pytest.raises(PreflightError) as told:
        bind(Address(host, free_port()))
    assert told.value.message.startswith(f"The metrics address {host}:")
    assert told.value.hint


def test_a_port_of_the_system_is_told_to_others_than_root() -> None:
    """In a child that gives root up; ports below 1024 are root's (ip(7))."""
    assert int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) > 1
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        words = "bound"
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
            bind(Address("127.0.0.1", 1)).close()
        except PreflightError as error:
            words = error.message
        finally:
            os.write(writer, words.encode())
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as told:
        assert told.read() == "The metrics address 127.0.0.1:1 cannot be used: Permission denied."


def test_ipv6_and_any_port() -> None:
    with bind(Address("::1", 0)) as listener:
        assert listener.family == socket.AF_INET6
        port = listener.getsockname()[1]
        assert port
        server = MetricsServer(listener, (), lambda: True)
        assert server.address == f"[::1]:{port}"


def test_what_the_clients_use_is_told_as_far_as_it_is_accounted(served: Served) -> None:
    names = {name for name, _ in served.samples()}
    assert "hlsswarm_clients_memory_bytes" not in names
    stalls = {"io": Stall(0.1, 2.5, 0.0, 0.0)}
    served.figures = replace(
        NOTHING_YET,
        used=Usage(cpu_seconds=1.5, memory_bytes=7, memory_limit_bytes=9, tasks=2, stalls=stalls),
    )
    found = served.samples()
    assert found["hlsswarm_clients_memory_bytes", ()].value == 7
    assert found["hlsswarm_clients_memory_limit_bytes", ()].value == 9
    assert found["hlsswarm_clients_tasks", ()].value == 2
    assert found["hlsswarm_clients_cpu_seconds_total", ()].value == 1.5
    waited = found["hlsswarm_clients_waiting_seconds_total", (("resource", "io"),)]
    assert waited.value == 2.5
    assert ("hlsswarm_clients_disk_read_bytes_total", ()) not in found
