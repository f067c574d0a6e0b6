"""What became of streams: uptime, restarts, what units used; limits of the machine."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.publish_report import (
    MachineUse,
    PublishLimits,
    StreamRecord,
    document,
    status_line,
    table,
)

IDLE = MachineUse(10.0, 20.0)


def record() -> StreamRecord:
    made = StreamRecord("a", "rtsp://h/a", started=True)
    made.process_started(100.0)
    return made


def test_a_stream_is_up_while_frames_leave_it() -> None:
    one = record()
    assert not one.is_up(100.1)
    assert one.is_starting(100.1)
    for n in range(1, 21):
        one.progressed(15 * n, 1.0, 100 + n / 2)
    assert one.is_up(110.1)
    assert one.uptime_seconds == 9.5
    assert one.first_frame_seconds == 0.5
    assert one.frames == 300
    one.progressed(300, 1.0, 115.5)  # the process lives, and nothing leaves it
    assert not one.is_up(115.5)
    assert not one.is_starting(115.5)


def test_a_restart_is_counted_and_the_time_between_is_not() -> None:
    one = record()
    one.progressed(30, None, 101.0)
    one.progressed(60, None, 102.0)
    one.process_ended()
    one.failed("SIGKILL", "was killed by SIGKILL: no message")
    assert not one.is_up(102.1)
    one.process_started(104.0)
    one.progressed(30, None, 105.0)
    one.progressed(60, None, 106.0)
    assert (one.restarts, one.frames, one.uptime_seconds) == (1, 120, 2.0)
    assert one.is_well(106.5)
    assert "1 × SIGKILL" in table([one], now=106.5)


@given(st.lists(st.floats(0, 1e6), max_size=20))
def test_processor_time_adds_up_over_cgroups(samples: list[float]) -> None:
    one = record()
    for sample in samples:
        one.used(sample, None)
    followers = [*samples[1:], -1.0]
    peaks = [a for a, b in zip(samples, followers, strict=False) if b < a]
    assert one.cpu_seconds == pytest.approx(sum(peaks))


def test_what_is_not_accounted_is_left_out() -> None:
    one = record()
    one.used(None, None)
    assert (one.cpu_seconds, one.memory_peak_bytes) == (0.0, None)
    one.used(1.0, 5)
    one.used(2.0, 3)
    assert (one.cpu_seconds, one.memory_peak_bytes) == (2.0, 5)


@pytest.mark.parametrize(
    ("running", "use", "words"),
    [
        (3, IDLE, None),
        (4, IDLE, "--max-streams 4 is reached"),
        (0, MachineUse(10, 80.5), "--max-memory-percent 80"),
        (0, MachineUse(90.5, 10), "--max-cpu-percent 90"),
    ],
)
def test_limits(running: int, use: MachineUse, words: str | None) -> None:
    refusal = PublishLimits(max_streams=4).refusal(running, use)
    assert refusal is None if words is None else refusal is not None and words in refusal


def test_the_report_counts_and_can_be_read() -> None:
    up, out = record(), StreamRecord("b", "rtsp://h/b")
    up.progressed(30, 1.0, 101.0)
    told = json.loads(json.dumps(document([up, out], now=101.0, seconds=1.0, about={"run": "abc"})))
    assert told["schema"] == "hlsswarm.publish/1"
    assert told["totals"]["up"] == told["totals"]["started"] == 1
    assert [stream["up"] for stream in told["streams"]] == [True, False]
    text = table([up, out], now=101.0)
    assert "up" in text
    assert "not started" in text
    line = status_line([up, out], IDLE, now=101.0, seconds=1.0, memory_bytes=10**7, cpu_share=0.5)
    assert line == (
        "[    1s] up:1/2  down:0  restarts:0  publishers:0.50 CPU, 10 MB"
        "  machine:10% CPU, 20% memory"
    )
