"""Classes of errors, held against what real ffmpeg 5.1, 7.1 and 9.0 have said.

`ffmpeg_complaints.txt` has, by case and version, each kind of line that a real client printed from
level warning on, in the order of its first appearance: made against a server on the loopback that
misbehaves as the case's name says, with the reconnect options of our own client command and
`-rw_timeout` of 2 s. The captures of the log parser are read as well.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.error_classes import CLASSES, Failures, classify, describe

HERE = Path(__file__).parent
CAPTURES = sorted((HERE.parent / "telemetry" / "captures").glob("*.log"))
_LINE = re.compile(r"(?:\[[^\]]*\] )?\[(warning|error|fatal|panic)\] (.*)")
VERSIONS = ("5.1", "7.1", "9.0")


def complaints(text: str) -> Iterator[tuple[str, str]]:
    """Level and message of each line of trouble."""
    for line in re.split(r"[\r\n]+", text):
        if match := _LINE.match(line):
            yield match[1], match[2]


def cases() -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Lines by case and version."""
    found = {}
    for block in (HERE / "ffmpeg_complaints.txt").read_text().split("=== ")[1:]:
        head, _, text = block.partition("\n")
        name, version = head.split()
        lines = {re.sub(r"\d{2,}", "N", line): (level, line) for level, line in complaints(text)}
        found[name, version] = list(lines.values())
    return found


CASES = cases()
# Of each case, the classes that are counted; by version where the versions tell different things.
WANTED: dict[str, dict[str, set[str]] | set[str]] = {
    "refused": {"refused"},
    "connect-timeout": {"timeout"},
    "silent": {"5.1": set(), "7.1": set(), "9.0": {"timeout"}},  # ended before it gave up
    "dns": {"dns"},
    "tls-verify": {"tls"},
    "tls-to-plain": {"tls"},
    "plain-to-tls": {"reset"},
    **{f"st{code}": {f"http_{code}"} for code in (400, 401, 403, 404, 410, 429)},
    **{f"st{code}": {f"http_{code}"} for code in (500, 502, 503, 504)},
    "closed": {"reset"},
    "reset": {"reset"},
    "nonsense": {"reset"},
    "html": {"unparsable_playlist"},
    "empty": {"unparsable_playlist"},
    "head": {"unparsable_playlist"},
    "loop": {"other"},
    "shortpl": {"premature_end"},
    "live-ok": set(),
    "live-s404": {"http_404"},
    "live-s503": {"http_503"},
    "live-scut": {"premature_end"},
    "live-ssilent": {
        "5.1": {"unexplained", "segments_expired"},
        "7.1": {"unexplained", "segments_expired"},
        "9.0": {"timeout", "segments_expired"},
    },
    "live-sreset": set(),
    "live-sjunk": {"unparsable_segment"},
    "live-shang": {"segments_expired"},
    "live-mid404": {"http_404"},
    "live-stale": set(),
    "live-goes404": {"http_404"},
    "live-goeshtml": {"unexplained"},
    "live-goesgone": {"5.1": {"unexplained"}, "7.1": {"unexplained"}, "9.0": {"reset"}},
    "live-goessilent": {"5.1": {"unexplained"}, "7.1": {"unexplained"}, "9.0": {"timeout"}},
    "live-back": {"playlist_stale"},
}


def counted(lines: list[tuple[str, str]]) -> Counter[str]:
    """Failures of a process with these lines, by class."""
    failures = Failures()
    found = (failures.line(text, level=level) for level, text in lines)
    return Counter(name for name in found if name is not None)


def test_every_case_is_there_for_every_version() -> None:
    assert set(CASES) == {(name, version) for name in WANTED for version in VERSIONS}


@pytest.mark.parametrize(("name", "version"), sorted(CASES))
def test_what_ffmpeg_says_is_put_into_words(name: str, version: str) -> None:
    wanted = WANTED[name]
    if isinstance(wanted, dict):
        wanted = wanted[version]
    # Each kind of line is there once, so each failure has to be counted once.
    assert counted(CASES[name, version]) == Counter(wanted)


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_captures_have_the_failures_that_they_were_made_with(path: Path) -> None:
    lines = list(complaints(path.read_text(errors="replace")))
    found = counted(lines)
    told = sum(text.startswith("HTTP error 404") for _, text in lines)
    scenario = path.stem.partition("-")[2].rpartition("-")[0]
    if scenario == "broken":
        assert found == {"unparsable_playlist": 1}
    else:
        assert found == ({"http_404": told} if told else {})
        assert bool(told) == (scenario in {"faults", "missing"})


@pytest.mark.parametrize(
    "text",
    [
        "Packet corrupt (stream = 0, dts = 207000).",
        "corrupt input packet in stream 0",
        "http://127.0.0.1:1/a.m3u8: corrupt input packet in stream 0",
        "http://127.0.0.1:1/a.m3u8: Immediate exit requested",
        "Application provided invalid, non monotonically increasing dts to muxer in stream 0",
        "Non-monotonous DTS in output stream 0:0; previous: 5, current: 5; changing to 6.",
        "Non-monotonic DTS; previous: 5, current: 5; changing to 6.",
        "deprecated pixel format used, make sure you did set range correctly",
        "Will reconnect at 0 in 1 second(s).",
        "Will reconnect at 8 in 0 second(s), error=Input/output error.",
        "Found duplicated MOOV Atom. Skipped it",
        "timestamp discontinuity (stream id=0): -1000000, new offset= 1000000",
        "error while decoding MB 5 4",
        "Error opening input file http://127.0.0.1:1/decoder/a.m3u8.",
        "Error opening input files: Connection refused",
    ],
)
def test_what_is_no_failure_has_no_class(text: str) -> None:
    for level in ("warning", "error", "fatal"):
        assert classify(text, level=level) is None
        assert Failures().line(text, level=level) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Connection to tcp://10.0.0.1:80 failed: No route to host", "unreachable"),
        ("Connection to tcp://10.0.0.1:80 failed: Network is unreachable", "unreachable"),
        ("Connection to tcp://10.0.0.1:80 failed: Cannot assign requested address", "own_side"),
        ("Failed to resolve hostname decoder.test: System error", "dns"),
        ("The certificate's owner does not match hostname origin.test", "tls"),
        ("error:0A000086:SSL routines::certificate verify failed", "tls"),
        ("Error in the pull function.", "tls"),
        ("Too many open files", "own_side"),
        ("/opt/ffmpeg: error while loading shared libraries: libx.so: not found", "own_side"),
        ("Unrecognized option 'seg_max_retry'.", "other"),
    ],
)
def test_lines_that_the_lab_did_not_make(text: str, name: str) -> None:
    assert classify(text) == name


def test_a_known_status_decides() -> None:
    assert classify("Failed to open segment 4 of playlist 0", 404) == "http_404"
    assert classify("Packet corrupt (stream = 0, dts = 1).", 503) == "http_503"


def test_an_unknown_warning_is_no_failure_and_an_unknown_error_is_one() -> None:
    assert classify("something new", level="warning") is None
    assert classify("something new", level="fatal") == "other"


def test_two_failures_with_their_causes_are_two() -> None:
    failures = Failures()
    lines = ["HTTP error 404 Not Found", "Failed to open segment 4 of playlist 0"] * 2
    lines += ["Failed to open segment 6 of playlist 0"]
    found = [failures.line(text, level="warning") for text in lines]
    assert found == ["http_404", None, "http_404", None, "unexplained"]


@given(st.text(max_size=300), st.sampled_from(["warning", "error", "fatal", "panic"]))
def test_any_line_has_a_class_in_words_or_none(text: str, level: str) -> None:
    for found in (classify(text, level=level), Failures().line(text, level=level)):
        assert found is None or found in CLASSES or re.fullmatch(r"http_\d{3}", found)
        assert found is None or describe(found)


def test_classes_are_told_in_words() -> None:
    assert describe("refused") == "the connection was refused"
    assert describe("http_404") == "the origin answered with HTTP status 404"
    assert describe("of a later version") == "of a later version"
