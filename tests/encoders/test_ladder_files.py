"""What a ladder reads and writes below a media root, and how it takes ends, without units."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hlsswarm.core.ladder import PRESETS, Key, WantedRung
from hlsswarm.encoders import sources
from hlsswarm.encoders.ladder_end import begun, end_command, phase_of_end, stopping
from hlsswarm.encoders.ladder_outputs import Outputs
from hlsswarm.encoders.ladder_state import (
    Ends,
    Seen,
    Sight,
    Wanted,
    change_rungs,
    changing,
    ends_file,
    read_ends,
    read_sight,
    read_wanted,
    sight_text,
    write_ends,
    write_sight,
    write_wanted,
)
from hlsswarm.encoders.sources import Output
from tests.support import REPOSITORY

KEY = Key("x264", "720p", "live/x", "video")


def playlist(directory: Path, *, first: int = 10, count: int = 3, end: str = "") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    names = [f"segment-{number}.ts" for number in range(first, first + count)]
    for name in names:
        (directory / name).write_bytes(b"x" * 1000)
    entries = "".join(f"#EXTINF:1.0,\n{name}\n" for name in names)
    path = directory / "stream.m3u8"
    path.write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{first}\n{entries}{end}"
    )
    return path


def live(media: Path) -> set[str]:
    return set(sources.look(media, now_seconds=time.time()).live)


# --- sources --------------------------------------------------------------------------------------


def test_live_playlists_are_sources_and_no_others(tmp_path: Path) -> None:
    playlist(tmp_path / "live/x")
    playlist(tmp_path / "one")
    playlist(tmp_path / "ended", end="#EXT-X-ENDLIST\n")
    playlist(tmp_path / "empty", count=0)
    old = playlist(tmp_path / "old")
    os.utime(old, (time.time() - 60, time.time() - 60))
    (tmp_path / "other").mkdir()
    (tmp_path / "other/stream.m3u8").write_text("hello")
    (tmp_path / "link").symlink_to(tmp_path / "live")
    assert live(tmp_path) == {"live/x", "one"}
    assert live(tmp_path / "none") == set()


def test_outputs_are_marked_and_never_sources(tmp_path: Path) -> None:
    playlist(tmp_path / "live/x")
    output = Output(tmp_path / "live/x/720p", "ladder", KEY, 10)
    sources.mark(output)
    playlist(output.directory)
    tree = sources.look(tmp_path, now_seconds=time.time())
    assert set(tree.live) == {"live/x"}
    assert tree.outputs == [output]


def test_a_multivariant_playlist_of_others_is_left(tmp_path: Path) -> None:
    theirs = tmp_path / "a.m3u8"
    theirs.write_text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nx.m3u8\n")
    assert not sources.write_master(theirs, "ladder", "#EXTM3U\nmine\n")
    assert theirs.read_text().endswith("x.m3u8\n")
    ours = tmp_path / "b.m3u8"
    assert sources.write_master(ours, "ladder", "#EXTM3U\nmine\n")
    assert ours.read_text() == "#EXTM3U\n# hlsswarm ladder ladder\nmine\n"
    assert sources.run_of_master(ours) == "ladder"


def test_only_what_a_ladder_wrote_is_removed(tmp_path: Path) -> None:
    source = playlist(tmp_path / "live/x")
    for run, name in (("ladder", "720p"), ("other", "480p")):
        output = Output(source.parent / name, run, KEY, 10)
        sources.mark(output)
        playlist(output.directory)
    sources.write_master(source.parent / sources.MASTER, "ladder", "#EXTM3U\n")
    sources.mark(Output(tmp_path / "far/720p", "ladder", KEY, 10))
    sources.remove_outputs(tmp_path, "ladder")
    left = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.m3u8"))
    assert left == ["live/x/480p/stream.m3u8", "live/x/stream.m3u8"]
    assert not (tmp_path / "far").exists()


# --- counts ---------------------------------------------------------------------------------------


def test_segments_are_counted_once(tmp_path: Path) -> None:
    outputs = Outputs("ladder", Path("/nowhere/ffprobe"))
    seen = Seen()
    outputs.count(seen, tmp_path)
    assert seen.segments == 0
    playlist(tmp_path, first=10)
    for _ in range(2):
        outputs.count(seen, tmp_path)
        assert (seen.segments, seen.bytes, seen.last) == (3, 3000, 12)
    playlist(tmp_path, first=12)
    outputs.count(seen, tmp_path)
    assert (seen.segments, seen.bytes, seen.last) == (5, 5000, 14)
    playlist(tmp_path, first=20)  # nobody looked for a while: counted by their numbers
    outputs.count(seen, tmp_path)
    assert (seen.segments, seen.bytes) == (13, 8000)
    playlist(tmp_path, first=1)
    outputs.count(seen, tmp_path)
    assert (seen.segments, seen.bytes, seen.last) == (16, 11000, 3)


# --- state ----------------------------------------------------------------------------------------


def test_what_is_wanted_is_read_as_it_was_written(tmp_path: Path) -> None:
    rungs = (WantedRung("x264", PRESETS["720p"], "720p"),)
    wanted = Wanted(
        media=Path("/m"),
        ffmpeg=Path("/f"),
        ffprobe=Path("/p"),
        rungs=rungs,
        sources=(("live/x", "http://127.0.0.1/x.m3u8"),),
        restart=False,
        metrics=("127.0.0.1", 9091),
    )
    write_wanted(tmp_path, wanted)
    assert read_wanted(tmp_path) == wanted
    with changing(tmp_path) as there:
        assert change_rungs(tmp_path, there, ()) == 2
    assert (read_wanted(tmp_path).rungs, read_wanted(tmp_path).revision) == ((), 2)
    (tmp_path / "ladder.json").write_text("{}")
    with pytest.raises(ValueError, match="lacks"):
        read_wanted(tmp_path)


def test_what_was_seen_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_sight(tmp_path) == Sight()
    sight = Sight(3, {"u": Seen(4, 5, 6, True)}, {"live/x": {"width": 2}}, [{"reason": "no"}])
    write_sight(tmp_path, sight_text(sight))
    assert read_sight(tmp_path) == sight
    (tmp_path / "seen.json").write_text('{"half":')
    assert read_sight(tmp_path) == Sight()


def test_ends_where_the_run_is_gone(tmp_path: Path) -> None:
    path = ends_file(tmp_path, "hlsswarm-a-transcoder-b.service")
    write_ends(path, Ends(start=1))
    assert read_ends(path) == Ends()
    path.parent.mkdir()
    write_ends(path, Ends(start=1, last="x"))
    assert read_ends(path) == Ends(start=1, last="x")


# --- ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "status", "had_segment", "stop_wanted", "source_ended", "phase"),
    [
        ("success", "255", True, False, False, None),  # ffmpeg's answer to a signal
        ("success", "0", True, True, False, None),
        ("success", "0", True, False, True, None),
        ("success", "0", True, False, False, "middle"),  # its playlist was lost
        ("success", "0", False, False, False, "start"),
        ("exit-code", "1", False, False, False, "start"),
        ("signal", "SEGV", True, False, False, "middle"),
        ("core-dump", "SEGV", True, True, False, "stop"),
        ("timeout", "KILL", True, False, False, "stop"),
        ("timeout", "255", True, True, False, "stop"),
        ("timeout", "255", True, True, True, None),  # it waited for a source that is no more
        ("timeout", "KILL", True, True, True, "stop"),
    ],
)
def test_the_phase_of_an_end(
    *,
    result: str,
    status: str,
    had_segment: bool,
    stop_wanted: bool,
    source_ended: bool,
    phase: str | None,
) -> None:
    said = {"SERVICE_RESULT": result, "EXIT_STATUS": status}
    found = phase_of_end(
        said, had_segment=had_segment, stop_wanted=stop_wanted, source_ended=source_ended
    )
    assert found == phase


def test_an_end_is_written_down_as_systemd_tells_it(tmp_path: Path) -> None:
    source = playlist(tmp_path / "x")
    ends = tmp_path / "key.json"
    output = tmp_path / "x/720p/stream.m3u8"

    def end(**said: str) -> Ends:
        command = end_command(ends, output, source)
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **said}
        assert command[0] == sys.executable
        subprocess.run(command, env=environment, check=True, timeout=30)
        return read_ends(ends)

    begun(ends).touch()
    crash = {"SERVICE_RESULT": "exit-code", "EXIT_CODE": "exited", "EXIT_STATUS": "1"}
    assert end(**crash) == Ends(start=1, left=True, last="exit-code exited 1")
    playlist(output.parent)
    os.utime(begun(ends), (0, 0))
    assert end(**crash).failures == {"start": 1, "middle": 1, "stop": 0}
    stopping(ends).touch()
    assert end(**crash).failures == {"start": 1, "middle": 1, "stop": 1}
    stopping(ends).unlink()
    source.unlink()
    quiet = {"SERVICE_RESULT": "success", "EXIT_STATUS": "0"}
    assert end(**quiet).failures == {"start": 1, "middle": 1, "stop": 1}
    assert json.loads(ends.read_text())["left"]
