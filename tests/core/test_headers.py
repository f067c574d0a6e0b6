"""Headers: what may be sent, and that secrets are shown nowhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.headers import (
    MASK,
    Header,
    all_headers,
    check_secrets,
    header_block,
    input_script,
    is_secret_name,
    parse_header,
    parse_header_file,
    redact,
    redact_command,
)
from hlsswarm.errors import UsageError


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("X-A: b", "X-A", "b"),
        ("X-A:b:c", "X-A", "b:c"),
        ("x!#$%&'*+.^_`|~9: \t v w \t", "x!#$%&'*+.^_`|~9", "v w"),
        ("X-Empty:", "X-Empty", ""),
        ("X-Text: schön", "X-Text", "schön"),
    ],
)
def test_header(text: str, name: str, value: str) -> None:
    header = parse_header(text)
    assert (header.name, header.value, header.secret) == (name, value, False)
    assert str(header) == f"{name}: {value}"


@pytest.mark.parametrize(
    "text",
    ["", "X-A", "X A: b", ": b", "X-A : b", "X-Ä: b", "X-A\r\nX-B: c", "User-Agent: x", "range: 1"]
    + [f"X-A: se{c}cret" for c in "\r\n\0\x1f\x7f"],
)
def test_header_that_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_header(text)
    told = f"{caught.value.message} {caught.value.hint}"
    assert told.startswith("--header") and caught.value.message.endswith(".")
    assert "cret" not in told and told.isprintable()


def test_header_file() -> None:
    text = "\ufeff# tokens\n\n Authorization: Bearer a.b\r\n  # more\nCookie: k=v; l=w\n"
    headers = parse_header_file(text)
    assert [str(h) for h in headers] == ["Authorization: Bearer a.b", "Cookie: k=v; l=w"]
    assert all(header.secret for header in headers)
    assert "Bearer" not in repr(headers)


def test_header_file_error_tells_the_line_and_no_secret() -> None:
    with pytest.raises(UsageError) as caught:
        parse_header_file("X-A: 1\nBearer s3cret\n", where="--header-file tokens")
    assert caught.value.message.startswith("--header-file tokens, line 2")
    assert "s3cret" not in caught.value.message
    with pytest.raises(UsageError):
        parse_header_file("#" * 100_000)


def test_no_cache_yields_to_what_was_given() -> None:
    given_one = parse_header("cache-control: max-age=0")
    names = [str(h) for h in all_headers([given_one], no_cache=True)]
    assert names == ["cache-control: max-age=0", "Pragma: no-cache"]
    assert all_headers([], no_cache=False) == ()
    assert header_block(all_headers([], no_cache=True)) == (
        "Cache-Control: no-cache\r\nPragma: no-cache\r\n"
    )


def test_one_secret_header_alone_can_be_kept_secret() -> None:
    secret, plain = parse_header("X-A: 1", secret=True), parse_header("X-B: 2")
    check_secrets([secret], in_command_line=False)
    check_secrets([plain, plain], in_command_line=False)
    check_secrets([secret, plain], in_command_line=True)
    with pytest.raises(UsageError, match="one header out of sight, and these are 2"):
        check_secrets([secret, plain], in_command_line=False)


def test_script() -> None:
    text = input_script("http://h/it's.m3u8", [("headers", "X-A: 'b'"), ("rw_timeout", "1")])
    assert text == (
        "ffconcat version 1.0\nfile 'http://h/it'\\''s.m3u8'\n"
        "option headers 'X-A: '\\''b'\\'''\noption rw_timeout '1'\n"
    )
    for bad in "\r\n\0":
        with pytest.raises(ValueError, match="one line"):
            input_script("http://h/", [("headers", f"a{bad}b")])


def test_shown() -> None:
    assert parse_header("Authorization: Bearer x").shown == f"Authorization: {MASK}"
    assert parse_header("X-Any: x", secret=True).shown == f"X-Any: {MASK}"
    assert parse_header("Accept: */*").shown == "Accept: */*"


SECRET_NAMES = (
    *("token", "access_token", "hdnts", "Signature", "X-Amz-Signature", "Policy", "Key-Pair-Id"),
    *("sig", "pwd", "password", "api_key", "X-Api-Key", "Cookie", "Set-Cookie", "to%6ben", "jwt"),
)


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_secret_name(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["bitrate", "start", "_HLS_msn", "id", "codec", "Accept", "v"])
def test_harmless_name(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("http://h/a?token=x&b=1#f", "http://h/a?token=***&b=1#f"),
        ("'http://h/a?b=1&SIG=x' and more", "'http://h/a?b=1&SIG=***' and more"),
        ("https://me:pw@h/a", "https://***@h/a"),
        ("Authorization: Bearer abc def\r\nX-B: 1", "Authorization: ***\r\nX-B: 1"),
        (
            "[info] Opening 'http://h/1.ts?jwt=e.y' for",
            "[info] Opening 'http://h/1.ts?jwt=***' for",
        ),
        ("http://h/a?token=&b", "http://h/a?token=&b"),
        ("nothing: to hide", "nothing: to hide"),
    ],
)
def test_redact(text: str, wanted: str) -> None:
    assert redact(text) == wanted
    assert redact(wanted) == wanted


def test_redact_what_is_known_to_be_secret() -> None:
    secret = Header("X-Odd", "opaque", secret=True)
    assert redact("said opaque!", [secret]) == f"said {MASK}!"
    assert redact_command(["-headers", "X-Odd: opaque\r\n"], [secret])[1] == f"X-Odd: {MASK}\r\n"
    assert redact("any text", [Header("X-Empty", "", secret=True)]) == "any text"


@given(st.from_regex(r"[A-Za-z0-9._~-]{8,40}", fullmatch=True))
def test_no_token_survives(token: str) -> None:
    text = f"GET https://u:{token}@h/p?a=1&access_token={token} Authorization: Bearer {token}"
    assert token not in redact(text)


@given(st.text(max_size=200))
def test_redact_takes_any_text(text: str) -> None:
    assert redact(redact(text)) == redact(text)
