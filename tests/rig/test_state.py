"""The daemon's state on disk: torn, full and missing files are survived."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.rig.state import FILE, StateStore


def places(tmp_path: Path) -> list[Path]:
    made = [tmp_path / "state", tmp_path / "run"]
    for directory in made:
        directory.mkdir()
    return made


def test_what_was_saved_last_is_loaded(tmp_path: Path) -> None:
    where = places(tmp_path)
    store = StateStore(where)
    assert store.load() is None
    assert store.save({"n": 1})
    assert store.save({"n": 2})
    assert StateStore(where).load() == {"n": 2}
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [FILE]


def test_a_place_that_takes_nothing_gives_way_to_the_next(tmp_path: Path) -> None:
    where = places(tmp_path)
    assert StateStore(where).save({"n": 1})
    (where[0] / f".{FILE}.new").mkdir()  # as good as a full disk: nothing can be written
    store = StateStore(where)
    store.load()
    assert store.save({"n": 2})
    assert store.trouble is not None
    assert StateStore(where).load() == {"n": 2}
    (where[0] / f".{FILE}.new").rmdir()
    assert store.save({"n": 3})
    assert StateStore(where).load() == {"n": 3}


def test_when_no_place_takes_it_the_daemon_goes_on(tmp_path: Path) -> None:
    store = StateStore([tmp_path / "missing"])
    assert not store.save({})
    assert store.failures == 1


@given(cut=st.integers(0, 200), junk=st.binary(max_size=20))
def test_a_torn_file_is_no_state(
    cut: int, junk: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("torn")
    StateStore([directory]).save({"words": "x" * 30})
    whole = (directory / FILE).read_bytes()
    torn = whole[: min(cut, len(whole) - 2)] + junk
    (directory / FILE).write_bytes(torn)
    found = StateStore([directory]).load()
    assert found in (None, {"words": "x" * 30})
    if found is not None:
        assert torn.startswith(whole.rstrip(b"\n"))


def test_a_torn_file_gives_way_to_an_older_whole_one(tmp_path: Path) -> None:
    where = places(tmp_path)
    StateStore([where[1]]).save({"n": "older"})
    (where[0] / FILE).write_text(json.dumps({"schema": "hlsswarm.rig-state/1", "sequence": 9}))
    assert StateStore(where).load() == {"n": "older"}
