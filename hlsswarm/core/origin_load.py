"""The origin's own load: from nginx's status page and from a node exporter's metrics.

Text in, figures out; counters become rates between two readings, and a counter that went back
(a restart) starts anew. Pure. Sources: ngx_http_stub_status_module; node_exporter's cpu, meminfo
and netdev collectors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

_STATUS = re.compile(
    r"Active connections:\s*(\d+)\s+server accepts handled requests\s+(\d+)\s+(\d+)\s+(\d+)\s+"
    r"Reading:\s*(\d+)\s+Writing:\s*(\d+)\s+Waiting:\s*(\d+)"
)
_IDLE_MODES = ("idle", "iowait")


@dataclass(frozen=True)
class NginxStatus:
    """One reading of stub_status."""

    connections: int
    accepts: int
    requests: int
    writing: int
    waiting: int


def parse_nginx_status(text: str) -> NginxStatus:
    """Read a status page. Raises ValueError when it is none."""
    match = _STATUS.search(text)
    if match is None:
        raise ValueError("this is not nginx's status page")
    active, accepts, _, requests, _, writing, waiting = (int(group) for group in match.groups())
    return NginxStatus(active, accepts, requests, writing, waiting)


@dataclass(frozen=True)
class NodeReading:
    """One reading of a node exporter; None for what it does not tell."""

    cpu_seconds: float | None
    """Of all processors together, idle time included."""
    busy_seconds: float | None
    memory_used_bytes: float | None
    sent_bytes: float | None
    received_bytes: float | None


def parse_node_metrics(text: str) -> NodeReading:
    """Read a node exporter's metrics. Raises ValueError when there is nothing of it."""
    cpu = busy = sent = received = 0.0
    memory: dict[str, float] = {}
    seen: set[str] = set()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name, labels, value = sample.name, sample.labels, sample.value
            if name == "node_cpu_seconds_total":
                cpu += value
                busy += 0.0 if labels.get("mode") in _IDLE_MODES else value
            elif name in {"node_memory_MemTotal_bytes", "node_memory_MemAvailable_bytes"}:
                memory[name] = value
            elif name == "node_network_transmit_bytes_total":
                sent += value
            elif name == "node_network_receive_bytes_total":
                received += value
            else:
                continue
            seen.add(name.split("_")[1])
    if not seen:
        raise ValueError("these are not a node exporter's metrics")
    total = memory.get("node_memory_MemTotal_bytes")
    available = memory.get("node_memory_MemAvailable_bytes")
    known = total is not None and available is not None
    return NodeReading(
        cpu_seconds=cpu if "cpu" in seen else None,
        busy_seconds=busy if "cpu" in seen else None,
        memory_used_bytes=(total or 0.0) - (available or 0.0) if known else None,
        sent_bytes=sent if "network" in seen else None,
        received_bytes=received if "network" in seen else None,
    )


def rate(now: float | None, before: float | None, seconds: float) -> float | None:
    """Increase per second of a counter; None without two readings or after it went back."""
    if now is None or before is None or seconds <= 0 or now < before:
        return None
    return (now - before) / seconds


@dataclass
class OriginLoad:
    """The origin's figures at present; each None until it is known."""

    connections: int | None = None
    requests_per_second: float | None = None
    connections_per_second: float | None = None
    cpu_share: float | None = None
    """Of all the origin's processors: 1 is all of them busy."""
    memory_used_bytes: float | None = None
    sent_bytes_per_second: float | None = None
    problem: str | None = None
    """Why the last reading failed, in words."""
    _nginx: tuple[float, NginxStatus] | None = field(default=None, repr=False)
    _node: tuple[float, NodeReading] | None = field(default=None, repr=False)

    def nginx(self, now: float, status: NginxStatus) -> None:
        """A new status page, read at `now` (seconds)."""
        if self._nginx is not None:
            seconds = now - self._nginx[0]
            before = self._nginx[1]
            # Our own look at the page is one of the requests, and often a connection too.
            requests = rate(status.requests - 1, before.requests, seconds)
            self.requests_per_second = requests
            self.connections_per_second = rate(status.accepts, before.accepts, seconds)
        self.connections = status.connections
        self._nginx = (now, status)

    def node(self, now: float, reading: NodeReading) -> None:
        """New node metrics, read at `now` (seconds)."""
        if self._node is not None:
            seconds = now - self._node[0]
            before = self._node[1]
            busy = rate(reading.busy_seconds, before.busy_seconds, seconds)
            all_time = rate(reading.cpu_seconds, before.cpu_seconds, seconds)
            self.cpu_share = busy / all_time if busy is not None and all_time else None
            self.sent_bytes_per_second = rate(reading.sent_bytes, before.sent_bytes, seconds)
        self.memory_used_bytes = reading.memory_used_bytes
        self._node = (now, reading)

    def figures(self) -> dict[str, float]:
        """What is known now, with units of measure in the names."""
        known = {
            "connections": self.connections,
            "requests_per_second": self.requests_per_second,
            "cpu_share": self.cpu_share,
            "memory_bytes": self.memory_used_bytes,
            "sent_bytes_per_second": self.sent_bytes_per_second,
        }
        return {name: float(value) for name, value in known.items() if value is not None}
