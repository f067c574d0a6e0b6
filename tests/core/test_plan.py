"""A plan that cannot be meant is a sentence and a hint."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.commands import ClientOptions
from hlsswarm.core.plan import CLIENTS_MAX, Address, Plan, check_url, parse_address
from hlsswarm.errors import UsageError

URL = "http://127.0.0.1:8080/stream.m3u8"


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "https://cdn.example/live/master.m3u8?a=$X&b=%20%n&c='d'#f",
        "http://[::1]:8080/a.m3u8",
        "http://h/ä€😀.m3u8",
        "HTTP://H/",
    ],
)
def test_urls(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "", "stream.m3u8", "/a", "ftp://h/a", "file:///etc/passwd", "http://", "http:///a",
        "http:a", "http://h:x/", "http://h:99999/", "http://[::1/a", "-i", "http://h/\n", "http://h/\0",
        "\x7f", "http://h/\udce9",
    ],
)  # fmt: skip
def test_these_are_no_urls(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_url(url)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "address", "again"),
    [
        ("127.0.0.1:9090", Address("127.0.0.1", 9090), "127.0.0.1:9090"),
        (":9090", Address("0.0.0.0", 9090), "0.0.0.0:9090"),
        ("[::1]:0", Address("::1", 0), "[::1]:0"),
        ("host.example:65535", Address("host.example", 65535), "host.example:65535"),
    ],
)
def test_addresses(text: str, address: Address, again: str) -> None:
    assert parse_address(text) == address
    assert str(address) == again
    assert parse_address(again) == address


@pytest.mark.parametrize("text", ["", "9090", "h:", "h:x", "h:65536", "::1:9090", "[h]:1", "h:-1"])
def test_these_are_no_addresses(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        parse_address(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"clients": 0},
        {"clients": -1},
        {"clients": CLIENTS_MAX + 1},
        {"ramp_rate_per_second": -1.0},
        {"ramp_rate_per_second": math.nan},
        {"ramp_rate_per_second": math.inf},
        {"run_id": "No Run"},
        {"run_id": ""},
        {"summary_interval_seconds": 0.0},
        {"client": ClientOptions(URL, timeout_seconds=0)},
        {"client": ClientOptions("nowhere")},
    ],
)
def test_these_are_no_plans(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        Plan(**{"client": ClientOptions(URL), **changes})
    assert caught.value.message.endswith(".")
    assert caught.value.hint


@given(st.integers(1, 200), st.just(0.0) | st.floats(1e-6, 100), st.floats(0, 5), st.integers())
def test_a_plan_has_its_schedule(clients: int, rate: float, jitter: float, seed: int) -> None:
    plan = Plan(
        client=ClientOptions(URL),
        clients=clients,
        ramp_rate_per_second=rate,
        ramp_jitter_seconds=jitter,
        seed=seed,
    )
    assert len(plan.schedule()) == clients
    assert plan.schedule() == plan.schedule()
