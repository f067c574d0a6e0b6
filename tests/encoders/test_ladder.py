"""An ABR ladder as a user runs it: real commands, systemd, ffmpeg. One ladder for most tests."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.encoders.ladders import (
    Ladder,
    install_factories,
    listed_names,
    start_source,
)
from tests.support import free_port, place, processes_with, wait_for

METRICS_PORT = free_port()
X = "live/x"
DEFAULT = {("passthrough", name, X) for name in ("720p", "480p", "240p")}
BASE = ("passthrough", "480p", X)


@pytest.fixture(scope="module")
def ladder() -> Iterator[Ladder]:
    """The default ladder by copying, beside a source: little work for the machine."""
    with place() as here:
        start_source(here, X)
        made = Ladder(here, install_factories(here))
        made.done("start", "--factory", "passthrough", "--metrics", f"127.0.0.1:{METRICS_PORT}")
        try:
            made.wait_listed(*DEFAULT)
            yield made
        finally:
            made.done("stop")
            assert sorted(p.name for p in (made.media / X).iterdir() if p.suffix != ".ts") == [
                "stream.m3u8"
            ], "of the source's directory, what the ladder wrote is gone"
            here.done("encoder", "stop", "--all")
        here.nothing_left(METRICS_PORT)


def test_the_default_ladder_is_one_transcoder_for_each_rendition(ladder: Ladder) -> None:
    there = ladder.transcoders()
    assert set(there) >= DEFAULT
    for key in DEFAULT:
        assert there[key]["state"] == "active (running)"
        assert there[key]["segments"] >= 3
    assert len({there[key]["pid"] for key in DEFAULT}) == 3


def test_every_segment_is_counted_once(ladder: Ladder) -> None:
    """What is counted is what the output's numbers say, and the bytes are those of the files."""
    directory = ladder.media / X / "240p"
    key = ("passthrough", "240p", X)
    before = ladder.transcoders()[key]
    more = before["segments"] + 3
    later = ladder.wait(key, "three more segments", lambda item: item["segments"] >= more)
    begun = int(re.findall(r'"first_number": (\d+)', (directory / "ladder.json").read_text())[0])
    numbers = range(begun + before["segments"], begun + later["segments"])
    sizes = [(directory / f"segment-{number}.ts").stat().st_size for number in numbers]
    assert later["bytes"] - before["bytes"] == sum(sizes)
    newest = _number(listed_names(directory / "stream.m3u8")[-1])
    assert begun + later["segments"] - 1 <= newest <= begun + later["segments"] + 1


def _number(name: str) -> int:
    return int(name.removeprefix("segment-").removesuffix(".ts"))


def test_sound_is_declined_by_what_makes_pictures(ladder: Ladder) -> None:
    document = ladder.document()
    assert {item["track"] for item in document["transcoders"]} == {"video"}
    declined = {(item["rendition"], item["track"]) for item in document["declined"]}
    assert {("720p", "audio"), ("480p", "audio"), ("240p", "audio")} <= declined


def test_a_rendition_is_added_to_a_source_that_runs_and_taken_away_again(ladder: Ladder) -> None:
    before = ladder.running()
    said = ladder.done("add", "tiny=96x54@60", "--factory", "x264")
    assert said == "Added tiny by x264: SOURCE/tiny/stream.m3u8.\n"
    key = ("x264", "tiny", X)
    names = [item["rendition"] for item in ladder.document()["renditions"]]
    assert names == ["720p", "480p", "240p", "tiny"]
    again = ladder.run("add", "tiny=96x54@60", "--factory", "x264")
    assert (again.status, again.sentence) == (2, "The ladder has tiny by x264 already.")
    ladder.wait_listed(key)
    master = ladder.media / X / "master.m3u8"
    assert "tiny/stream.m3u8" in listed_names(master)
    _assert_aligned(ladder, "tiny")
    _assert_master_is_right(ladder, "tiny", "96x54")
    assert ladder.done("remove", "tiny") == "Removed tiny: 1 transcoder ended.\n"
    assert "tiny/stream.m3u8" not in listed_names(master)
    assert (ladder.media / X / "tiny" / "stream.m3u8").exists(), "clients may be in the middle"
    assert ladder.running() == before, "the same processes as before"
    ended = ladder.transcoders()[key]
    assert ended["failures"] == {"start": 0, "middle": 0, "stop": 0}
    names = [item["rendition"] for item in ladder.document()["renditions"]]
    assert names == ["720p", "480p", "240p"]
    wait_for("its files to go", lambda: not (ladder.media / X / "tiny").exists())


def _times(ladder: Ladder, directory: str) -> dict[str, list[str]]:
    """Timestamps of the pictures of each segment that is there, by the first one."""
    found = {}
    for path in sorted((ladder.media / X / directory).glob("segment-*.ts")):
        command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-of", "csv=p=0"]
        command += ["-show_entries", "packet=pts", str(path)]
        said = subprocess.run(command, capture_output=True, check=False, text=True, timeout=30)
        times = re.findall(r"\d+", said.stdout)
        if times:
            found[times[0]] = times
    return found


def _assert_aligned(ladder: Ladder, directory: str) -> None:
    """Each segment of the rung has the same pictures, to the tick, as one of the source."""
    made, source = _times(ladder, directory), _times(ladder, ".")
    both = set(made) & set(source)
    assert len(both) >= 2, f"{sorted(made)} {sorted(source)}"
    for first in both:
        assert made[first] == source[first]


def _assert_master_is_right(ladder: Ladder, directory: str, resolution: str) -> None:
    """What the Multivariant Playlist says of a rung is what ffprobe and the files say."""
    lines = (ladder.media / X / "master.m3u8").read_text().splitlines()
    said = lines[lines.index(f"{directory}/stream.m3u8") - 1]
    assert f"RESOLUTION={resolution}" in said
    assert "FRAME-RATE=10.000" in said
    assert re.search(r'CODECS="avc1\.6400[0-9a-f]{2},mp4a\.40\.2"', said), said
    bandwidth = int(re.findall(r"BANDWIDTH=(\d+)", said)[0])
    sizes = [path.stat().st_size * 8 for path in (ladder.media / X / directory).glob("*.ts")]
    assert max(sizes) <= bandwidth * 1.1
    uris = [line for line in lines if not line.startswith("#")]
    assert len(uris) == len(set(uris)), "nothing is listed twice"


def test_outputs_are_never_sources(ladder: Ladder) -> None:
    assert {key[2] for key in ladder.transcoders()} == {X}
    assert [item["source"] for item in ladder.document()["sources"]] == [X]
    assert not list((ladder.media / X).glob("*/*/*.m3u8"))


def test_two_factories_make_one_rendition(ladder: Ladder) -> None:
    """One of them from another package, found by its entry point."""
    before = ladder.running()
    ladder.done("add", "pair=64x36@40", "--factory", "passthrough")
    said = ladder.done("add", "pair=64x36@40", "--factory", "tiny")
    assert "SOURCE/pair-tiny/stream.m3u8" in said
    keys = [("passthrough", "pair", X), ("tiny", "pair", X)]
    ladder.wait_listed(*keys)
    master = (ladder.media / X / "master.m3u8").read_text()
    assert "RESOLUTION=64x36" in master, "what the own factory really made"
    assert {"pair/stream.m3u8", "pair-tiny/stream.m3u8"} < set(
        listed_names(ladder.media / X / "master.m3u8")
    )
    assert ladder.done("remove", "pair") == "Removed pair: 2 transcoders ended.\n"
    assert ladder.running() == before


def test_a_transcoder_that_dies_in_the_middle_touches_nobody(ladder: Ladder) -> None:
    before = ladder.transcoders()
    source = _source_process(ladder)
    os.kill(before[BASE]["pid"], signal.SIGSEGV)
    after = ladder.wait(
        BASE,
        "to be started again",
        lambda item: (
            item["pid"] not in {None, before[BASE]["pid"]}
            and item["segments"] > before[BASE]["segments"] + 2
        ),
    )
    assert after["failures"] == {**before[BASE]["failures"], "middle": 1}
    assert "signal" in after["last_failure"] or "core-dump" in after["last_failure"]
    siblings = ladder.running()
    for key in DEFAULT - {BASE}:
        assert siblings[key] == before[key]["pid"]
    assert _source_process(ladder) == source
    numbers = [
        int(re.findall(r"\d+", n)[0])
        for n in listed_names(ladder.media / X / "480p" / "stream.m3u8")
    ]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    wait_for("the failure in /metrics", lambda: _metric("failures", "480p", phase="middle") == 1)
    assert _metric("failures", "720p", phase="middle") == 0
    assert _metric("segments", "480p") >= after["segments"]
    assert _metric("bytes", "480p") > 0


def _metric(name: str, rendition: str, **labels: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{METRICS_PORT}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    wanted = {"factory": "passthrough", "rendition": rendition, **labels}
    (value,) = [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == f"hlsswarm_transcoder_{name}_total" and sample.labels == wanted
    ]
    return value


def _source_process(ladder: Ladder) -> list[str]:
    return [line for line in processes_with("testsrc2=size=160x90") if str(ladder.media) in line]


def test_a_runner_that_is_killed_takes_over_what_runs(ladder: Ladder) -> None:
    before = ladder.transcoders()
    (line,) = [p for p in processes_with("encoders.ladder_runner") if str(ladder.place.root) in p]
    os.kill(int(line.split()[1].rstrip(":")), signal.SIGKILL)
    later = ladder.wait(
        BASE, "to be counted again", lambda item: item["segments"] >= before[BASE]["segments"] + 3
    )
    assert later["pid"] == before[BASE]["pid"]
    after = ladder.transcoders()
    assert {key: item["pid"] for key, item in after.items()} == {
        key: item["pid"] for key, item in before.items()
    }
    assert after[BASE]["failures"] == before[BASE]["failures"], "counts are kept"


def test_the_source_is_read_by_others_without_a_gap(ladder: Ladder) -> None:
    """A reader of the source gets every Media Segment while rungs come and go."""
    seen: dict[int, int] = {}

    def look() -> bool:
        for name in listed_names(ladder.media / X / "stream.m3u8"):
            seen[_number(name)] = (ladder.media / X / name).stat().st_size
        return len(seen) >= 5

    ladder.done("add", "fan=64x36@40", "--factory", "passthrough")
    wait_for("segments of the source", look)
    ladder.done("remove", "fan")
    wait_for("more of them", lambda: look() and len(seen) >= 8)
    assert sorted(seen) == list(range(min(seen), max(seen) + 1))
    assert min(seen.values()) > 1000


def test_a_source_that_comes_later_has_the_whole_ladder_until_it_goes(ladder: Ladder) -> None:
    before = {key: pid for key, pid in ladder.running().items() if key[2] == X}
    start_source(ladder.place, "late")
    late = [("passthrough", name, "late") for name in ("720p", "480p", "240p")]
    ladder.wait_listed(*late)
    assert listed_names(ladder.media / "late" / "master.m3u8")
    ladder.place.done("encoder", "stop", "late")

    def gone() -> bool:
        return not (set(late) & set(ladder.running())) and not (ladder.media / "late").exists()

    wait_for("what was made of it to go", gone, timeout_seconds=40)
    failures = [ladder.transcoders()[key]["failures"] for key in late]
    assert failures == [{"start": 0, "middle": 0, "stop": 0}] * 3
    assert {key: pid for key, pid in ladder.running().items() if key[2] == X} == before


def test_a_source_that_begins_anew_is_followed(ladder: Ladder) -> None:
    """Its encoder is killed, and systemd starts it again: timestamps begin anew."""
    before = ladder.transcoders()
    (process,) = _source_process(ladder)
    os.kill(int(process.split()[1].rstrip(":")), signal.SIGKILL)
    for key in DEFAULT:
        old = before[key]

        def again(item: dict[str, Any], old: dict[str, Any] = old) -> bool:
            more = item["segments"] > old["segments"] + 5
            return more and item["pid"] not in {None, old["pid"]}

        after = ladder.wait(key, "to be started again", again)
        assert after["failures"] == old["failures"], "nothing of the ladder has failed"
        text = (ladder.media / X / key[1] / "stream.m3u8").read_text()
        assert "#EXT-X-TARGETDURATION:1\n" in text
        assert "#EXT-X-DISCONTINUITY\n" in text


def test_a_list_for_people(ladder: Ladder) -> None:
    lines = ladder.done("list").splitlines()
    assert lines[0].startswith(f"ladder: ABR ladder of {ladder.media} (")
    assert any(re.match(r"  720p +passthrough +1280x720 +2500 kbit/s", line) for line in lines)
    row = next(line for line in lines if re.match(r"  240p +passthrough +active", line))
    assert "listed" in row
    assert "failures: none" in row


def test_a_second_ladder_of_the_same_place_is_refused(ladder: Ladder) -> None:
    second = ladder.run("start", "--name", "second")
    assert second.status == 106
    assert second.sentence == f"The ladder ladder watches {ladder.media} already."
    same = ladder.run("start")
    assert (same.status, same.sentence) == (106, "A run named ladder is there already.")
