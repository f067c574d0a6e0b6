"""Results are written whole or not at all, and a place that cannot be is told before."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hlsswarm.errors import PreflightError
from hlsswarm.report.files import (
    check_directory,
    check_writable,
    write_atomically,
)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_file_is_written_with_the_usual_mode(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    before = os.umask(0o027)
    try:
        write_atomically(path, "é\n")
    finally:
        os.umask(before)
    assert path.read_bytes() == "é\n".encode()
    assert path.stat().st_mode & 0o777 == 0o640
    assert names(tmp_path) == ["summary.json"]


@pytest.mark.parametrize("old", [None, "old\n"])
def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, old: str | None) -> None:
    path = tmp_path / "summary.json"
    if old is not None:
        path.write_text(old)
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "x" * 100_000 + "\udcff")
    assert names(tmp_path) == ([] if old is None else ["summary.json"])
    assert old is None or path.read_text() == old


def test_a_replacement_that_fails_leaves_no_second_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "summary.json"
    path.write_text("old\n")

    def fail(self: Path, target: Path) -> Path:
        raise OSError("no")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no"):
        write_atomically(path, "new\n")
    assert names(tmp_path) == ["summary.json"]
    assert path.read_text() == "old\n"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old\n")
    link.symlink_to(target)
    write_atomically(link, "new\n")
    assert link.is_symlink()
    assert target.read_text() == "new\n"


def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        check_writable(fifo)
        write_atomically(fifo, "text\n")
        assert os.read(reader, 100) == b"text\n"
    finally:
        os.close(reader)
    assert fifo.is_fifo()
    assert names(tmp_path) == ["fifo"]


@pytest.mark.parametrize("check", [check_writable, check_directory])
def test_a_good_place_is_left_as_it_was(check: Callable[[Path], None], tmp_path: Path) -> None:
    check(tmp_path / "x")
    assert names(tmp_path) == []


def test_bad_places_are_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine\n")
    cases: list[tuple[Callable[[Path], None], Path, str]] = [
        (check_writable, tmp_path, f"{tmp_path} is a directory."),
        (check_writable, tmp_path / "no/x", f"The directory {tmp_path}/no does not exist."),
        (check_directory, file, f"{file} is not a directory."),
        (check_directory, file / "below", f"{file} is not a directory."),
        # Nothing can be made in /proc, not even by root, whom no permission stops.
        (check_writable, Path("/proc/x.json"), "No file can be written in /proc: "),
        (check_directory, Path("/proc/x/y"), "Nothing can be written in /proc: "),
    ]
    for check, path, message in cases:
        with pytest.raises(PreflightError) as told:
            check(path)
        assert told.value.message.startswith(message)
        assert told.value.hint
    assert file.read_text() == "mine\n"
