"""Hosts of a plan: what is read, what they cover, and what a playlist leads to."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.hosts import (
    Hosts,
    allow,
    deny_all,
    fetched_urls,
    foreign_hosts,
    host_of,
    nameservers,
    network_of,
    parse_hosts,
    plan_hosts,
)
from hlsswarm.errors import UsageError


def test_what_is_read() -> None:
    found = parse_hosts("CDN.example., *.edge.example,192.0.2.7,[2001:db8::1],198.51.100.9/24")
    assert found.names == ("cdn.example", "*.edge.example")
    networks = ["192.0.2.7/32", "2001:db8::1/128", "198.51.100.0/24"]
    assert [str(network) for network in found.networks] == networks


@pytest.mark.parametrize(
    "text", ["", "a b", "http://h/", "h:80", "192.0.2.300", "10.0.0.0/99", "*", "*.", "a,,b", "-a"]
)
def test_what_is_no_host(text: str) -> None:
    with pytest.raises(UsageError, match="is no host") as caught:
        parse_hosts(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("host", "covered"),
    [
        ("cdn.example", True),
        ("CDN.Example.", True),
        ("a.cdn.example", False),
        ("xcdn.example", False),
        ("a.edge.example", True),
        ("a.b.edge.example", True),
        ("edge.example", False),
        ("xedge.example", False),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("198.51.100.200", True),
        ("2001:db8::1", True),
        ("2001:db8:0:0::1", True),
        ("::1", False),
        ("", False),
    ],
)
def test_covers(host: str, covered: bool) -> None:
    hosts = parse_hosts("cdn.example,*.edge.example,192.0.2.7,2001:db8::1,198.51.100.0/24")
    assert hosts.covers(host) is covered


def test_a_plans_hosts() -> None:
    url = "https://user@CDN.example:8443/a.m3u8"
    hosts = plan_hosts(url, "192.0.2.7", parse_hosts("*.x.example"))
    assert hosts.names == ("cdn.example", "*.x.example")
    assert hosts.covers("192.0.2.7") and not hosts.covers("192.0.2.8")
    assert plan_hosts("http://[::1]:80/", None, Hosts()).covers("::1")
    assert hosts.to_resolve(["a.x.example", "b.example"]) == ("cdn.example", "a.x.example")


PLAYLIST = """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="x",URI="https://audio.example/a.m3u8"
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="https://never.example/i.m3u8"
#EXT-X-KEY:METHOD=AES-128,URI="https://key.example/k",IV=0x1
#EXT-X-MAP:URI="//map.example/init.mp4",BYTERANGE="1@0"
#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://drm",KEYFORMAT="com.apple.streamingkeydelivery"
#EXTINF:2,
http://seg.example:81/1.ts
#EXTINF:2,
  2.ts
# http://comment.example/
file:///etc/passwd
http://[broken/3.ts
"""


def test_what_a_playlist_leads_to() -> None:
    urls = list(fetched_urls(PLAYLIST, "https://own.example/live/i.m3u8"))
    assert "https://own.example/live/2.ts" in urls
    found = foreign_hosts(urls, parse_hosts("own.example"))
    assert found == ("audio.example", "key.example", "map.example", "seg.example")
    assert foreign_hosts(urls, parse_hosts("*.example")) == ()
    assert host_of("file:///etc/passwd") is None


@given(st.text())
def test_no_playlist_breaks_it(text: str) -> None:
    urls = list(fetched_urls(text, "http://own.example/"))
    assert all(isinstance(host, str) for host in foreign_hosts(urls, Hosts()))


@given(st.ip_addresses())
def test_an_address_is_covered_by_itself_alone(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    network = network_of(str(address))
    assert network is not None
    assert Hosts((), (network,)).covers(str(address))
    assert Hosts((), (network,)).covers("example") is False
    [(family, packed, prefix)] = allow([network]).value
    assert (family, len(packed) * 8) == ((2, 32) if address.version == 4 else (10, 128))
    assert prefix == network.max_prefixlen


def test_properties() -> None:
    assert deny_all().value == [(2, [0] * 4, 0), (10, [0] * 16, 0)]
    text = "# nameserver 192.0.2.1\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\nsearch x\n"
    assert [str(network) for network in nameservers(text)] == ["192.0.2.53/32", "fe80::1/128"]
    assert [str(network) for network in nameservers("")] == ["127.0.0.1/32"]
