"""Streams out of settings: names, URLs, what comes before what; and ffmpeg's command lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hlsswarm.core.publish import (
    Stream,
    check_push_url,
    push_command,
    server_address,
    stream_url,
    streams_of,
)
from hlsswarm.errors import ConfigurationError, HlsSwarmError, UsageError

BASE = "rtsp://127.0.0.1:8554/"


def streams(*tables: dict[str, Any], count: int | None = None, **given: Any) -> tuple[Stream, ...]:
    return streams_of(BASE, count, given, tables)


def test_three_streams_of_the_seed_by_default() -> None:
    made = streams()
    assert [stream.url for stream in made] == [f"{BASE}stream{n}" for n in (1, 2, 3)]
    first = made[0]
    assert (first.source, first.loop, first.how, first.audio) == ("bars", True, "once", False)
    encoding = first.encoding
    assert (encoding.codec, encoding.preset, encoding.pixel_format) == (
        "libx264",
        "ultrafast",
        "yuv420p",
    )
    assert (encoding.bitrate_bps, encoding.fps) == (2_000_000, 30)


def test_flags_come_before_tables_and_tables_before_the_rest() -> None:
    made = streams_of(
        BASE,
        None,
        {"fps": 10},
        ({"name": "a", "fps": 50, "bitrate": 1000}, {"name": "b"}),
        {"bitrate": 9000, "codec": "libx265"},
    )
    assert [(s.name, s.encoding.fps, s.encoding.bitrate_bps, s.encoding.codec) for s in made] == [
        ("a", 10, 1000, "libx265"),
        ("b", 10, 9000, "libx265"),
    ]


def test_more_streams_than_tables_take_them_in_turn() -> None:
    made = streams({"name": "cam", "source": "shapes"}, {"name": "door"}, count=5)
    assert [stream.name for stream in made] == ["cam", "door", "cam-2", "door-2", "cam-3"]
    assert [stream.source for stream in made][::2] == ["shapes"] * 3
    assert len(streams({"name": "cam"}, {"name": "door"}, count=1)) == 1


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("rtsp://h:8554", "rtsp://h:8554/x"),
        ("rtsp://u:p@h/live/", "rtsp://u:p@h/live/x"),
        ("rtsp://h/{name}/in?a=1", "rtsp://h/x/in?a=1"),
        ("rtsp://h/in?a=1", "rtsp://h/in/x?a=1"),
        ("rtmp://h/app", "rtmp://h/app/x"),
        ("srt://h:9000", "srt://h:9000?streamid=publish:x"),
        ("srt://h:9000?latency=9", "srt://h:9000?latency=9&streamid=publish:x"),
        ("srt://h:9000?streamid=me", "srt://h:9000?streamid=me"),
    ],
)
def test_where_a_stream_goes(base: str, url: str) -> None:
    assert stream_url(check_push_url(base), "x") == url


def test_where_a_server_is_looked_for() -> None:
    assert server_address("rtsp://h/x") == ("h", 554)
    assert server_address("rtmp://[::1]:99/x") == ("::1", 99)
    assert server_address("srt://h:9000") is None


@pytest.mark.parametrize(
    "url",
    ["", "h", "http://h/x", "rtsp://", "rtsp:///x", "rtsp://h:99999/x", "rtsp://[h/x", "srt://h",
     "rtsp://h/a b", "rtsp://h/a\nb"],
)  # fmt: skip
def test_urls_that_nothing_can_be_pushed_to(url: str) -> None:
    with pytest.raises(UsageError) as error:
        streams_of(url, None, {})
    assert error.value.hint


@pytest.mark.parametrize(
    "tables",
    [
        ({"name": "a"}, {"name": "a"}),
        ({"name": "../a"},),
        ({"name": ""},),
        ({"url": f"{BASE}x"}, {"url": f"{BASE}x"}),
        ({"name": "a", "url": "ftp://h/x"},),
        ({"encode": "copy"},),
    ],
)
def test_tables_that_do_not_hold_together(tables: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(HlsSwarmError):
        streams(*tables)


def test_two_streams_at_one_listener_are_one_too_many() -> None:
    with pytest.raises(ConfigurationError):
        streams_of("srt://h:9000?mode=listener", 2, {})


def test_without_a_server_there_is_nothing_to_push_to() -> None:
    with pytest.raises(UsageError, match=r"The server's URL is missing"):
        streams_of(None, None, {})
    assert streams_of(None, None, {}, ({"url": f"{BASE}own"},))[0].url == f"{BASE}own"


@pytest.mark.parametrize(
    ("base", "words"),
    [
        (BASE, ["-f", "rtsp", "-rtsp_transport", "tcp", f"{BASE}stream1"]),
        ("srt://h:9", ["-f", "mpegts", "srt://h:9?streamid=publish:stream1"]),
        (
            "rtmp://h/a",
            ["-f", "flv", "-flvflags", "no_duration_filesize", "rtmp://h/a/stream1"],
        ),
    ],
)
def test_protocols_are_the_same_with_another_muxer(base: str, words: list[str]) -> None:
    (stream,) = streams_of(base, 1, {})
    command = push_command(Path("/f"), stream, Path("/v.mp4"))
    assert command[-len(words) :] == words
    assert command[command.index("-re") :][:5] == ["-re", "-stream_loop", "-1", "-i", "file:/v.mp4"]
    assert "copy" in command


def test_live_encodes_and_once_through_does_not_loop() -> None:
    (stream,) = streams_of(BASE, 1, {"encode": "live", "loop": False, "audio": True})
    command = push_command(Path("/f"), stream, Path("/v.mp4"))
    assert "libx264" in command
    assert "aac" in command
    assert "copy" not in command
    assert "-stream_loop" not in command
