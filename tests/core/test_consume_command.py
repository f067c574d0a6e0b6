"""Command lines of consumers, by the kind of URL."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.consume_command import consume_command, consumed_url, is_file
from hlsswarm.errors import UsageError

FFMPEG = Path("/usr/bin/ffmpeg")


def test_a_stream_is_read_as_it_is_or_decoded() -> None:
    url = "rtsp://127.0.0.1:8554/a"
    copied, decoded = (consume_command(FFMPEG, url, decode=decode) for decode in (False, True))
    assert copied[copied.index("-i") + 1] == decoded[decoded.index("-i") + 1] == url
    assert "-rtsp_transport" in copied
    assert "copy" in copied
    assert "copy" not in decoded
    assert copied[-2:] == ["framecrc", "pipe:1"]


def test_http_is_not_tried_twice_and_not_paced() -> None:
    words = consume_command(FFMPEG, "http://h/a.m3u8", decode=False)
    assert "-reconnect" not in words
    assert "-re" not in words
    assert "-rw_timeout" in words


def test_a_file_is_read_at_its_own_pace() -> None:
    words = consume_command(FFMPEG, "/a/-i.mp4", decode=False)
    assert "-re" in words
    assert words[words.index("-i") + 1] == "file:/a/-i.mp4"


@pytest.mark.parametrize(
    "url", ["", "rtsp://", "rtsp:///x", "gopher://h/x", "concat://a|b", "http://[h/x",
            "rtsp://h:99999/x", "rtsp://h/\n"],
)  # fmt: skip
def test_what_cannot_be_read(url: str) -> None:
    with pytest.raises(UsageError) as error:
        consumed_url(url)
    assert error.value.hint


@given(st.text(max_size=100))
def test_every_text_is_a_url_a_file_or_an_error(text: str) -> None:
    try:
        kept = consumed_url(text)
    except UsageError:
        return
    assert kept == text
    consume_command(FFMPEG, text, decode=False)
    assert is_file(text) == ("://" not in text) or "://" in text
