"""A run and a rig that a real Prometheus scrapes, with a bit of everything that can be measured."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.lab.prometheus import Prometheus, prometheus
from tests.monitoring.files import RULES
from tests.support import Place, free_port, place, wait_for

CLIENTS, RIG_CLIENTS = 10, 2
_RIG = """\
[metrics]
listen = "127.0.0.1:{metrics}"

[[swarm]]
name = "evening"
url = "{url}"
clients = {clients}
ramp-rate = 5
"""
_NODE = """\
node_cpu_seconds_total{{cpu="0",mode="idle"}} {idle}
node_cpu_seconds_total{{cpu="0",mode="user"}} {busy}
node_memory_MemTotal_bytes 8e9
node_memory_MemAvailable_bytes 6e9
node_network_transmit_bytes_total{{device="eth0"}} {sent}
"""


@dataclass(frozen=True)
class Live:
    """What runs."""

    place: Place
    server: Prometheus
    run_metrics: int
    rig_metrics: int

    def wait_for(self, what: str, expression: str) -> None:
        """Wait until an expression has a value that is true."""
        wait_for(what, lambda: self.server.value(expression), timeout_seconds=60)


class _Node(BaseHTTPRequestHandler):
    """A machine that is half busy, as a node exporter tells it."""

    looks = itertools.count(1)

    def do_GET(self) -> None:
        """Tell counters that have grown."""
        look = next(self.looks)
        body = _NODE.format(idle=look, busy=look, sent=1e6 * look).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def _node_exporter() -> Iterator[int]:
    """Its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Node) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def live() -> Iterator[Live]:
    """An origin, a run of ten clients, a rig with two, and Prometheus; errors have happened."""
    with place() as made, _node_exporter() as node, tempfile.TemporaryDirectory() as directory:
        origin, run_metrics, rig_metrics = free_port(), free_port(), free_port()
        url = f"http://127.0.0.1:{origin}/stream.m3u8"
        configuration = made.root / "rig.toml"
        configuration.write_text(_RIG.format(metrics=rig_metrics, url=url, clients=RIG_CLIENTS))
        made.done("origin", "start", "--port", str(origin), "--encode", "once")
        targets = {"hlsswarm": rig_metrics, "hlsswarm-run": run_metrics}
        with prometheus(Path(directory), targets, RULES) as server:
            rig = made.start("serve", "--config", str(configuration))
            rig.wait_for_line("The rig is kept")
            run = made.start(
                *("run", "--clients", str(CLIENTS), "--ramp-rate", "2", "--memory-max", "1G"),
                *("--metrics", f"127.0.0.1:{run_metrics}"),
                *("--nginx-metrics", f"http://127.0.0.1:{origin}/nginx_status"),
                *("--origin-metrics", f"http://127.0.0.1:{node}/metrics"),
                *("--run-id", "lab", url),
            )
            running = Live(made, server, run_metrics, rig_metrics)
            running.wait_for(
                "all clients", f"sum(hlsswarm_clients_active) == {CLIENTS + RIG_CLIENTS}"
            )
            made.done(
                *("fault", "start", "--port", str(origin), "status=503", "share=60%", "for=3s")
            )
            _kill_a_client(url)
            running.wait_for("errors", 'hlsswarm_errors_total{class="http_503"} > 0')
            running.wait_for("an end of a process", "hlsswarm_process_exits_total > 0")
            wait = (
                'min(count_over_time(hlsswarm_clients_active[1m])) > 20 and on() up{job="hlsswarm"}'
            )
            running.wait_for("a third of a minute", wait)
            yield running
            for command in (run, rig):
                command.signal(signal.SIGINT)
                command.finished()


def _kill_a_client(url: str) -> None:
    """End a client of the run as the kernel would."""
    for directory in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (directory / "cmdline").read_bytes()
            plays = url.encode() in words and b"-user_agent" in words
            if plays and "hlsswarm-lab-client" in (directory / "cgroup").read_text():
                os.kill(int(directory.name), signal.SIGKILL)
                return
    raise AssertionError("no client of the run is there")
