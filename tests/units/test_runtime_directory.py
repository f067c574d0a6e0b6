"""The runtime directory: where it is, its lock, and that a killed command leaves nothing in it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hlsswarm.errors import PreflightError
from hlsswarm.units import runtime_directory as module
from hlsswarm.units.runtime_directory import (
    ENVIRONMENT,
    fresh_run_directory,
    locked,
    media_directory,
    remove_run_directory,
    remove_runs_of,
    runtime_directory,
)
from tests.units.live import short_directory

# Says when it has the lock, and keeps it until its input ends.
HOLDER = (
    "import sys\nfrom hlsswarm.units.runtime_directory import locked\n"
    "with locked():\n    print('mine', flush=True)\n    sys.stdin.read()\n"
)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with short_directory() as root:
        monkeypatch.setenv(ENVIRONMENT, str(root / "r"))
        yield root / "r"


def test_roots_and_a_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert runtime_directory() == Path("/run/hlsswarm")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    assert runtime_directory() == Path("/run/user/1000/hlsswarm")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    with pytest.raises(PreflightError, match="no runtime directory"):
        runtime_directory()


@pytest.mark.parametrize(
    ("chosen", "sentence"), [("relative", "not an absolute"), ("/" + "long/" * 20, "too long")]
)
def test_a_place_that_cannot_be(
    monkeypatch: pytest.MonkeyPatch, chosen: str, sentence: str
) -> None:
    monkeypatch.setenv(ENVIRONMENT, chosen)
    with pytest.raises(PreflightError, match=sentence):
        runtime_directory()


def test_it_is_there_under_the_lock_and_gone_after_it(place: Path) -> None:
    with locked() as directory:
        assert directory == place
        assert directory.is_dir()
    assert not place.exists()


def test_it_stays_while_something_is_in_it(place: Path) -> None:
    with locked() as directory:
        run = fresh_run_directory(directory, "a1", kind="embedded")
    assert place.exists()
    remove_run_directory(run)
    assert not place.exists()


def test_only_one_command_at_a_time_has_it(place: Path) -> None:
    holders = [
        subprocess.Popen(
            [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(4)
    ]
    waiting = set(holders)
    while waiting:
        having = [holder for holder in waiting if _has_said(holder)]
        assert len(having) <= 1
        for holder in having:
            assert holder.stdin
            holder.stdin.close()
            assert holder.wait(20) == 0
            waiting.remove(holder)
    for holder in holders:
        assert holder.stdout
        holder.stdout.close()
    assert not place.exists()


def _has_said(holder: subprocess.Popen[bytes]) -> bool:
    assert holder.stdout
    return bool(select.select([holder.stdout], [], [], 0.05)[0])


@pytest.mark.parametrize("name", ["telemetry.sock", "manager"])
def test_what_a_killed_command_left_half_made_goes_with_the_next_lock(
    place: Path, name: str
) -> None:
    place.mkdir()
    (place / "half").mkdir()
    (place / "half" / name).touch()
    with locked() as directory:
        assert list(directory.iterdir()) == []
        whole = fresh_run_directory(directory, "whole", kind="system")
    with locked():
        assert whole.is_dir()
    assert place.exists()
    remove_run_directory(whole)


def test_a_run_does_not_take_the_embedded_managers_place(place: Path) -> None:
    with locked() as directory, pytest.raises(PreflightError, match="cannot be named"):
        fresh_run_directory(directory, module.EMBEDDED_DIRECTORY, kind="embedded")


def test_a_dead_runs_directory_makes_room_for_a_new_one(place: Path) -> None:
    with locked() as directory:
        old = fresh_run_directory(directory, "a1", kind="embedded")
        (old / "telemetry.sock").touch()
        fresh = fresh_run_directory(directory, "a1", kind="system")
        assert [path.name for path in fresh.iterdir()] == ["manager"]
        remove_runs_of(directory, "embedded")
        assert fresh.exists()
        remove_runs_of(directory, "system")
        assert not fresh.exists()


@pytest.mark.parametrize("parent_mode", [0o755, 0o700])
@pytest.mark.parametrize("in_memory", [True, False])
def test_segments_lie_in_memory_and_go_with_the_run(
    place: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool, parent_mode: int
) -> None:
    place.parent.chmod(parent_mode)
    shared = place.parent / "shm"
    shared.mkdir()
    monkeypatch.setattr(module, "_SHARED_MEMORY", shared)
    on_tmpfs = {True: lambda path: True, False: lambda path: path == shared}[in_memory]
    monkeypatch.setattr(module, "_is_in_memory", on_tmpfs)
    with locked() as directory:
        run = fresh_run_directory(directory, "a1", kind="embedded")
        media = media_directory(run, needed_bytes=1)
        (media / "segment-1.ts").touch()
        # nginx's workers are nobody: below a closed directory they would find nothing.
        own = in_memory and parent_mode == 0o755
        assert media.parent == (run if own else shared)
        assert (run / "media").resolve() == media.resolve()
        remove_run_directory(run)
    assert list(shared.iterdir()) == []
    shared.rmdir()
    assert not place.exists()


def test_too_little_room_is_a_sentence(place: Path) -> None:
    with locked() as directory:
        run = fresh_run_directory(directory, "a1", kind="embedded")
        with pytest.raises(PreflightError, match="in memory at"):
            media_directory(run, needed_bytes=1 << 60)
        remove_run_directory(run)


def test_a_media_link_to_somewhere_else_is_not_followed(place: Path) -> None:
    with locked() as directory:
        run = fresh_run_directory(directory, "a1", kind="embedded")
        precious = directory.parent / "hlsswarm-precious"
        precious.mkdir()
        (run / "media").symlink_to(precious)
        remove_run_directory(run)
        assert precious.is_dir()


def test_memory_is_told_from_disk() -> None:
    assert module._is_in_memory(Path("/dev/shm"))
    assert not module._is_in_memory(Path("/proc"))
