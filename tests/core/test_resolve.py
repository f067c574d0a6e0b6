"""--resolve: ways, hosts files, and other URLs."""

from __future__ import annotations

from pathlib import Path

import pytest

from hlsswarm.core.resolve import (
    Resolution,
    choose_way,
    host_header_value,
    host_to_resolve,
    hosts_text,
    not_covered,
    nsswitch_text,
    parse_address,
    proxy_url,
    rewritten_url,
    tls_verifies_by_default,
    unit_properties,
)
from hlsswarm.errors import ConfigurationError, UsageError

HTTP, HTTPS = "http://cdn.example:8080/a.m3u8?x=1", "https://me:pw@cdn.example/a.m3u8"
HERE = Resolution("rewrite", "cdn.example", "192.0.2.7")
HERE_6 = Resolution("rewrite", "cdn.example", "2001:db8::7")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("192.0.2.7", "192.0.2.7"), ("[2001:DB8::7]", "2001:db8::7"), (" ::1 ", "::1")],
)
def test_address(text: str, wanted: str) -> None:
    assert parse_address(text) == wanted


@pytest.mark.parametrize("text", ["", "cdn.example", "192.0.2", "192.0.2.7:80", "fe80::1%eth0"])
def test_address_that_is_none(text: str) -> None:
    with pytest.raises(UsageError):
        parse_address(text)


@pytest.mark.parametrize("url", ["http://192.0.2.1/a", "http://[::1]/a", "http://bücher.example/a"])
def test_host_that_cannot_be_resolved_anew(url: str) -> None:
    with pytest.raises(UsageError, match="--resolve"):
        host_to_resolve(url)


def way(url: str, *, mounts: bool, dangerous: bool = False, verifies: bool = False) -> str:
    return choose_way(
        url,
        "192.0.2.7",
        mount_namespaces=mounts,
        dangerous=dangerous,
        tls_verifies_by_default=verifies,
    ).way


def test_the_best_way_that_there_is() -> None:
    assert way(HTTPS, mounts=True, verifies=True) == "hosts"
    assert way(HTTP, mounts=True) == "hosts"
    assert way(HTTP, mounts=False, verifies=True) == "proxy"
    assert way(HTTPS, mounts=False, dangerous=True) == "rewrite"


def test_https_without_mounts_is_dangerous_or_impossible() -> None:
    with pytest.raises(UsageError) as caught:
        way(HTTPS, mounts=False)
    assert "--dangerous" in str(caught.value.hint)
    with pytest.raises(ConfigurationError, match="cannot be kept from checking"):
        way(HTTPS, mounts=False, dangerous=True, verifies=True)


@pytest.mark.parametrize("name", ["hosts", "proxy", "rewrite"])
def test_sentence(name: str) -> None:
    sentence = Resolution(name, "cdn.example", "192.0.2.7").sentence  # type: ignore[arg-type]
    assert sentence.startswith("cdn.example is 192.0.2.7 for the clients, by ") or name == "proxy"
    assert sentence.endswith(".")
    assert ("SNI" in sentence) == (name == "rewrite")


def test_tls_help() -> None:
    row = "  -tls_verify        <{}>        ED......... Verify the peer certificate {}"
    assert not tls_verifies_by_default(row.format("int", "(from 0 to 1) (default 0)"))
    assert tls_verifies_by_default(row.format("boolean", "(default true)"))
    assert not tls_verifies_by_default("")


def test_hosts_file() -> None:
    machine = (
        "127.0.0.1 localhost # cdn.example\n10.0.0.1\tCDN.example\n10.0.0.2 other cdn.example\n"
        "# comment\n::1 localhost"
    )
    assert hosts_text(machine, HERE) == (
        "192.0.2.7 cdn.example\n127.0.0.1 localhost # cdn.example\n10.0.0.2 other\n"
        "# comment\n::1 localhost\n"
    )
    assert hosts_text("", HERE_6) == "2001:db8::7 cdn.example\n"


@pytest.mark.parametrize(
    ("machine", "wanted"),
    [
        ("", "hosts: files dns\n"),
        ("passwd: files\n", "passwd: files\nhosts: files dns\n"),
        (
            "passwd: files\nhosts: resolve [!UNAVAIL=return] files dns\nnetworks: files\n",
            "passwd: files\nhosts: files dns\nnetworks: files\n",
        ),
    ],
)
def test_switch_file(machine: str, wanted: str) -> None:
    assert nsswitch_text(machine) == wanted


def test_unit_properties() -> None:
    binds, hidden = unit_properties(Path("/r/hosts"), Path("/r/switch"))
    assert binds.signature == "a(ssbt)"
    assert binds.value == [
        ("/r/hosts", "/etc/hosts", False, 0),
        ("/r/switch", "/etc/nsswitch.conf", False, 0),
    ]
    assert (hidden.name, hidden.signature) == ("InaccessiblePaths", "as")
    assert len(unit_properties(Path("/r/hosts"), None)[0].value) == 1


def test_other_urls() -> None:
    assert proxy_url(HERE, HTTP) == "http://192.0.2.7:8080"
    assert proxy_url(HERE_6, "http://cdn.example/") == "http://[2001:db8::7]:80"
    assert rewritten_url(HERE, HTTP) == "http://192.0.2.7:8080/a.m3u8?x=1"
    assert rewritten_url(HERE_6, HTTPS) == "https://me:pw@[2001:db8::7]/a.m3u8"
    assert rewritten_url(HERE, "https://else.example/a") == "https://else.example/a"
    assert (host_header_value(HTTP), host_header_value(HTTPS)) == (
        "cdn.example:8080",
        "cdn.example",
    )


def test_not_covered() -> None:
    text = (
        '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="https://cdn.example/key"\n#EXTINF:2,\na.ts\n'
        '#EXT-X-MAP:URI="init.mp4"\n//cdn.example/b.ts\nhttps://else.example/c.ts\n'
    )
    found = not_covered(text, "https://cdn.example/x/i.m3u8", HERE)
    assert found == ("https://cdn.example/key", "//cdn.example/b.ts")
