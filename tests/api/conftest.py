"""One daemon for all tests of its API: with an origin, a swarm, and the API on TCP as well."""

from __future__ import annotations

import http.client
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from hlsswarm.api.client import ApiClient
from tests.rig.daemons import Daemon, daemon
from tests.support import free_port, place, wait_for

TEXT = """
[metrics]
listen = "127.0.0.1:METRICS"
[api]
listen = "127.0.0.1:{port}"
token-file = "{token_file}"
[[origin]]
name = "main"
port = ORIGIN
[[swarm]]
name = "evening"
url = "http://127.0.0.1:ORIGIN/stream.m3u8"
clients = 2
ramp-rate = 10
"""


@dataclass(frozen=True)
class Rig:
    """A daemon and its API."""

    daemon: Daemon
    port: int
    token: str

    @property
    def api(self) -> ApiClient:
        """The API by its unix socket."""
        return ApiClient(self.daemon.place.runtime_directory / "api.sock")

    @property
    def stream(self) -> str:
        """The origin's stream."""
        return f"http://127.0.0.1:{self.daemon.origin_port}/stream.m3u8"

    def is_ready(self) -> bool:
        """Whether everything has started."""
        return self.tcp("GET", "/readyz")[0] == 200

    def swarm(self, name: str = "evening") -> dict[str, Any]:
        """A swarm as the API has it."""
        found: dict[str, Any] = self.api.call("GET", f"/v1/swarms/{name}")
        return found

    def wait_for_clients(self, count: int, name: str = "evening") -> dict[str, Any]:
        """Wait until so many clients stream, and no others are there."""

        def streaming() -> dict[str, Any] | None:
            swarm = self.swarm(name)
            clients = swarm["clients"]
            there = clients["active"] == clients["states"].get("streaming") == count
            return swarm if there else None

        return wait_for(f"{count} streaming clients", streaming, timeout_seconds=60)

    def tcp(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        token: str | None = "",
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of a request over TCP; with the right token unless told."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        own = {} if token is None else {"Authorization": f"Bearer {token or self.token}"}
        try:
            connection.request(method, path, body, {**own, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def send(self, method: str, path: str, document: Any) -> tuple[int, Any]:
        """Status and JSON of a request over TCP with a JSON body."""
        body = json.dumps(document).encode()
        status, _, answer = self.tcp(method, path, body, {"Content-Type": "application/json"})
        return status, json.loads(answer)


@pytest.fixture(scope="package")
def rig() -> Iterator[Rig]:
    """The daemon, once its swarm plays."""
    with place() as here:
        token_file = here.root / "token"
        token = secrets.token_hex(16)
        token_file.write_text(token + "\n")
        token_file.chmod(0o600)
        port = free_port()
        with daemon(here, TEXT.format(port=port, token_file=token_file)) as made:
            rig = Rig(made, port, token)
            rig.wait_for_clients(2)
            wait_for("all items", rig.is_ready)
            yield rig
        here.nothing_left(made.origin_port)
