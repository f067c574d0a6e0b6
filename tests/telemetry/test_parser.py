"""The log parser against real ffmpeg logs, whose truth nginx counted, and against hostile bytes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hlsswarm.telemetry.parser import FFmpegLogParser, Measure
from hlsswarm.telemetry.sink import RequestKind

CAPTURES = sorted((Path(__file__).parent / "captures").glob("*.json"))
NAMES = [path.stem for path in CAPTURES]
PLAYLIST, SEGMENT, INIT, KEY = RequestKind


@dataclass
class Recorder:
    """A sink that keeps every call in order."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)

    def request_started(self, kind: RequestKind, now: float) -> None:
        self.calls.append(("started", kind, now))

    def request_finished(
        self, kind: RequestKind, started: float, now: float, size_bytes: int | None
    ) -> None:
        self.calls.append(("finished", kind, started, now, size_bytes))

    def request_failed(
        self, kind: RequestKind, started: float, now: float, status: int | None
    ) -> None:
        self.calls.append(("failed", kind, started, now, status))

    def http_error(self, status: int) -> None:
        self.calls.append(("http", status))

    def bytes_read(self, size_bytes: int) -> None:
        self.calls.append(("bytes", size_bytes))

    def input_opened(self, now: float) -> None:
        self.calls.append(("opened", now))

    def error_line(self, level: str, text: str) -> None:
        self.calls.append(("error", level, text))

    def connected(self) -> None:
        self.calls.append(("connected",))

    def first_segment(self, url: str) -> None:
        self.calls.append(("first", url))

    def of(self, what: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == what]

    def total_bytes(self) -> int:
        finished: int = sum(call[3] or 0 for call in self.of("finished"))
        closed: int = sum(call[0] for call in self.of("bytes"))
        return finished + closed


def parse(data: bytes, measure: Measure = "exact") -> tuple[Recorder, FFmpegLogParser]:
    sink = Recorder()
    parser = FFmpegLogParser(sink, measure=measure)
    parser.feed(data, 1.0)
    parser.close(1.0)
    return sink, parser


def play(*lines: str, measure: Measure = "exact") -> tuple[Recorder, FFmpegLogParser]:
    """Feed one line each second, the first at second 0."""
    sink = Recorder()
    parser = FFmpegLogParser(sink, measure=measure)
    for second, line in enumerate(lines):
        parser.feed(line.encode() + b"\n", float(second))
    parser.close(float(len(lines)))
    return sink, parser


CONNECT = "[tcp @ 0x55] [verbose] Starting connection attempt to ::1 port 80"
SKIP = "[hls @ 0x55] [info] Skip ('#EXT-X-VERSION:3')"


def request(url: str, playlist: int = 0, offset: int = 0) -> str:
    return (
        f"[hls @ 0x55] [verbose] HLS request for url '{url}', offset {offset}, playlist {playlist}"
    )


def opening(url: str, context: str = "hls") -> str:
    return f"[{context} @ 0x55] [info] Opening '{url}' for reading"


def statistics(size: int) -> str:
    return f"[AVIOContext @ 0x55] [verbose] Statistics: {size} bytes read, 0 seeks"


FIRST = (CONNECT, SKIP)


@pytest.mark.parametrize("capture", CAPTURES, ids=NAMES)
def test_counts_and_bytes_are_those_of_the_server(capture: Path) -> None:
    truth = json.loads(capture.read_text())
    sink, parser = parse(capture.with_suffix(".log").read_bytes(), truth["measure"])
    answered = [row for row in truth["requests"] if not 300 <= row[1] < 400]
    good = [row for row in answered if row[1] < 300]

    assert Counter(kind for kind, _ in sink.of("started")) == Counter(row[0] for row in answered)
    failed = Counter((kind, status) for kind, _, _, status in sink.of("failed"))
    assert failed == Counter((row[0], row[1]) for row in answered if row[1] >= 400)
    assert Counter(sink.of("http")) == Counter((row[1],) for row in answered if row[1] >= 400)
    ends = len(sink.of("finished")) + len(sink.of("failed")) + parser.aborted
    assert ends == len(answered)
    assert parser.aborted <= (2 if truth["exit_status"] == 255 else 0)
    opened = "missing" not in capture.stem and "broken" not in capture.stem
    assert len(sink.of("opened")) == opened
    assert parser.recognised > 2
    assert parser.dropped_bytes == 0

    # A client that is stopped has not read all that the server had sent to its kernel.
    total = sum(row[2] for row in good)
    largest = max((row[2] for row in good), default=0)
    padding = 16 * len(good) if "aes" in capture.stem else 0
    assert total - parser.aborted * largest - padding <= sink.total_bytes() <= total


@pytest.mark.parametrize("capture", [p for p in CAPTURES if "light" not in p.stem])
def test_exact_sizes_are_those_of_the_server(capture: Path) -> None:
    truth = json.loads(capture.read_text())
    sink, _ = parse(capture.with_suffix(".log").read_bytes())
    for kind in RequestKind:
        sizes = [size for k, _, _, size in sink.of("finished") if k is kind and size is not None]
        sent = [row[2] for row in truth["requests"] if row[0] == kind and row[1] < 300]
        if "aes" in capture.stem and kind is SEGMENT:  # decrypted: without PKCS #7 padding
            sent = [real if 1 <= size - real <= 16 else size for size, real in zip(sent, sizes)]  # noqa: B905
        if "multi" in capture.stem or "one-of-two" in capture.stem:
            assert not Counter(sizes) - Counter(sent)
        elif kind is SEGMENT:
            assert sizes == sent[: len(sizes)]
        elif kind is PLAYLIST:
            assert sizes == sent[-len(sizes) :] or not sizes
        else:
            assert sizes == sent


def test_a_stop_in_the_middle_of_a_body_is_no_finished_request() -> None:
    for capture in (p for p in CAPTURES if "slow" in p.stem):
        _, parser = parse(capture.with_suffix(".log").read_bytes())
        assert parser.aborted in (1, 2)


def test_light_measuring_gives_no_size_per_request() -> None:
    for capture in (p for p in CAPTURES if "light" in p.stem):
        sink, _ = parse(capture.with_suffix(".log").read_bytes(), "light")
        assert {size for _, _, _, size in sink.of("finished")} == {None}


@pytest.mark.parametrize("version", ["5.1", "7.1", "9.0"])
def test_every_version_has_every_capture(version: str) -> None:
    own = {name.partition("-")[2] for name in NAMES if name.startswith(version)}
    assert own == {name.partition("-")[2] for name in NAMES}
    assert len(own) >= 20


def test_the_first_playlist_is_finished_when_it_was_parsed() -> None:
    sink, _ = play(CONNECT, "[hls @ 0x5] [debug] Format hls probed", SKIP, request("http://h/1.ts"))
    assert sink.calls == [
        ("started", PLAYLIST, 0.0),
        ("finished", PLAYLIST, 0.0, 2.0, None),
        ("first", "http://h/1.ts"),
    ]


def test_a_silent_connection_after_statistics_is_a_playlist() -> None:
    sink, parser = play(
        *FIRST,
        request("http://h/1.ts"),
        opening("http://h/1.ts"),
        CONNECT,
        statistics(1000),
        CONNECT,
        statistics(300),
    )
    assert sink.of("started") == [(PLAYLIST, 0.0), (SEGMENT, 3.0), (PLAYLIST, 6.0)]
    assert sink.of("finished")[1:] == [(SEGMENT, 3.0, 5.0, 1000), (PLAYLIST, 6.0, 7.0, 300)]
    assert parser.aborted == 0


def test_a_second_connection_of_an_open_request_is_no_playlist() -> None:
    sink, _ = play(
        *FIRST, request("http://h/1"), opening("http://h/1"), CONNECT, CONNECT, statistics(7)
    )
    assert [kind for kind, _ in sink.of("started")] == [PLAYLIST, SEGMENT]


def test_a_log_that_lacks_its_beginning_ends_each_request_once() -> None:
    sink, parser = play(request("http://h/1.ts"), opening("http://h/1.ts"), SKIP, statistics(5))
    assert sink.of("finished") == [(SEGMENT, 1.0, 3.0, 5)]
    assert parser.aborted == 0


def test_key_and_encrypted_segment() -> None:
    sink, _ = play(
        *FIRST,
        request("http://h/1.ts"),
        opening("http://h/k"),
        statistics(16),
        opening("crypto+http://h/1.ts"),
        statistics(900),
    )
    assert sink.of("finished")[1:] == [(KEY, 3.0, 4.0, 16), (SEGMENT, 5.0, 6.0, 900)]


def test_two_playlists_get_their_own_statistics() -> None:
    """Playlist 0 keeps a prefetched segment that it never reads; 1 goes on."""
    lines = [*FIRST, opening("http://h/p0"), statistics(1), opening("http://h/p1"), statistics(2)]
    for playlist in (0, 1):
        url = f"http://h/{playlist}.ts"
        lines += [request(url, playlist), opening(url)]
    lines += [statistics(50), opening("http://h/p1"), statistics(2)]
    sink, parser = play(*lines)
    assert (SEGMENT, 9.0, 10.0, 50) in sink.of("finished")
    assert parser.aborted == 1


def test_without_a_hint_the_oldest_segment_ends() -> None:
    lines = [*FIRST]
    for playlist in (0, 1):
        url = f"http://h/{playlist}.ts"
        lines += [request(url, playlist), opening(url)]
    sink, _ = play(*lines, statistics(50), statistics(60))
    assert sink.of("finished")[1:] == [(SEGMENT, 3.0, 6.0, 50), (SEGMENT, 5.0, 7.0, 60)]


def test_what_the_stop_cuts_off_is_aborted() -> None:
    sink, parser = play(
        *FIRST,
        request("http://h/1.ts"),
        opening("http://h/1.ts"),
        "[verbose] Input file #0 (http://h/p.m3u8):",
        statistics(400),
        statistics(99),
        "[info] Exiting normally, received signal 15.",
    )
    assert parser.aborted == 1
    assert sink.of("bytes") == [(400,), (99,)]
    assert len(sink.of("finished")) == 1


def test_a_body_cut_short_fails_and_its_bytes_still_count() -> None:
    sink, _ = play(
        *FIRST,
        request("http://h/1.ts"),
        opening("http://h/1.ts"),
        "[http @ 0x1] [error] Stream ends prematurely at 400, should be 900",
        statistics(400),
        statistics(0),
    )
    assert sink.of("failed") == [(SEGMENT, 3.0, 5.0, None)]
    assert sink.total_bytes() == 400


def test_an_http_error_fails_the_request_once() -> None:
    sink, _ = play(
        *FIRST,
        request("http://h/1.ts"),
        opening("http://h/1.ts"),
        CONNECT,
        "[http @ 0x1] [warning] HTTP error 404 Not Found",
        "[hls @ 0x1] [warning] Failed to open segment 1 of playlist 0",
        CONNECT,
        "[http @ 0x1] [warning] HTTP error 503 Busy",
        "[hls @ 0x1] [warning] Failed to reload playlist 0",
    )
    assert sink.of("failed") == [(SEGMENT, 3.0, 5.0, 404), (PLAYLIST, 7.0, 8.0, 503)]
    assert sink.of("http") == [(404,), (503,)]
    assert len(sink.of("error")) == 4


def test_a_segment_that_ffmpeg_itself_refuses_is_no_request() -> None:
    sink, parser = play(
        *FIRST,
        request("http://h/1.ts"),
        opening("http://h/1.ts"),
        request("gopher://h/2.ts"),
        "[hls @ 0x1] [warning] Failed to open segment 2 of playlist 0",
        statistics(5),
    )
    assert not sink.of("failed")
    assert (SEGMENT, 3.0, 6.0, 5) in sink.of("finished")
    assert parser.aborted == 0


@pytest.mark.parametrize(
    "last_words",
    [
        "[error] http://h/p.m3u8: Connection refused",
        "[in#0 @ 0x5] [error] Error opening input: Connection refused",
    ],
)
def test_a_refused_first_connection_is_one_failed_request(last_words: str) -> None:
    refused = "[tcp @ 0x5] [error] Connection to tcp://h:80 failed: Connection refused"
    again = "[http @ 0x5] [warning] Will reconnect at 0 in 1 second(s)."
    sink, parser = play(CONNECT, refused, again, CONNECT, refused, last_words)
    assert sink.of("started") == [(PLAYLIST, 0.0)]
    assert sink.of("failed") == [(PLAYLIST, 0.0, 5.0, None)]
    assert parser.aborted == 0


def test_an_unknown_host_is_a_failed_request() -> None:
    sink, _ = play(
        "[tcp @ 0x5] [error] Failed to resolve hostname h: Name or service not known",
        "[in#0 @ 0x5] [error] Error opening input: Input/output error",
    )
    assert sink.of("failed") == [(PLAYLIST, 0.0, 1.0, None)]


def test_light_first_reload_and_redirect_are_told_apart() -> None:
    sink, _ = play(
        *FIRST,
        request("http://h/1.ts"),
        opening("http://h/1.ts", "http"),
        CONNECT,  # the first reload
        SKIP,
        request("http://h/2.ts"),
        opening("http://h/2.ts", "http"),
        CONNECT,  # a redirect of the segment
        opening("http://h/p.m3u8", "http"),
        SKIP,
        measure="light",
    )
    kinds = [kind for kind, _ in sink.of("started")]
    assert kinds == [PLAYLIST, SEGMENT, PLAYLIST, SEGMENT, PLAYLIST]
    assert (PLAYLIST, 4.0) in sink.of("started")


def test_light_request_repeated_on_a_new_connection_is_one_request() -> None:
    sink, _ = play(
        *FIRST,
        request("http://h/1.ts"),
        opening("http://h/1.ts", "http"),
        statistics(5),
        "[hls @ 0x1] [warning] keepalive request failed for 'http://h/1.ts' with error: 'x'",
        opening("http://h/1.ts"),
        CONNECT,
        measure="light",
    )
    assert [kind for kind, _ in sink.of("started")] == [PLAYLIST, SEGMENT]
    assert sink.of("bytes") == [(5,)]


def test_light_new_connection_of_a_repeated_request_is_no_playlist() -> None:
    """Here no playlist ever says Skip, so that a silent connection would count as one."""
    sink, _ = play(
        CONNECT,
        request("http://h/1.ts"),
        opening("http://h/1.ts", "http"),
        opening("http://h/1.ts"),
        CONNECT,
        request("http://h/2.ts"),
        measure="light",
    )
    assert [kind for kind, _ in sink.of("started")] == [PLAYLIST, SEGMENT]


def test_init_sections_by_first_place_by_repetition_and_by_name() -> None:
    def kinds(*urls: str) -> list[RequestKind]:
        lines = [line for url in urls for line in (request(url), opening(url), statistics(1))]
        return [kind for kind, _ in play(*FIRST, *lines)[0].of("started")][1:]

    assert kinds("http://h/a.mp4", "http://h/1.m4s") == [INIT, SEGMENT]
    assert kinds("http://h/map?x", "http://h/1", "http://h/map?x") == [SEGMENT, SEGMENT, INIT]
    assert kinds("http://h/a.mp4", "http://h/1.m4s", "http://h/init2.mp4?t=1")[2] is INIT
    assert kinds("http://h/1.ts", "http://h/2.ts", "http://h/1.ts") == [SEGMENT] * 3


def test_progress_reports_glued_to_a_line_do_not_hide_it() -> None:
    glued = f"[info] frame= 1 fps=0.0 speed=1x    \r{request('http://h/1.ts')}"
    sink, _ = play(*FIRST, glued, opening("http://h/1.ts"))
    assert sink.of("started")[1:] == [(SEGMENT, 3.0)]


def test_error_lines_are_readable() -> None:
    sink, _ = parse(
        b"[tls @ 0x55fe] [error] bad\x1b[31m \xff thing [h264 @ 0x55d0aabb] \x00x\n"
        b"[fatal] " + b"y" * 5000 + b"\n[info] harmless\n[in#0 @ 0x1] [h264 @ 0x2] [panic] z\n"
    )
    assert sink.of("error") == [
        ("error", "bad[31m \N{REPLACEMENT CHARACTER} thing [h264] x"),
        ("fatal", "y" * 300),
        ("panic", "z"),
    ]


def test_unlevelled_words_are_reported_first_and_last_but_not_between() -> None:
    loader = b"ffmpeg: error while loading shared libraries: libx.so: cannot open\n"
    assert parse(loader)[0].of("error")[0][1].startswith("ffmpeg: error while")
    assert len(parse(loader)[0].of("error")) == 1
    dump = b"[http @ 0x5] [debug] request: GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    assert not parse(dump + b"[info] on it goes\n")[0].of("error")
    assert parse(dump + b"Aborted")[0].of("error") == [("error", "Aborted")]


def test_lines_that_flow_without_being_understood_can_be_noticed() -> None:
    _, parser = parse(b"2026-01-01 [hls @ 0x1] HLS requests: http://h/1.ts\n" * 50)
    assert (parser.lines, parser.recognised) == (50, 0)


@pytest.mark.parametrize("step", [1, 7, 4096, 10**6])
def test_an_overlong_line_is_dropped_and_the_next_one_is_read(step: int) -> None:
    sink = Recorder()
    parser = FFmpegLogParser(sink)
    huge = b"[error] " + b"x" * (64 * 1024)
    data = huge + b"\n" + CONNECT.encode() + b"\n"
    for at in range(0, len(data), step):
        parser.feed(data[at : at + step], 1.0)
    assert parser.dropped_bytes == len(huge)
    assert parser.lines == 1
    assert sink.calls == [("started", PLAYLIST, 1.0)]


PIECES = st.sampled_from(
    [
        *(line.encode() + b"\n" for line in (CONNECT, SKIP, statistics(7), request("http://h/i"))),
        *(opening(url).encode() + b"\n" for url in ("http://h/i", "crypto+http://h/i", "http://p")),
        opening("http://h/i", "http").encode() + b"\n",
        request("http://h/j.mp4", 1).encode() + b"\r",
        b"[http @ 0x1] [warning] HTTP error 503 x\n",
        b"[hls @ 0x1] [warning] Failed to open segment 1 of playlist 0\n",
        b"[hls @ 0x1] [warning] Failed to reload playlist 0\n",
        b"[hls @ 0x1] [error] Unable to open key file k\n",
        b"[hls @ 0x1] [info] No longer receiving playlist 1 ('x')\n",
        b"[hls @ 0x1] [info] No longer receiving playlist \n",
        b"[http @ 0x1] [error] Stream ends prematurely at 1, should be 2\n",
        b"[verbose] Input file #0 (x):\n",
        b"[info] Input #0, hls, from 'x':\n",
        b"[info] Exiting normally, received signal 2.\n",
        b"[tcp @ 0x1] [error] Failed to resolve hostname x\n",
        b"[error] http://x: gone\n",
        b"[info",
        b"] ",
        b"\n",
        b"\xff\x00",
    ]
)
MEASURES = st.sampled_from(["exact", "light"])


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(PIECES, st.binary(max_size=60)), max_size=60), MEASURES)
def test_arbitrary_bytes_never_raise_and_every_request_ends_once(
    pieces: list[bytes], measure: Measure
) -> None:
    sink, parser = parse(b"".join(pieces), measure)
    ends = len(sink.of("finished")) + len(sink.of("failed")) + parser.aborted
    assert len(sink.of("started")) == ends


@given(st.lists(PIECES, max_size=30), MEASURES, st.lists(st.integers(0, 4000), max_size=40))
def test_chunking_does_not_change_the_calls(
    pieces: list[bytes], measure: Measure, cuts: list[int]
) -> None:
    check_chunking(b"".join(pieces), measure, cuts)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(CAPTURES), st.lists(st.integers(0, 20000), max_size=200))
def test_chunking_does_not_change_what_a_real_log_says(capture: Path, cuts: list[int]) -> None:
    measure: Measure = "light" if "light" in capture.stem else "exact"
    check_chunking(capture.with_suffix(".log").read_bytes(), measure, cuts)


def check_chunking(data: bytes, measure: Measure, cuts: list[int]) -> None:
    whole, once = parse(data, measure)
    sink = Recorder()
    parser = FFmpegLogParser(sink, measure=measure)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for begin, end in pairwise(edges):
        parser.feed(data[begin:end], 1.0)
    parser.close(1.0)
    assert sink.calls == whole.calls
    for name in ("lines", "recognised", "dropped_bytes", "aborted"):
        assert getattr(parser, name) == getattr(once, name)
