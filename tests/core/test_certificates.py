"""The certificate of a test origin: its names, and what openssl is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.certificates import (
    certificate_commands,
    openssl_configuration,
    parse_name,
    subject_names,
)
from hlsswarm.errors import UsageError


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("cdn.Example.org", "cdn.example.org"),
        ("*.example.org", "*.example.org"),
        ("host", "host"),
        ("192.0.2.7", "192.0.2.7"),
        ("[2001:db8:0::7]", "2001:db8::7"),
    ],
)
def test_names(text: str, name: str) -> None:
    assert parse_name(text) == name


@pytest.mark.parametrize("text", ["", "a b", "a,IP:1.2.3.4", "a\nb", "-a", ".a", "*", "ä.org"])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(UsageError, match="neither a host name nor an address"):
        parse_name(text)


@given(st.text(max_size=30))
def test_no_name_can_say_more_to_openssl(text: str) -> None:
    try:
        name = parse_name(text)
    except UsageError:
        return
    assert not set(name) & set(", \n\r\\$#;=\"'[]")


def test_subject_names() -> None:
    own = ("localhost", "127.0.0.1", "::1")
    assert subject_names("127.0.0.1", ()) == own
    assert subject_names("0.0.0.0", ["localhost"]) == own
    assert subject_names("192.0.2.7", ["a.b"]) == (*own, "192.0.2.7", "a.b")


def test_configuration() -> None:
    text = openssl_configuration(["localhost", "::1"])
    assert text.endswith("subjectAltName = DNS:localhost, IP:::1\n")


def test_commands() -> None:
    ca, server = (Path("/r/ca.pem"), Path("/r/ca.key")), (Path("/r/s.pem"), Path("/r/s.key"))
    commands = certificate_commands(
        Path("/bin/openssl"), Path("/r/cnf"), ca=ca, server=server, host="localhost"
    )
    assert [command[0] for command in commands] == ["/bin/openssl"] * 2
    first, second = map(" ".join, commands)
    assert "-out /r/ca.pem -keyout /r/ca.key -extensions ca" in first
    assert "-extensions server -CA /r/ca.pem -CAkey /r/ca.key -subj /CN=localhost" in second
