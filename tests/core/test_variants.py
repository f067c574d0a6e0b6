"""The choice of a Variant Stream, from the text of a Multivariant Playlist."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.selection import VARIANT_WISHES, VariantWish, parse_wish
from hlsswarm.core.variants import ffprobe_command, select, select_program, unread, variants_of
from hlsswarm.errors import PreflightError, UsageError

URL = "https://cdn.example/live/a/master.m3u8?token=t%2F1&x=y"
MASTER = """\
#EXTM3U
#EXT-X-VERSION:6
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="en",NAME="English",URI="subs.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="en",NAME="English",LANGUAGE="en",AUTOSELECT=YES,URI="en.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="en",NAME="Commentary",DEFAULT=NO,URI="comment.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="de",NAME="Deutsch",AUTOSELECT=YES,URI="x.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="de",NAME="Original",DEFAULT=YES,URI="/audio/de.m3u8?k=1"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="in",NAME="Main",DEFAULT=YES
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="iframes.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=2000000,AVERAGE-BANDWIDTH=1,RESOLUTION=1280x720,CODECS="a,b",AUDIO="en"
../720.m3u8?token=abc%2F&s={x}
#EXT-X-STREAM-INF:BANDWIDTH=5000000,RESOLUTION=1920x1080,AUDIO="de"
https://other.example/1080.m3u8

#EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS="mp4a.40.2",AUDIO="in"
audio.m3u8
"""
MEDIA = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\na.ts\n"


def playlist(*attributes: str) -> str:
    rows = (f"#EXT-X-STREAM-INF:{a}\n{n}.m3u8\n" for n, a in enumerate(attributes, 1))
    return "#EXTM3U\n" + "".join(rows)


def number(text: str, wish: VariantWish) -> int:
    chosen = select(text, URL, wish, on_failure="fail").variant
    assert chosen is not None
    return chosen.number


def test_variants_are_read() -> None:
    first, second, third = variants_of(MASTER, URL)
    assert first.url == "https://cdn.example/live/720.m3u8?token=abc%2F&s={x}"
    assert (first.bandwidth, first.resolution, first.codecs) == (2_000_000, (1280, 720), "a,b")
    assert second.url == "https://other.example/1080.m3u8"
    assert (third.number, third.resolution, third.audio) == (3, None, None)


def test_audio_is_the_default_or_the_first_that_may_be_selected() -> None:
    first, second, _ = variants_of(MASTER, URL)
    assert first.audio is not None and second.audio is not None
    assert (first.audio.name, first.audio.language) == ("English", "en")
    assert second.audio.url == "https://cdn.example/audio/de.m3u8?k=1"
    assert second.urls == (second.url, second.audio.url)


def test_an_audio_that_is_the_variant_itself_is_played_once() -> None:
    text = (
        '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="n",DEFAULT=YES,URI="only.m3u8"\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\nonly.m3u8\n'
    )
    (only,) = variants_of(text, URL)
    assert only.urls == ("https://cdn.example/live/a/only.m3u8",)


@pytest.mark.parametrize(("wish", "wanted"), [("highest", 2), ("lowest", 3), ("first", 1)])
def test_wish(wish: VariantWish, wanted: int) -> None:
    assert number(MASTER, wish) == wanted


def test_sentence_says_which() -> None:
    selection = select(MASTER, URL, "highest", on_failure="fail")
    assert selection.sentence == (
        "Highest, which is Variant Stream 2 of 3: 5 Mbit/s, 1920x1080, "
        "with the audio 'Original' of its own Media Playlist."
    )


def test_of_equals_the_larger_picture_and_then_the_first_listed() -> None:
    same = playlist("BANDWIDTH=5,RESOLUTION=16x9", "BANDWIDTH=5,RESOLUTION=32x18", "BANDWIDTH=5")
    assert number(same, "highest") == 2
    assert number(same, "lowest") == 3
    twins = playlist("BANDWIDTH=5", "BANDWIDTH=5")
    assert (number(twins, "highest"), number(twins, "lowest")) == (1, 1)


def test_unknown_bandwidth_is_not_chosen_unless_there_is_nothing_else() -> None:
    text = playlist("RESOLUTION=16x9", "BANDWIDTH=0", "BANDWIDTH=9", "BANDWIDTH=8")
    assert (number(text, "highest"), number(text, "lowest"), number(text, "first")) == (3, 4, 1)
    none = select(playlist("RESOLUTION=16x9"), URL, "highest", on_failure="fail")
    assert "of unknown bandwidth, 16x9" in none.sentence


def test_all_does_not_look() -> None:
    selection = select("no playlist", URL, "all", on_failure="fail")
    assert selection.variant is None and not selection.fell_back


def test_a_media_playlist_leaves_nothing_to_choose() -> None:
    selection = select(MEDIA, URL, "highest", on_failure="fail")
    assert selection.variant is None and not selection.fell_back
    assert "nothing to choose" in selection.sentence


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        playlist("BANDWIDTH=many"),
        playlist("BANDWIDTH=1,AVERAGE-BANDWIDTH=x"),
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n",
    ],
)
def test_what_cannot_be_read_falls_back_or_fails(text: str) -> None:
    with pytest.raises(PreflightError, match="--variant lowest cannot be met"):
        select(text, URL, "lowest", on_failure="fail")
    selection = select(text, URL, "lowest", on_failure="fallback")
    assert selection.fell_back and selection.variant is None
    assert selection.sentence.startswith("Everything behind the URL instead of --variant lowest:")


def test_a_caller_that_got_no_text_says_why() -> None:
    assert (
        "answers 404" in unread("first", "the origin answers 404", on_failure="fallback").sentence
    )


def test_variables_are_put_in() -> None:
    text = (
        '#EXTM3U\n#EXT-X-DEFINE:NAME="host",VALUE="cdn,x.example"\n'
        '#EXT-X-DEFINE:QUERYPARAM="token"\n#EXT-X-DEFINE:QUERYPARAM="absent"\n'
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="{$host}",URI="a.m3u8?{$token}"\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\nhttps://{$host}/v.m3u8?{$token}&{$absent}\n'
    )
    (only,) = variants_of(text, URL)
    assert only.url == "https://cdn,x.example/v.m3u8?t/1&{$absent}"
    assert only.audio is not None and only.audio.name == "cdn,x.example"
    assert only.audio.url == "https://cdn.example/live/a/a.m3u8?t/1"


def test_byte_order_mark_and_line_ends_do_not_matter() -> None:
    assert number("\ufeff" + MASTER.replace("\n", "\r\n"), "highest") == 2


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=20))
def test_highest_and_lowest_are_so(rates: list[int]) -> None:
    text = playlist(*(f"BANDWIDTH={rate}" for rate in rates))
    assert number(text, "highest") == rates.index(max(rates)) + 1
    assert number(text, "lowest") == rates.index(min(rates)) + 1


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    for whole in (text, f"#EXTM3U\n{text}", f"#EXTM3U\n#EXT-X-STREAM-INF:{text}\n{text}\n"):
        select(whole, URL, "highest", on_failure="fallback")


# --- ffprobe --------------------------------------------------------------------------------------

PROGRAMS = [
    {"program_id": 0, "tags": {"variant_bitrate": "900"}},
    {"program_id": 4, "tags": {"variant_bitrate": "100"}},
    {"program_id": 5},
]


@pytest.mark.parametrize(("wish", "program"), [("highest", 0), ("lowest", 4), ("first", 0)])
def test_program(wish: VariantWish, program: int) -> None:
    selection = select_program(json.dumps({"programs": PROGRAMS}), wish, on_failure="fail")
    assert selection.program == program
    assert "of 3" in selection.sentence


@pytest.mark.parametrize(
    "output", ["", "[]", "{}", '{"programs": []}', '{"programs": [{}]}', '{"programs": 1}']
)
def test_ffprobe_without_an_answer(output: str) -> None:
    assert select_program(output, "highest", on_failure="fallback").fell_back
    with pytest.raises(PreflightError):
        select_program(output, "highest", on_failure="fail")


def test_ffprobe_command() -> None:
    command = ffprobe_command(Path("/x/ffprobe"), URL, timeout_seconds=1.5, user_agent="me")
    assert command[0] == "/x/ffprobe" and command[-1] == URL
    assert command[command.index("-rw_timeout") + 1] == "1500000"


def test_parse_wish() -> None:
    assert [parse_wish(wish) for wish in VARIANT_WISHES] == list(VARIANT_WISHES)
    with pytest.raises(UsageError, match="'best'"):
        parse_wish("best")
