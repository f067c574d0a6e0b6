"""Lines that tell when they were said: however late they are read, times are those of the lines."""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path

import pytest

from hlsswarm.telemetry.client import ClientTelemetry, TelemetryTotals
from hlsswarm.telemetry.parser import FFmpegLogParser, Measure
from hlsswarm.telemetry.server import TelemetryServer
from tests.telemetry.test_parser import CAPTURES, FIRST, NAMES, Recorder, opening, statistics
from tests.units.live import short_directory

LEVEL = re.compile(rb"\[(info|verbose|debug|warning|error|fatal|panic)\] ")
LATE = 1e6


def stamped(line: bytes, seconds: float) -> bytes:
    return LEVEL.sub(rb"[\1 %d] " % round(seconds * 1e6), line, count=1)


@pytest.mark.parametrize("capture", CAPTURES, ids=NAMES)
def test_a_stamped_log_read_late_says_what_one_read_at_once_does(capture: Path) -> None:
    measure: Measure = "light" if "light" in capture.stem else "exact"
    lines = capture.with_suffix(".log").read_bytes().replace(b"\r", b"\n").splitlines(keepends=True)
    at_once, late = Recorder(), Recorder()
    parser = FFmpegLogParser(at_once, measure=measure)
    for second, line in enumerate(lines):
        parser.feed(line, float(second))
    other = FFmpegLogParser(late, measure=measure)
    other.feed(b"".join(stamped(line, n) for n, line in enumerate(lines)), LATE)
    assert late.calls == at_once.calls
    assert (other.lines, other.recognised) == (parser.lines, parser.recognised)


def test_no_time_is_before_the_start_or_after_the_reading_and_none_goes_back() -> None:
    sink = Recorder()
    parser = FFmpegLogParser(sink, began=100.0)
    said = [(90.0, FIRST[0]), (103.0, FIRST[1]), (102.0, statistics(1)), (999.0, opening("u.m3u8"))]
    parser.feed(b"".join(stamped(line.encode(), at) + b"\n" for at, line in said), 105.0)
    assert [call[1] for call in sink.of("started")] == [100.0, 105.0]
    assert sink.of("finished")[0][1:3] == (100.0, 103.0)


class Everybody:
    """An observer to whom every connection is one client's."""

    def __init__(self, totals: TelemetryTotals) -> None:
        self.client = ClientTelemetry(totals)

    def telemetry_of(self, unit: str) -> ClientTelemetry:
        return self.client

    def process_started(self, unit: str, pid: int) -> None:
        """Of no interest here."""

    process_goes_on = process_ended = process_started


def test_stamped_lines_are_gathered_and_others_read_at_once() -> None:
    async def scenario() -> None:
        totals = TelemetryTotals()
        with short_directory() as directory:
            server = TelemetryServer(directory / "s", totals, Everybody(totals), measure="exact")
            server.start()
            at_once = server.gather_seconds
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(server.path))
                for lines, line in enumerate((stamped(FIRST[0].encode(), 1.0), FIRST[1].encode())):
                    client.sendall(line + b"\n")
                    while totals.lines <= lines:
                        await asyncio.sleep(0.005)
                    assert (server.gather_seconds > at_once) == (lines == 0)
            server.close()
        assert at_once == 0.0

    asyncio.run(asyncio.wait_for(scenario(), 20))
