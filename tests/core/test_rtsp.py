"""RTSP as bytes: messages and packets arrive whole, however they are cut; garbage harms nobody."""

from __future__ import annotations

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.rtsp import (
    BODY_BYTES_MAX,
    HEADER_BYTES_MAX,
    MessageReader,
    Packets,
    Request,
    RtspError,
    interleaved_channels,
    path_of,
    presentation,
    renumbered,
    response,
    sender_reports,
    split_packets,
    split_track,
)

SDP = (
    b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\n"
    b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:streamid=0\r\n"
    b"m=audio 0 RTP/AVP 97\r\nb=AS:96\r\n"
    b"a=rtpmap:97 MPEG4-GENERIC/48000/2\r\na=control:streamid=1\r\n"
)


def packet(channel: int, payload: bytes) -> bytes:
    return b"$" + bytes((channel,)) + len(payload).to_bytes(2, "big") + payload


PACKET = st.builds(packet, st.integers(0, 255), st.binary(max_size=300))
HEADERS = st.dictionaries(
    st.from_regex(r"x-[a-z]{1,8}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9;=/-]{0,20}", fullmatch=True),
    max_size=4,
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[Request, bytes]:
    method = draw(st.sampled_from(["OPTIONS", "ANNOUNCE", "SETUP", "RECORD", "GET_PARAMETER"]))
    headers = {**draw(HEADERS), "cseq": str(draw(st.integers(0, 999)))}
    body = draw(st.binary(max_size=200))
    if body:
        headers["content-length"] = str(len(body))
    request = Request(method, "rtsp://h/a", headers, body)
    lines = [f"{method} rtsp://h/a RTSP/1.0", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
    return request, "\r\n".join(lines).encode() + body


def in_pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


@given(st.lists(st.one_of(requests(), PACKET), max_size=8), st.lists(st.integers(0, 5000)))
def test_what_was_sent_arrives_however_it_is_cut(
    sent: list[tuple[Request, bytes] | bytes], cuts: list[int]
) -> None:
    data = b"".join(item if isinstance(item, bytes) else item[1] for item in sent)
    reader, got = MessageReader(), []
    for piece in in_pieces(data, cuts):
        got += reader.feed(piece)
    found = [item for item in got if isinstance(item, Request)]
    assert found == [item[0] for item in sent if not isinstance(item, bytes)]
    packets = b"".join(item.data for item in got if isinstance(item, Packets))
    assert packets == b"".join(item for item in sent if isinstance(item, bytes))


@given(st.lists(st.binary(max_size=2000), max_size=20))
def test_garbage_raises_nothing_but_its_own_error_and_is_bounded(pieces: list[bytes]) -> None:
    reader = MessageReader()
    with contextlib.suppress(RtspError):
        for piece in pieces:
            reader.feed(piece)
    assert len(reader._buffer) <= HEADER_BYTES_MAX + BODY_BYTES_MAX + 2004


@given(st.text(max_size=300))
def test_texts_raise_nothing_but_their_own_error(text: str) -> None:
    with contextlib.suppress(RtspError):
        path_of(text)
    with contextlib.suppress(RtspError):
        presentation(text.encode(errors="replace"))
    interleaved_channels(text)
    split_track(text)


@pytest.mark.parametrize(
    "data",
    [
        b"A" * (HEADER_BYTES_MAX + 1),
        b"\x16\x03\x01\x02\x00",  # TLS
        b"GET / HTTP/1.1\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\nno colon\r\n\r\n",
        b"ANNOUNCE rtsp://h/a RTSP/1.0\r\nContent-Length: 99999999\r\n\r\n",
        b"ANNOUNCE rtsp://h/a RTSP/1.0\r\nContent-Length: -1\r\n\r\n",
        b"RTSP/1.0 200 OK\r\n\r\n",
    ],
)
def test_what_is_no_request_is_an_error(data: bytes) -> None:
    with pytest.raises(RtspError):
        MessageReader().feed(data)


@given(st.lists(PACKET, min_size=1, max_size=10))
def test_packets_are_cut_where_they_end(packets: list[bytes]) -> None:
    (got,) = MessageReader().feed(b"".join(packets))
    assert isinstance(got, Packets)
    assert [whole for _, whole in split_packets(got.data)] == packets
    assert {channel for channel, _ in split_packets(got.data)} == got.channels


def test_packets_get_other_channels_and_strangers_are_left_out() -> None:
    packets = Packets(packet(0, b"a") + packet(9, b"b") + packet(1, b"c"), frozenset({0, 9, 1}))
    assert renumbered(packets, {0: 4, 1: 5}) == Packets(
        packet(4, b"a") + packet(5, b"c"), frozenset({4, 5})
    )


def test_the_last_sender_report_is_found() -> None:
    report, other = packet(1, b"\x80\xc8old"), packet(1, b"\x80\xc8new")
    media = packet(0, b"\x80\xc8 is media here")
    packets = Packets(report + media + other + packet(1, b"\x80\xc9"), frozenset({0, 1}))
    assert sender_reports(packets) == {1: Packets(other, frozenset({1}))}
    assert sender_reports(Packets(media, frozenset({0}))) == {}


def test_tracks_are_numbered_for_readers_and_found_by_a_publishers_own_names() -> None:
    found = presentation(SDP)
    assert found.sdp.count(b"a=control:track0") == found.sdp.count(b"a=control:track1") == 1
    assert b"streamid" not in found.sdp
    assert found.sdp.index(b"b=AS:96") < found.sdp.index(b"a=control:track1")
    assert found.track_of("rtsp://h/live/a/streamid=1") == 1
    assert found.track_of("rtsp://h/live/a/streamid=2") is None
    assert split_track("live/a/track1") == ("live/a", 1)
    assert split_track("live/a") == ("live/a", None)
    assert split_track("track1") == ("track1", None)


@pytest.mark.parametrize("sdp", [b"", b"v=0\r\n", b"\xff\xfe", b"m=video 0 RTP/AVP 96\r\n" * 17])
def test_an_sdp_that_is_none(sdp: bytes) -> None:
    with pytest.raises(RtspError):
        presentation(sdp)


@pytest.mark.parametrize(
    ("transport", "channels"),
    [
        ("RTP/AVP/TCP;unicast;interleaved=2-3;mode=record", (2, 3)),
        ("RTP/AVP/UDP;unicast;client_port=5000-5001,RTP/AVP/TCP;interleaved=4", (4, 5)),
        ("RTP/AVP/TCP;unicast", (-1, -1)),
        ("RTP/AVP/UDP;unicast;client_port=5000-5001", None),
        ("RTP/AVP/TCP;interleaved=255", None),
        ("RTP/AVP/TCP;interleaved=300-301", None),
        ("", None),
    ],
)
def test_transports(transport: str, channels: tuple[int, int] | None) -> None:
    assert interleaved_channels(transport) == channels


@pytest.mark.parametrize(
    "url", ["rtsp://h:8554/", "rtsp://h/a b", "rtsp://h/%00", "rtsp://[h/a", ""]
)
def test_urls_that_name_no_stream(url: str) -> None:
    with pytest.raises(RtspError):
        path_of(url)


def test_paths() -> None:
    assert path_of("rtsp://user:secret@h:8554/live/one/?x=1") == "live/one"


def test_an_answer_repeats_the_sequence_and_nothing_that_was_smuggled_in() -> None:
    request = Request("OPTIONS", "*", {"cseq": "7"})
    assert response(request, headers={"Public": "X"}, body=b"hi") == (
        b"RTSP/1.0 200 OK\r\nCSeq: 7\r\nPublic: X\r\nContent-Length: 2\r\n\r\nhi"
    )
    assert b"CSeq: 0\r\n" in response(Request("OPTIONS", "*", {"cseq": "7 evil"}), 404)
