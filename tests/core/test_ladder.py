"""Rungs, keys and units of an ABR ladder, and what is started and stopped."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core import names
from hlsswarm.core.ladder import (
    DEFAULT_LADDER,
    PRESETS,
    Changes,
    Key,
    Rung,
    Source,
    Track,
    WantedRung,
    added,
    is_output,
    key_of_unit,
    parse_rung,
    parse_rungs,
    picture_size,
    reconcile,
    removed,
    source_problem,
    tracks_of,
    unit_of,
)
from hlsswarm.errors import UsageError

FACTORIES = ("passthrough", "x264", "alt")
RENDITIONS = tuple(PRESETS)
words = st.text("abcxyz019-_. é$", min_size=1, max_size=6).filter(lambda word: word.strip(". "))
source_names = st.lists(words, min_size=1, max_size=3).map("/".join)
wanted_rungs = st.lists(
    st.tuples(st.sampled_from(FACTORIES), st.sampled_from(RENDITIONS)), unique=True, max_size=6
)
tracks = st.sampled_from([("video",), ("video", "audio"), ("audio",)])
some_sources = st.lists(
    st.builds(Source, source_names, tracks), unique_by=lambda source: source.name, max_size=4
)


def ladder(*pairs: tuple[str, str]) -> tuple[WantedRung, ...]:
    wanted: tuple[WantedRung, ...] = ()
    for factory, rendition in pairs:
        wanted = added(wanted, factory, PRESETS[rendition])
    return wanted


LADDER = ladder(("x264", "720p"), ("x264", "480p"), ("x264", "240p"))


# --- rungs ----------------------------------------------------------------------------------------


def test_the_default_ladder_has_the_three_of_the_middle() -> None:
    assert [rung.name for rung in DEFAULT_LADDER] == ["720p", "480p", "240p"]
    assert {"240p", "360p", "480p", "720p", "1080p"} < set(PRESETS)


def test_presets_fall_from_rung_to_rung() -> None:
    pictures = [rung for rung in PRESETS.values() if rung.width]
    for higher, lower in itertools.pairwise(pictures):
        assert higher.height > lower.height
        assert higher.video_kbps > lower.video_kbps
        assert higher.audio_kbps >= lower.audio_kbps
    for rung in pictures:
        assert rung.width % 2 == rung.height % 2 == 0
        assert rung.video_kbps < rung.maxrate_kbps <= 1.2 * rung.video_kbps


def test_a_rung_is_read_from_words() -> None:
    assert parse_rung("720p") == PRESETS["720p"]
    assert parse_rung("540p=960x540@1200") == Rung("540p", 960, 540, 1200)
    assert parse_rung("x=64x36@20k") == Rung("x", 64, 36, 20)
    assert [rung.name for rung in parse_rungs("720p, tiny=64x36@20")] == ["720p", "tiny"]
    assert parse_rungs("") == ()


@pytest.mark.parametrize(
    "text",
    ["", "4320p", "a=1x", "a=64x36", "A=64x36@20", "a b=64x36@20", "../x=64x36@20", "a=65x36@20",
     "a=64x36@0", "a=99998x36@20", "a=8x8@20", "x" * 30 + "=64x36@20", "=64x36@20", "a--b=64x36@9"],
)  # fmt: skip
def test_words_that_are_no_rung_get_a_sentence(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_rung(text)
    assert caught.value.message.endswith(".")
    assert caught.value.hint


def test_a_rendition_is_not_given_twice() -> None:
    with pytest.raises(UsageError, match="720p is given twice"):
        parse_rungs("720p,480p,720p")


@given(st.integers(2, 8000), st.integers(2, 8000), st.sampled_from(DEFAULT_LADDER))
def test_a_picture_keeps_its_shape_and_stays_within_the_rung(w: int, h: int, rung: Rung) -> None:
    width, height = picture_size(rung, w, h)
    assert 2 <= width <= rung.width + 1
    assert 2 <= height <= rung.height + 1
    assert width % 2 == height % 2 == 0
    if min(width, height) > 100:
        assert width / height == pytest.approx(w / h, rel=0.03)


def test_a_picture_of_the_rungs_shape_fills_it() -> None:
    assert picture_size(PRESETS["720p"], 1920, 1080) == (1280, 720)
    assert picture_size(PRESETS["720p"], 0, 0) == (1280, 720)
    assert picture_size(PRESETS["480p"], 1920, 1080) == (854, 480)
    assert picture_size(PRESETS["720p"], 1440, 1080) == (960, 720)


# --- what is wanted -------------------------------------------------------------------------------


def test_a_rendition_of_a_factory_is_added_once() -> None:
    with pytest.raises(UsageError, match="has 720p by x264 already"):
        added(LADDER, "x264", PRESETS["720p"])
    assert len(added(LADDER, "x264", PRESETS["360p"])) == 4


def test_two_factories_make_a_rendition_into_two_directories() -> None:
    both = added(LADDER, "alt", PRESETS["720p"])
    made = [item.directory for item in both if item.rung.name == "720p"]
    assert made == ["720p", "720p-alt"]


def test_removing_takes_all_factories_of_a_rendition() -> None:
    both = added(LADDER, "alt", PRESETS["720p"])
    assert [item.rung.name for item in removed(both, "720p")] == ["480p", "240p"]
    with pytest.raises(UsageError, match="has no 1080p") as caught:
        removed(LADDER, "1080p")
    assert caught.value.hint == "It has 240p, 480p, 720p."
    with pytest.raises(UsageError) as empty:
        removed((), "720p")
    assert empty.value.hint == "It is empty."


@given(wanted_rungs)
def test_directories_are_never_shared(pairs: list[tuple[str, str]]) -> None:
    made = [item.directory for item in ladder(*pairs)]
    assert len(set(made)) == len(made)


def test_a_directory_that_was_named_by_hand_is_not_shared() -> None:
    by_hand = added((), "x264", Rung("720p-alt", 64, 36, 20))
    both = added(added(by_hand, "x264", PRESETS["720p"]), "alt", PRESETS["720p"])
    assert [item.directory for item in both] == ["720p-alt", "720p", "720p-alt-2"]


# --- names ----------------------------------------------------------------------------------------


@given(st.sampled_from(FACTORIES), st.sampled_from(RENDITIONS), source_names)
def test_a_unit_says_which_key_it_is(factory: str, rendition: str, source: str) -> None:
    key = Key(factory, rendition, source, "video")
    unit = unit_of("ladder", key)
    parsed = names.parse_unit(unit)
    assert parsed is not None
    assert (parsed.run, parsed.role) == ("ladder", "transcoder")
    assert key_of_unit(unit) == key


def test_names_of_keys() -> None:
    key = Key("x264", "720p", "live/x", "video")
    assert unit_of("ladder", key) == "hlsswarm-ladder-transcoder-x264.720p.video.live.x.service"
    assert key_of_unit("hlsswarm-ladder-runner.service") is None
    assert key_of_unit("hlsswarm-ladder-transcoder-other.service") is None
    assert key_of_unit("ssh.service") is None


def test_which_directories_can_be_sources() -> None:
    assert source_problem("live/x") is None
    assert source_problem("my cam (1)") is None
    for name in ("", "/x", "a//b", "../x", "a/.."):
        assert source_problem(name) == "its name is no path below the media root"
    assert source_problem("x" * 200) == "its name is too long for a unit's"
    long = "é" * 20
    assert source_problem(long) is None
    unit = unit_of("a" * 16, Key("f" * 24, "r" * 24, long, "video"))
    assert len(unit) < 255


def test_outputs_are_known_by_their_last_word() -> None:
    both = added(LADDER, "alt", PRESETS["720p"])
    assert is_output("live/x/720p", both)
    assert is_output("720p", both)
    assert is_output("live/x/720p-alt", both)
    assert not is_output("live/720p/x", both)
    assert not is_output("live/x", both)


def test_tracks_of_streams() -> None:
    assert tracks_of(["audio", "video"]) == ("video", "audio")
    assert tracks_of(["audio", "subtitle"]) == ("audio",)
    assert tracks_of([]) == ()


# --- reconcile ------------------------------------------------------------------------------------


def takes_some(item: WantedRung, source: Source, track: str) -> bool:
    """A rule of factories: `alt` takes sound, the others pictures; x264 declines sources with z."""
    if item.factory == "alt":
        return track == "audio"
    return track == "video" and not (item.factory == "x264" and "z" in source.name)


def test_each_source_gets_the_whole_ladder_once() -> None:
    sources = [Source("live/x", ("video", "audio")), Source("live/y")]
    changes = reconcile(LADDER, sources, (), takes=takes_some)
    assert len(changes.starts) == 6
    assert {key.track for key in changes.starts} == {"video"}
    assert changes.stops == ()


def test_outputs_are_no_sources() -> None:
    changes = reconcile(LADDER, [Source("live/x"), Source("live/x/720p")], ())
    assert {key.source for key in changes.starts} == {"live/x"}


def test_an_empty_ladder_and_no_sources_change_nothing() -> None:
    assert reconcile((), [Source("live/x")], ()) == Changes()
    assert reconcile(LADDER, [], ()) == Changes()


def test_what_failed_is_started_again_or_left() -> None:
    there = reconcile(LADDER, [Source("live/x")], ()).starts
    failed, running = there[:1], there[1:]
    assert reconcile(LADDER, [Source("live/x")], running, failed).starts == failed
    left = reconcile(LADDER, [Source("live/x")], running, failed, restart=False)
    assert left == Changes()
    gone = reconcile(LADDER, [], running, failed, restart=False)
    assert set(gone.stops) == set(there), "what is left as it is goes with its source, too"


keys = st.builds(
    Key,
    st.sampled_from(FACTORIES),
    st.sampled_from(RENDITIONS),
    source_names,
    st.sampled_from(["video", "audio"]),
)


@given(wanted_rungs, some_sources, st.sets(keys, max_size=5), st.randoms())
def test_what_is_done_once_is_not_done_again(
    pairs: list[tuple[str, str]],
    sources: list[Source],
    running: set[Key],
    shuffle: random.Random,
) -> None:
    wanted = list(ladder(*pairs))
    first = reconcile(wanted, sources, running, takes=takes_some)
    assert not set(first.starts) & running
    assert set(first.stops) <= running
    assert len(set(first.starts)) == len(first.starts), "never two of a key"
    after = (running | set(first.starts)) - set(first.stops)
    assert reconcile(wanted, sources, after, takes=takes_some) == Changes()
    for key in after:
        assert not is_output(key.source, wanted)
    shuffle.shuffle(wanted)
    shuffle.shuffle(sources)
    assert reconcile(wanted, sources, running, takes=takes_some) == first


@given(wanted_rungs.filter(bool), some_sources, st.randoms())
def test_removing_one_touches_no_other(
    pairs: list[tuple[str, str]], sources: list[Source], choose: random.Random
) -> None:
    wanted = ladder(*pairs)
    gone = choose.choice(wanted).rung.name
    left = removed(wanted, gone)
    # A name that is a rendition no more may be a source: not what is looked at here.
    plain = [source for source in sources if not is_output(source.name, wanted)]
    running = set(reconcile(wanted, plain, (), takes=takes_some).starts)
    changes = reconcile(left, plain, running, takes=takes_some)
    assert changes.starts == ()
    assert set(changes.stops) == {key for key in running if key.rendition == gone}


@given(wanted_rungs, some_sources.filter(bool))
def test_a_source_that_goes_takes_its_own_along(
    pairs: list[tuple[str, str]], sources: list[Source]
) -> None:
    wanted = ladder(*pairs)
    running = set(reconcile(wanted, sources, (), takes=takes_some).starts)
    gone = sources[0].name
    changes = reconcile(wanted, sources[1:], running, takes=takes_some)
    assert changes.starts == ()
    assert set(changes.stops) == {key for key in running if key.source == gone}


def test_types_of_tracks_are_those_of_the_field() -> None:
    both: tuple[Track, ...] = ("video", "audio")
    assert tracks_of(both) == both
