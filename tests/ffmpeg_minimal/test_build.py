"""The minimal ffmpeg: built from Debian's source, found by runs, and able to play all of HLS."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hlsswarm.errors import PreflightError
from hlsswarm.ffmpeg_minimal import build as built
from hlsswarm.ffmpeg_minimal.debian import NotFetchedError, machines_suite
from hlsswarm.programs import is_ours_alone
from hlsswarm.telemetry.ffmpeg_program import find_client_ffmpeg, find_ffmpeg
from tests.ffmpeg_minimal.conftest import CACHE
from tests.support import Origin, Place, origin


@pytest.fixture(scope="module")
def stream(here: Place) -> Iterator[Origin]:
    with origin(here) as made:
        yield made


def test_a_second_build_is_not_needed(here: Place, program: Path) -> None:
    done = here.done("ffmpeg", "build")
    assert done.out.splitlines() == [
        "It is built already.",
        f"Clients get it from now on: {program}",
    ]


def test_runs_take_it_by_themselves_and_say_so(here: Place, program: Path, stream: Origin) -> None:
    words = ("--clients", "3", "--duration", "6s", "--metrics", "off")
    done = here.done("run", *words, "--json", "minimal.json", "--user-agent", "mini", stream.url)
    assert "(minimal)" in done.out.splitlines()[0]
    summary = json.loads((here.root / "minimal.json").read_text())
    assert summary["verdict"] == "healthy"
    # What it tells is understood as Debian's is: every request that nginx logged was counted.
    logged = stream.requests("mini/client")
    segments = [line for line in logged if line.is_segment]
    assert summary["segments"]["requests"] == len(segments) > 0
    assert (
        abs(summary["segments"]["bytes"] - sum(line.body_bytes for line in segments))
        <= 0.02 * (summary["segments"]["bytes"])
    )


def test_its_lines_tell_when_they_were_said_by_our_own_clock(program: Path) -> None:
    words = [str(program), "-hide_banner", "-nostdin", "-loglevel", "repeat+level+verbose"]
    before = time.monotonic()
    done = subprocess.run(
        [*words, "-i", "http://127.0.0.1:1/x.m3u8"], capture_output=True, check=False
    )
    stamps = [int(stamp) / 1e6 for stamp in re.findall(rb"\[\w+ (\d+)\] ", done.stderr)]
    assert len(stamps) == done.stderr.count(b"\n") > 1
    told = [before, *stamps, time.monotonic()]
    assert told == sorted(told)


def test_each_line_that_it_logs_is_one_write(program: Path) -> None:
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # a packet is a write
    words = [str(program), "-hide_banner", "-nostdin", "-loglevel", "repeat+level+verbose"]
    with ours, its:
        done = subprocess.run(
            [*words, "-i", "http://127.0.0.1:1/x.m3u8"], stderr=its.fileno(), check=False
        )
        its.close()
        writes = []
        while packet := ours.recv(65536):
            writes.append(packet)
    assert done.returncode != 0
    assert any(line.startswith(b"[tcp @ ") and b"] [verbose " in line for line in writes)
    assert [line for line in writes if not line.endswith(b"\n")] == []


def test_another_may_be_named(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HLSSWARM_CACHE_DIR", str(CACHE))
    assert find_client_ffmpeg("auto").minimal
    assert find_client_ffmpeg(None).path == program
    named = find_client_ffmpeg("ffmpeg")
    assert (named.minimal, named.path) == (False, find_ffmpeg(None).path)


def test_the_doctor_recommends_it_until_it_is_there(here: Place, program: Path) -> None:
    empty = {"HLSSWARM_CACHE_DIR": str(here.root / "empty")}
    assert "hlsswarm ffmpeg build" in here.run("doctor", "--clients", "1", env=empty).out
    there = here.run("doctor", "--clients", "1").out
    assert "(minimal)" in there
    assert "hlsswarm ffmpeg build" not in there


def test_what_others_could_have_written_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "a" / "b" / "ffmpeg"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("#!/bin/sh\n")
    theirs.chmod(0o755)
    tmp_path.chmod(0o755)
    monkeypatch.setenv("HLSSWARM_FFMPEG_MINIMAL", str(theirs))
    assert is_ours_alone(theirs)
    theirs.parent.chmod(0o777)
    assert not is_ours_alone(theirs)
    assert find_client_ffmpeg(None).path == find_ffmpeg(None).path
    theirs.parent.chmod(0o755)
    os.chown(theirs, 12345, 12345)
    assert not is_ours_alone(theirs)


def test_the_options_can_be_read_by_others(here: Place) -> None:
    lines = here.done("ffmpeg", "options").out.splitlines()
    assert lines == built.options()
    assert "--enable-muxer=null" in lines
    assert all(line.startswith("--") for line in lines)


def test_a_machine_without_the_library_gets_the_command(
    here: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(built, "_HEADER", tmp_path / "missing.h")
    with pytest.raises(PreflightError) as told:
        built._check_tools()
    assert told.value.hint is not None
    assert "libmbedtls-dev" in told.value.hint


def test_another_system_than_debian_says_so() -> None:
    assert machines_suite('ID=debian\nVERSION_CODENAME="bookworm"\n') == "bookworm"
    with pytest.raises(NotFetchedError, match="no Debian"):
        machines_suite("ID=nixos\nVERSION_CODENAME=x\n")
