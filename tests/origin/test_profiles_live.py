"""Every profile, started as a user starts it and played by the swarm: what is declared is true.

All origins run at once, from loops that were encoded once, so that two processors are enough. Of
the 4K ladder the two largest pictures are left out: to encode them takes what others need.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import m3u8
import pytest

from hlsswarm.core.h264 import avc_of
from hlsswarm.core.presentation import (
    average_bandwidth_bps,
    bandwidth_bps,
    has_ladder,
    media_playlists,
)
from hlsswarm.core.profiles import AudioTrack, Container, Encryption, OriginProfile, Rendition
from hlsswarm.origin.profile_files import find_profile
from tests.support import Command, Finished, Place, free_port, place, wait_for

CLIENTS = 3
SHARE = 0.15
"""How far bitrates may be from what is declared."""
ORIGINS: dict[str, tuple[str, ...]] = {
    "default": (),
    "low-latency": (),
    "4k-abr": ("2160p=off", "1080p=off"),
    "stress": (),
    "logged": (),
    "vod": ("vod_seconds=12",),
    "audio-group": (),
    "audio-group in fmp4": ("container=fmp4",),
    "default encrypted": ("encryption=aes-128",),
}


@dataclass(frozen=True)
class Playing:
    """An origin that runs, and what a swarm made of it."""

    place: Place
    profile: OriginProfile
    port: int
    out: str
    summary: dict[str, Any]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/stream.m3u8"

    @property
    def run(self) -> Path:
        return self.place.runtime_directory / f"origin{self.port}"

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(urljoin(self.url, path), timeout=5) as answer:
            body: bytes = answer.read()
            return body

    def playlist(self, path: str) -> m3u8.M3U8:
        return m3u8.loads(self.get(path).decode())


@pytest.fixture(scope="module")
def origins() -> Iterator[dict[str, Playing]]:
    with place() as here:
        ports = {name: free_port() for name in ORIGINS}
        try:
            yield _played(here, ports)
        finally:
            here.done("origin", "stop", "--all")
        here.nothing_left(*ports.values())


def _played(here: Place, ports: dict[str, int]) -> dict[str, Playing]:
    starting: dict[str, Command] = {}
    for name, changes in ORIGINS.items():
        sets = [word for change in changes for word in ("--set", change)]
        starting[name] = here.start(
            "origin", "start", "--profile", name.partition(" ")[0], "--encode", "once",
            "--port", str(ports[name]), *sets,
        )  # fmt: skip
    started = {name: well(command) for name, command in starting.items()}
    running = {
        name: here.start(
            "run", f"http://127.0.0.1:{port}/stream.m3u8", "--clients", str(CLIENTS),
            "--duration", "9s", "--metrics", "off", "--json", str(here.root / f"{port}.json"),
        )
        for name, port in ports.items()
    }  # fmt: skip
    for command in running.values():
        command.finished(timeout_seconds=90)
    return {
        name: Playing(
            here,
            find_profile(name.partition(" ")[0], ORIGINS[name]),
            ports[name],
            started[name].out,
            json.loads((here.root / f"{ports[name]}.json").read_text()),
        )
        for name in ORIGINS
    }


def well(command: Command) -> Finished:
    finished = command.finished(timeout_seconds=90)
    assert finished.status == 0, f"{finished.words}: {finished.out}\n{finished.err}"
    return finished


every_origin = pytest.mark.parametrize("name", ORIGINS)


@every_origin
def test_the_swarm_plays_it_without_a_failure(origins: dict[str, Playing], name: str) -> None:
    found = origins[name].summary
    assert found["clients"]["streamed"] == CLIENTS
    assert found["segments"]["requests"] >= CLIENTS
    assert (found["segments"]["failed"], found["playlists"]["failed"]) == (0, 0)
    assert found["sessions"]["failed"] == 0
    assert (found["errors"], found["http_errors"]) == ({}, {})


@every_origin
def test_segments_are_as_long_and_as_large_as_declared(
    origins: dict[str, Playing], name: str
) -> None:
    origin = origins[name]
    for media in media_playlists(origin.profile):
        playlist = origin.playlist(media.path)
        wanted = origin.profile.segment_seconds
        assert playlist.target_duration == wanted
        slack = 0.03 if isinstance(media.part, AudioTrack) else 1e-6
        assert all(abs(segment.duration - wanted) <= slack for segment in playlist.segments)
        sizes = [len(origin.get(urljoin(media.path, item.uri))) for item in playlist.segments]
        mean_bps = sum(sizes) * 8 / sum(item.duration for item in playlist.segments)
        assert mean_bps == pytest.approx(
            average_bandwidth_bps(origin.profile, media.part), rel=SHARE
        )
        peak_bps = max(sizes) * 8 / wanted
        assert 0.7 < peak_bps / bandwidth_bps(origin.profile, media.part) <= 1
        assert playlist.is_endlist == (not origin.profile.is_live)
        assert (playlist.playlist_type == "vod") == (not origin.profile.is_live)
        assert bool(playlist.segment_map) == (origin.profile.container is Container.FMP4)
        key = playlist.keys[0] if playlist.keys else None
        assert bool(key) == (origin.profile.encryption is not Encryption.NONE)


@every_origin
def test_codecs_and_sizes_are_those_of_the_pictures(origins: dict[str, Playing], name: str) -> None:
    origin = origins[name]
    declared = {}
    if has_ladder(origin.profile):
        top = origin.playlist("stream.m3u8")
        declared = {item.uri: item.stream_info for item in top.playlists}
        groups = [item.uri for item in top.media]
        assert [*declared, *groups] == [media.path for media in media_playlists(origin.profile)]
    for media in media_playlists(origin.profile):
        if not isinstance(media.part, Rendition):
            continue
        shown = ffprobed(origin, media.path)
        assert (shown["width"], shown["height"]) == (media.part.width, media.part.height)
        assert shown["r_frame_rate"] == f"{media.part.frame_rate}/1"
        if media.path in declared:
            said = declared[media.path]
            assert said.resolution == (shown["width"], shown["height"])
            assert said.frame_rate == media.part.frame_rate
            first = origin.playlist(media.path).segments[0]
            init = first.init_section.uri if first.init_section else first.uri
            assert said.codecs.split(",")[0] == avc_of(origin.get(urljoin(media.path, init)))


def ffprobed(origin: Playing, path: str) -> dict[str, Any]:
    probe = subprocess.run(
        [
            *("ffprobe", "-v", "error", "-of", "json", "-select_streams", "v:0"),
            *("-show_entries", "stream=width,height,r_frame_rate", urljoin(origin.url, path)),
        ],
        check=True,
        capture_output=True,
        timeout=30,
    )
    stream: dict[str, Any] = json.loads(probe.stdout)["streams"][0]
    return stream


def test_the_window_rolls_alike_in_all_renditions(origins: dict[str, Playing]) -> None:
    origin = origins["low-latency"]
    before = origin.playlist("stream.m3u8").media_sequence

    def rolled() -> bool:
        return bool(origin.playlist("stream.m3u8").media_sequence >= before + 2)

    wait_for("the window to roll", rolled)
    ladder = origins["4k-abr"]
    paths = [media.path for media in media_playlists(ladder.profile)]
    wait_for(
        "all renditions to be at the same segment",
        lambda: len({ladder.playlist(path).segments[-1].uri for path in paths}) == 1,
    )


def test_the_access_log_that_a_profile_asks_for(origins: dict[str, Playing]) -> None:
    origin = origins["logged"]
    log = origin.run / "access.json"
    assert f"Requests are logged in {log}\n" in origin.out
    line = json.loads(log.read_text().splitlines()[0])
    assert line["request_time"] >= 0


def test_a_killed_encoder_of_a_ladder_carries_on(origins: dict[str, Playing]) -> None:
    """Numbers go on behind a discontinuity, in fragmented MP4 as well, and nothing piles up."""
    origin = origins["audio-group in fmp4"]
    paths = [media.path for media in media_playlists(origin.profile)]
    before = {path: origin.playlist(path).segments[-1].uri for path in paths}
    for pid in encoders_of(origin):
        os.kill(pid, signal.SIGKILL)

    def discontinued() -> bool:
        return all(
            any(item.discontinuity for item in origin.playlist(path).segments[2:]) for path in paths
        )

    wait_for("new segments", discontinued, timeout_seconds=30)
    for path in paths:
        numbers = [
            int(re.findall(r"segment-(\d+)", item.uri)[0])
            for item in origin.playlist(path).segments
        ]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert numbers[-1] > number(before[path])


def number(uri: str) -> int:
    return int(re.findall(r"segment-(\d+)", uri)[0])


def encoders_of(origin: Playing) -> list[int]:
    """Processes of ffmpeg that write an origin's segments."""
    media = str((origin.run / "media").resolve())
    found = []
    for directory in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            words = (directory / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if Path(words[0]).name == "ffmpeg" and words[-2].startswith(media):
                found.append(int(directory.name))
    assert len(found) == 1
    return found


def test_status_tells_of_every_origin(origins: dict[str, Playing]) -> None:
    told = next(iter(origins.values())).place.done("origin", "status").out
    for origin in origins.values():
        assert f"test origin {origin.profile.name} at {origin.url}" in told
    assert "playlist: 0 segments" not in told
