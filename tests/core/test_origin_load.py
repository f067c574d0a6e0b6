"""The origin's own load, from texts of real sources."""

from __future__ import annotations

import pytest

from hlsswarm.core.origin_load import (
    NodeReading,
    OriginLoad,
    parse_nginx_status,
    parse_node_metrics,
    rate,
)

STATUS = """Active connections: 42
server accepts handled requests
 1000 1000 {requests}
Reading: 0 Writing: 3 Waiting: 39
"""
NODE = """# HELP node_cpu_seconds_total Seconds the CPUs spent in each mode.
# TYPE node_cpu_seconds_total counter
node_cpu_seconds_total{{cpu="0",mode="idle"}} {idle}
node_cpu_seconds_total{{cpu="0",mode="iowait"}} 3
node_cpu_seconds_total{{cpu="0",mode="user"}} {user}
# TYPE node_memory_MemAvailable_bytes gauge
node_memory_MemAvailable_bytes 6e+09
# TYPE node_memory_MemTotal_bytes gauge
node_memory_MemTotal_bytes 8e+09
# TYPE node_network_transmit_bytes_total counter
node_network_transmit_bytes_total{{device="eth0"}} {sent}
node_network_transmit_bytes_total{{device="eth1"}} 1000
"""


def test_nginx_rates_are_differences_without_our_own_look() -> None:
    load = OriginLoad()
    load.nginx(10.0, parse_nginx_status(STATUS.format(requests=5000)))
    assert load.connections == 42
    assert load.requests_per_second is None
    load.nginx(12.0, parse_nginx_status(STATUS.format(requests=5201)))
    assert load.requests_per_second == pytest.approx(100.0)


def test_a_counter_that_went_back_gives_no_rate() -> None:
    load = OriginLoad()
    load.nginx(10.0, parse_nginx_status(STATUS.format(requests=5000)))
    load.nginx(12.0, parse_nginx_status(STATUS.format(requests=3)))
    assert load.requests_per_second is None
    assert rate(5, 3, 0) is None


def test_node_cpu_share_counts_waiting_for_disk_as_idle() -> None:
    load = OriginLoad()
    load.node(0.0, parse_node_metrics(NODE.format(idle=100, user=50, sent=0)))
    load.node(10.0, parse_node_metrics(NODE.format(idle=107.5, user=52.5, sent=5000)))
    assert load.cpu_share == pytest.approx(0.25)
    assert load.memory_used_bytes == pytest.approx(2e9)
    assert load.sent_bytes_per_second == pytest.approx(500)


def test_a_node_without_network_figures_is_read() -> None:
    text = "\n".join(NODE.format(idle=1, user=1, sent=1).splitlines()[:5]) + "\n"
    assert parse_node_metrics(text) == NodeReading(5.0, 1.0, None, None, None)


@pytest.mark.parametrize("text", ["", "<html>", "Active connections: x"])
def test_other_pages_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not"):
        parse_nginx_status(text)
    with pytest.raises(ValueError, match="not"):
        parse_node_metrics("some_metric 1\n")
