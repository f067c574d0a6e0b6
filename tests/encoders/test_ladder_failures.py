"""Ladders whose transcoders break at the start, or do not end; and what cannot be meant."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.encoders.ladders import Ladder, install_factories, is_alive, listed_names, start_source
from tests.support import place, wait_for

X = "x"


@pytest.fixture(scope="module")
def ladder() -> Iterator[Ladder]:
    """A ladder without a rung, whose transcoders are left as they end."""
    with place() as here:
        start_source(here, X)
        made = Ladder(here, install_factories(here))
        made.done("start", "--rungs", "", "--on-failure", "leave", "--with-source", "off")
        try:
            yield made
        finally:
            made.done("stop")
            here.done("encoder", "stop", "--all")
        here.nothing_left()
        assert list(made.media.iterdir()) == []


def test_an_empty_ladder_starts_nothing(ladder: Ladder) -> None:
    wait_for("the source", lambda: ladder.document()["sources"])
    document = ladder.document()
    assert [item["source"] for item in document["sources"]] == [X]
    assert (document["renditions"], document["transcoders"]) == ([], [])
    assert not (ladder.media / X / "master.m3u8").exists()


def test_a_failure_at_the_start_is_counted_and_left(ladder: Ladder) -> None:
    ladder.done("add", "480p", "--factory", "badstart")
    key = ("badstart", "480p", X)
    ended = ladder.wait(key, "to fail", lambda item: item["failures"]["start"] == 1)
    assert ended["segments"] == 0
    assert not ended["listed"]
    ladder.done("add", "64p=64x36@40", "--factory", "passthrough")
    ladder.wait_listed(("passthrough", "64p", X))
    after = ladder.transcoders()
    assert after[key]["failures"] == {"start": 1, "middle": 0, "stop": 0}, "it was left"
    assert after[key]["pid"] is None
    assert listed_names(ladder.media / X / "master.m3u8") == ["64p/stream.m3u8"]
    assert ladder.done("remove", "64p") == "Removed 64p: 1 transcoder ended.\n"
    ladder.done("remove", "480p")
    assert not ladder.running()


def test_a_transcoder_that_does_not_end_is_counted_and_killed(ladder: Ladder) -> None:
    ladder.done("add", "deaf=64x36@40", "--factory", "deaf")
    key = ("deaf", "deaf", X)
    pid = ladder.wait(key, "to run", lambda item: item["pid"] is not None)["pid"]
    assert ladder.done("remove", "deaf") == "Removed deaf: 1 transcoder ended.\n"
    assert not is_alive(pid)
    assert ladder.transcoders()[key]["failures"] == {"start": 0, "middle": 0, "stop": 1}


def test_a_factory_that_breaks_is_counted_and_touches_nobody(ladder: Ladder) -> None:
    said = ladder.done("add", "240p", "--factory", "broken")
    assert "broken declines x: the factory broke: no licence." in said
    document = ladder.document()
    reasons = {item["reason"] for item in document["declined"] if item["factory"] == "broken"}
    assert reasons == {"the factory broke: no licence"}
    ladder.done("remove", "240p")


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (("add",), 2, "The rendition is missing."),
        (("add", "4320p"), 2, "There is no rendition '4320p'."),
        (("add", "720p", "--factory", "nvidia"), 2, "There is no factory 'nvidia'."),
        (("add", "720p", "--name", "other"), 106, "No ladder named other runs."),
        (("remove", "1080p"), 2, "The ladder has no 1080p."),
        (("list", "720p"), 2, "720p is one word too many."),
        (("start", "--name", "No-Name"), 2, "A ladder cannot be named 'No-Name'."),
        (("start", "--rungs", "720p,720p"), 2, "The rendition 720p is given twice."),
        (("start", "--source", "x"), 2, "--source 'x' cannot be read."),
        (
            ("start", "--name", "b", "--source", "../x=http://127.0.0.1/x"),
            2,
            "'../x' cannot be a source: its name is no path below the media root.",
        ),
        (("start", "--name", "b", "--media", "/proc/stat"), 106, "/proc/stat is not a directory."),
        (("start", "--on-failure", "wait"), 2, "--on-failure 'wait' cannot be read."),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_gets_a_sentence(
    ladder: Ladder, words: tuple[str, ...], status: int, sentence: str
) -> None:
    finished = ladder.run(*words)
    assert (finished.status, finished.sentence) == (status, sentence)
    assert finished.hint
    assert "Traceback" not in finished.err
    assert not (ladder.place.runtime_directory / "b").exists()


def test_factories_that_cannot_work_here(ladder: Ladder) -> None:
    missing = ladder.run("add", "720p", "--factory", "missing")
    assert missing.status == 106
    assert missing.sentence.startswith(
        "The factory missing (own_factories:nowhere) cannot be loaded"
    )
    for name in ("nvenc", "vaapi", "qsv"):
        finished = ladder.run("add", "720p", "--factory", name)
        # A machine may have one of them: then there is nothing to refuse.
        if finished.status:
            assert finished.status == 106
            assert " has no " in finished.sentence
        else:
            ladder.done("remove", "720p")


def test_without_a_ladder() -> None:
    with place() as here:
        none = here.run("ladder", "list")
        assert (none.status, none.sentence) == (106, "No ladder named ladder runs.")
        assert here.done("ladder", "stop").out == "No ladder runs.\n"
        here.nothing_left()
