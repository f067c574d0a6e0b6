"""When segments were made, by their playlist's dates."""

from __future__ import annotations

from hlsswarm.core.live_edge import LiveEdge

HEAD = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n"
DATED = (
    HEAD
    + "#EXT-X-PROGRAM-DATE-TIME:2026-11-20T12:00:00.500Z\n#EXTINF:2.0,\na/seg-7.ts?token=1\n"
    + "#EXTINF:2.0,\na/seg-8.ts\n"
)
NOON = 1795176000.0


def test_a_segment_without_a_date_follows_the_one_before() -> None:
    edge = LiveEdge()
    assert edge.read(DATED) == 2
    assert edge.time_of("http://other.host/x/a/seg-7.ts?token=2") == NOON + 0.5
    assert edge.time_of("http://h/a/seg-8.ts") == NOON + 2.5
    assert edge.time_of("http://h/a/seg-9.ts") is None


def test_a_playlist_without_dates_teaches_nothing() -> None:
    edge = LiveEdge()
    assert edge.read(HEAD + "#EXTINF:2.0,\nseg-7.ts\n") == 0
    assert edge.read("<html>") == 0
    assert edge.time_of("http://h/seg-7.ts") is None


def test_what_is_remembered_is_bounded() -> None:
    edge = LiveEdge()
    date = "#EXT-X-PROGRAM-DATE-TIME:2026-11-20T12:00:00Z\n"
    for begin in range(0, 10_000, 1000):
        segments = "".join(f"#EXTINF:2.0,\n{n}.ts\n" for n in range(begin, begin + 1000))
        edge.read(HEAD + date + segments)
    assert edge.time_of("http://h/0.ts") is None
    assert edge.time_of("http://h/9999.ts") is not None
