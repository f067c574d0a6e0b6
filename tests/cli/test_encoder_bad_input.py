"""Bad input of `encoder` and `logs`: one sentence, a hint, and nothing left behind."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from hlsswarm.core.inputs import INPUT_HINT
from tests.cli.test_bad_input import PREFLIGHT, USAGE, Case, Outcomes, Surroundings
from tests.support import bad_server

NAME_HINT = "Give lower-case words with / between, such as cam1 or live/cam1."
LAVFI = ("--input", "lavfi:testsrc2")


def start(name: str, sentence: str, hint: str, *words: str, status: int = USAGE) -> Case:
    """A case of `hlsswarm encoder start x`."""
    return Case(name, ("encoder", "start", "x", *words), status, sentence, hint)


def value(flag: str, text: str, wanted: str) -> Case:
    """A setting's value that cannot be read."""
    return start(
        f"{flag} {text}", f"{flag} {text!r} cannot be read.", f"Give {wanted}.", *LAVFI, flag, text
    )


CASES = (
    start("no input", "--input is missing.", "Say what to encode, such as --input lavfi:testsrc2."),
    start("empty input", "The input is empty.", INPUT_HINT, "--input", ""),
    start(
        "unknown scheme",
        "'gopher://h/x' is no input that can be read here.",
        INPUT_HINT,
        "--input",
        "gopher://h/x",
    ),
    start(
        "missing file",
        "There is no file {root}/clip.mp4.",
        "A relative path is taken from here. The input was 'clip.mp4'.",
        "--input",
        "clip.mp4",
        status=PREFLIGHT,
    ),
    start(
        "directory",
        "{root}/old is a directory.",
        "Give a file in it.",
        "--input",
        "old",
        status=PREFLIGHT,
    ),
    start(
        "missing device node",
        "There is no device /dev/video77.",
        "A relative path is taken from here. The input was 'v4l2:/dev/video77'.",
        "--input",
        "v4l2:/dev/video77",
        status=PREFLIGHT,
    ),
    start(
        "missing graphics processor",
        "h264_nvenc needs the device /dev/nvidia0, which is not there.",
        "Use --codec libx264, or give this machine (or container) the device.",
        *LAVFI,
        "--codec",
        "h264_nvenc",
        status=PREFLIGHT,
    ),
    start(
        "ffmpeg that is none",
        "{root}/text cannot be run: Exec format error.",
        "Name another with --ffmpeg PATH.",
        *LAVFI,
        "--ffmpeg",
        "{root}/text",
        status=PREFLIGHT,
    ),
    start(
        "media below a file",
        "Nothing can be written below {root}/text.",
        "Choose with --media.",
        *LAVFI,
        "--media",
        "text/media",
        status=PREFLIGHT,
    ),
    start(
        "media with a pattern",
        "ffmpeg cannot write HLS below a directory with '%': {root}/50%",
        "Choose another with --media.",
        *LAVFI,
        "--media",
        "50%",
        status=PREFLIGHT,
    ),
    Case(
        "name",
        ("encoder", "start", "../x", *LAVFI),
        USAGE,
        "'../x' cannot be the name of an encoder.",
        NAME_HINT,
    ),
    Case(
        "two names",
        ("encoder", "start", "a", "b", *LAVFI),
        USAGE,
        "`encoder start` needs the name of one encoder.",
        "Such as cam1 or live/cam1.",
    ),
    value("--size", "641x360", "1280x720, both even, or source"),
    value("--bitrate", "fast", "a bit rate such as 5M or 800k"),
    value("--segment-seconds", "0.5s", "a time from 1s to 60s"),
    value("--playlist-segments", "1", "a number from 2 to 1000"),
    value("--preset", "Fast!", "a word of lower-case letters, as ffmpeg has it"),
    Case(
        "stop of nothing",
        ("encoder", "stop"),
        USAGE,
        "Name the encoders to stop, or --all.",
        "`hlsswarm encoder list` shows them.",
    ),
    Case(
        "stop of one that is not there",
        ("encoder", "stop", "cam1"),
        USAGE,
        "No encoder cam1 runs.",
        "`hlsswarm encoder list` shows them.",
    ),
    Case(
        "path of one that is not there",
        ("encoder", "path", "cam1"),
        USAGE,
        "No encoder cam1 runs.",
        "`hlsswarm encoder start NAME --input SPEC`",
    ),
    Case(
        "log of nothing",
        ("logs", "cam1"),
        USAGE,
        "Nothing of hlsswarm is named 'cam1'.",
        "Nothing runs.",
    ),
    Case(
        "lines",
        ("logs", "cam1", "-n", "-3"),
        USAGE,
        "--lines -3 cannot be shown.",
        "Give 0 to 100000.",
    ),
)


@pytest.fixture(scope="module")
def outcomes() -> Iterator[Outcomes]:
    with (
        bad_server() as server,
        socket.create_server(("127.0.0.1", 0)) as busy,
        ThreadPoolExecutor(2) as pool,
    ):
        surroundings = Surroundings(server, busy.getsockname()[1])
        yield {case.name: pool.submit(surroundings.carry_out, case) for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input(outcomes: Outcomes, case: Case) -> None:
    finished, sentence, hint, new = outcomes[case.name].result()
    assert finished.err == f"hlsswarm: {sentence}\n  Hint: {hint}\n"
    assert finished.status == case.status
    assert finished.out == ""
    assert new == []
