"""What is done before each start of an encoder."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from hlsswarm.controller.log_bounds import shorten
from hlsswarm.encoders import prepare

NOBODY = ("--keep", "1", "--log")


def test_directories_are_made(tmp_path: Path) -> None:
    prepare.main([str(tmp_path / "a/b"), str(tmp_path / "c"), *NOBODY, str(tmp_path / "x.log")])
    assert (tmp_path / "a/b").is_dir()
    assert (tmp_path / "c").is_dir()
    assert not (tmp_path / "x.log").exists()


def test_segments_that_nobody_would_delete_are_removed(tmp_path: Path) -> None:
    for number in range(1, 7):
        (tmp_path / f"segment-{number}.ts").touch()
    (tmp_path / "segment-7.ts.tmp").touch()
    (tmp_path / "stream.m3u8").write_text("#EXTM3U\n#EXTINF:2,\nsegment-5.ts\nsegment-6.ts\n")
    assert prepare.tidy(tmp_path, keep=2) == 3
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [*(f"segment-{number}.ts" for number in (3, 4, 5, 6)), "stream.m3u8"]


@pytest.mark.parametrize("lines", [0, 5, 9, 10, 11, 1000])
def test_a_log_keeps_its_last_whole_lines(tmp_path: Path, lines: int) -> None:
    log = tmp_path / "encoder.log"
    log.write_text("".join(f"line {number:04d}\n" for number in range(lines)))
    with log.open("a") as writer:  # as systemd has it open
        shorten(log, bytes_max=100)
        writer.write("the end\n")
    kept = log.read_text().splitlines()
    assert kept[-1] == "the end"
    wanted = [f"line {number:04d}" for number in range(lines)]
    assert kept[:-1] == (wanted if lines <= 10 else wanted[-9:])


def test_a_start_that_follows_failed_ones_waits(tmp_path: Path) -> None:
    noted = tmp_path / "starts"
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    noted.write_text(json.dumps({"in_a_row": 1, "last": before - 1}))
    prepare.wait_for_turn(noted)
    after = json.loads(noted.read_text())
    assert after["in_a_row"] == 2
    assert after["last"] - before >= 0.5


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"in_a_row": "x", "last": null}'])
def test_a_note_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    noted = tmp_path / "starts"
    noted.write_text(text)
    prepare.wait_for_turn(noted)
    assert json.loads(noted.read_text())["in_a_row"] == 0
