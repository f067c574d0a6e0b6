"""What an input means to ffmpeg."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.inputs import CAPTURE_DEVICES, NETWORK_SCHEMES, Input, parse_input
from hlsswarm.errors import UsageError

HERE = Path("/home/me")


def meant(spec: str) -> Input:
    return parse_input(spec, directory=HERE)


def test_a_graph_of_ffmpegs_own_sources() -> None:
    found = meant("lavfi:testsrc2=size=320x180[out0];sine[out1]")
    graph = "testsrc2=size=320x180[out0];sine[out1]"
    assert found.arguments == ("-re", "-f", "lavfi", "-i", graph)
    assert (found.device_format, found.path, found.protocol) == ("lavfi", None, None)


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ("clip.mp4", "/home/me/clip.mp4"),
        ("/x/clip.mp4", "/x/clip.mp4"),
        ("file:/x/a:b.mp4", "/x/a:b.mp4"),
        ("file:///x/clip.mp4", "/x/clip.mp4"),
        ("./a:b.mp4", "/home/me/a:b.mp4"),
    ],
)
def test_a_file_is_read_again_and_again_at_its_own_pace(spec: str, path: str) -> None:
    found = meant(spec)
    assert found.path == Path(path)
    assert found.arguments == ("-re", "-stream_loop", "-1", "-i", f"file:{path}")


def test_a_playlist_is_not_begun_again() -> None:
    assert meant("/m/live/stream.m3u8").arguments == ("-re", "-i", "file:/m/live/stream.m3u8")


@pytest.mark.parametrize("scheme", NETWORK_SCHEMES)
def test_whatever_comes_over_the_network_has_a_time_out(scheme: str) -> None:
    found = meant(f"{scheme.upper()}://10.0.0.1:99/a?b=c")
    assert found.arguments[-2:] == ("-i", f"{scheme}://10.0.0.1:99/a?b=c")
    assert {"-timeout", "-rw_timeout"} & set(found.arguments)
    assert "-stream_loop" not in found.arguments
    assert found.protocol is not None


def test_rtsp_is_read_over_tcp() -> None:
    assert meant("rtsp://cam/1").arguments[:2] == ("-rtsp_transport", "tcp")


def test_http_connects_again() -> None:
    found = " ".join(meant("https://h/live.m3u8").arguments)
    assert "-reconnect 1" in found
    assert "-reconnect_streamed 1" in found


@pytest.mark.parametrize("name", CAPTURE_DEVICES)
def test_the_example_of_each_device_is_an_input(name: str) -> None:
    device = CAPTURE_DEVICES[name]
    found = meant(device.example)
    address = device.example.partition(":")[2]
    assert found.arguments[-4:] == ("-f", device.format, "-i", device.url.format(address))
    assert found.device_format == device.format
    assert (found.path == Path(address)) == device.has_node


def test_a_deltacast_port_is_a_url_of_its_own_scheme() -> None:
    assert meant("deltacast:3").arguments[-3:] == ("deltacast", "-i", "deltacast://3")


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("", "The input is empty."),
        ("a\nb", "The input holds a control character."),
        ("lavfi:", "After lavfi: there is nothing in the input."),
        ("v4l2:", "After v4l2: there is nothing in the input."),
        ("file:", "After file: there is nothing in the input."),
        ("gopher://x/1", "'gopher://x/1' is no input that can be read here."),
        ("rtsp:cam", "The input 'rtsp:cam' names no host."),
        ("http:///x", "The input 'http:///x' names no host."),
    ],
)
def test_what_can_be_no_input_is_told(spec: str, sentence: str) -> None:
    with pytest.raises(UsageError) as told:
        meant(spec)
    assert told.value.message == sentence
    assert told.value.hint is not None
    assert "lavfi:GRAPH" in told.value.hint


def test_a_password_is_not_told() -> None:
    with pytest.raises(UsageError) as told:
        meant("gopher://me:secret@host/x")
    assert "secret" not in told.value.message


@given(st.text(max_size=40))
def test_any_text_is_an_input_or_a_usage_error(spec: str) -> None:
    try:
        found = meant(spec)
    except UsageError:
        return
    assert found.arguments.count("-i") >= 1
    assert found.arguments[-2] == "-i"
    assert found.spec == spec
