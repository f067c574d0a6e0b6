"""The cache of loops: what is half made, what is old, what plays."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from pathlib import Path

import pytest

from hlsswarm.errors import PreflightError
from hlsswarm.origin import loop_cache


@pytest.fixture(autouse=True)
def loops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HLSSWARM_CACHE_DIR", str(tmp_path))
    return tmp_path / "loops"


def made(directory: Path, name: str, size: int, *, age_seconds: float) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_bytes(b"x" * size)
    used = time.time() - age_seconds
    os.utime(path, (used, used))
    return path


def test_all_that_matters_is_in_the_name(loops: Path) -> None:
    one = loop_cache.loop_file("default", ("5.1", "-b:v", "2000k"))
    assert one.parent == loops
    assert one == loop_cache.loop_file("default", ("5.1", "-b:v", "2000k"))
    assert one != loop_cache.loop_file("default", ("7.1", "-b:v", "2000k"))
    assert one != loop_cache.loop_file("default", ("5.1", "-b:v 2000k"))


def test_a_changed_source_is_another_source(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"1")
    before = loop_cache.identity(film)
    assert loop_cache.identity(film) == before
    film.write_bytes(b"12")
    assert loop_cache.identity(film) != before


def test_a_loop_appears_when_it_is_whole(loops: Path) -> None:
    loop = loop_cache.loop_file("default", ())
    assert not loop_cache.is_there(loop)
    with loop_cache.being_made(loop, expected_bytes=10) as part:
        part.write_bytes(b"whole")
        assert not loop.exists()
    assert loop_cache.is_there(loop)
    assert [path.name for path in loops.iterdir()] == [loop.name]


def test_what_failed_leaves_nothing(loops: Path) -> None:
    loop = loop_cache.loop_file("default", ())
    with pytest.raises(KeyboardInterrupt), loop_cache.being_made(loop, expected_bytes=1) as part:
        part.write_bytes(b"half")
        raise KeyboardInterrupt
    assert list(loops.iterdir()) == []


def test_what_a_killed_maker_left_goes_with_the_next_and_another_ones_stays(loops: Path) -> None:
    loops.mkdir()
    dead, alive = loops / ".a.mp4.1.part", loops / ".b.mp4.2.part"
    dead.touch()
    with alive.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with loop_cache.being_made(loops / "c.mp4", expected_bytes=1):
            assert not dead.exists()
            assert alive.exists()


def test_too_large_a_loop_is_refused_before_it_is_made(loops: Path) -> None:
    with (
        pytest.raises(PreflightError, match=r"The loop needs about .* are to be had"),
        loop_cache.being_made(loops / "a.mp4", expected_bytes=3 << 30),
    ):
        raise AssertionError("must not come here")
    assert list(loops.iterdir()) == []


def test_a_place_that_cannot_be_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HLSSWARM_CACHE_DIR", str(tmp_path / "file"))
    loop = loop_cache.loop_file("default", ())
    with (
        pytest.raises(PreflightError, match="Nothing can be kept in"),
        loop_cache.being_made(loop, expected_bytes=1),
    ):
        raise AssertionError("must not come here")


def test_the_oldest_go_first_and_only_as_many_as_have_to(loops: Path) -> None:
    oldest = made(loops, "a.mp4", 40, age_seconds=3000)
    older = made(loops, "b.mp4", 40, age_seconds=2000)
    old = made(loops, "c.mp4", 40, age_seconds=1000)
    assert loop_cache.sweep(loops, bytes_max=120) == []
    assert loop_cache.sweep(loops, bytes_max=90) == [oldest]
    assert older.exists() and old.exists()


def test_one_that_plays_or_is_about_to_stays(loops: Path) -> None:
    playing = made(loops, "a.mp4", 40, age_seconds=3000)
    asked_for = made(loops, "b.mp4", 40, age_seconds=1)
    command = loop_cache.played(playing, ["/bin/sh", "-c", "echo plays; read end"])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"plays\n"
        assert loop_cache.sweep(loops, bytes_max=0) == []
        process.communicate(b"end\n")
    assert loop_cache.sweep(loops, bytes_max=0) == [playing]
    assert asked_for.exists()
