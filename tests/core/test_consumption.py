"""What was received: frames are counted, steps of time stamps that are too long are gaps."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.consumption import LEAD_FRAMES, Consumed, Frame, Reception, document, table


def received(seconds: list[float], *, arrivals: list[float] | None = None) -> Reception:
    reception = Reception()
    for index, time in enumerate(seconds):
        reception.take(Frame(time, 100, arrivals[index] if arrivals else 1000 + time))
    reception.settle()
    return reception


def test_nothing_is_no_rate() -> None:
    empty = Reception()
    assert (empty.fps, empty.received_fps, empty.frame_seconds, empty.gaps) == (None,) * 3 + ([],)
    one = received([5.0])
    assert (one.frames, one.fps, one.received_fps, one.gaps) == (1, None, None, [])


def test_a_steady_stream_has_no_gap() -> None:
    # 30 frames a second, rounded to the milliseconds that FLV and Matroska have.
    reception = received([round(n / 30, 3) for n in range(300)])
    assert reception.frames == 300
    assert reception.size_bytes == 30_000
    assert abs((reception.fps or 0) - 30) < 0.01
    assert (reception.gaps, reception.backwards) == ([], 0)


@given(st.integers(5, 120), st.sets(st.integers(10, 180), max_size=5), st.integers(200, 400))
def test_missing_frames_are_gaps(fps: int, missing: set[int], frames: int) -> None:
    seconds = [n / fps for n in range(frames) if n not in missing]
    gaps = received(seconds).gaps
    runs = sum(1 for n in missing if n - 1 not in missing)
    assert len(gaps) == runs
    assert gaps == sorted(gaps, reverse=True)


def test_time_that_runs_backwards_is_told_and_is_no_gap() -> None:
    once = [n / 25 for n in range(50)]
    reception = received([*once, *once, *once])
    assert reception.backwards == 2
    assert reception.gaps == []
    assert abs((reception.fps or 0) - 25) < 0.001
    assert received([*once, once[-1], 2.0]).backwards == 1


def test_the_first_times_are_not_looked_at() -> None:
    reception = received([0.0] * LEAD_FRAMES + [50 + n / 25 for n in range(50)])
    assert (reception.frames, reception.gaps, reception.backwards) == (50 + LEAD_FRAMES, [], 0)


def test_frames_in_the_order_of_decoding_are_shown_in_theirs() -> None:
    order = [time / 25 for n in range(0, 400, 4) for time in (n + 4, n + 2, n + 1, n + 3)]
    reception = received([0.0, *order])
    assert (reception.gaps, reception.backwards) == ([], 0)
    assert abs((reception.fps or 0) - 25) < 0.001


def test_arrivals_are_another_matter_than_time_stamps() -> None:
    seconds = [n / 25 for n in range(50)]
    reception = received(seconds, arrivals=[10.0] * 25 + [12.0] * 25)
    assert reception.longest_arrival_gap_seconds == 2.0
    assert reception.gaps == []
    assert reception.received_fps == 49 / 2


@given(st.lists(st.floats(-1e9, 1e9), max_size=300))
def test_whatever_the_time_stamps_the_result_can_be_told(seconds: list[float]) -> None:
    reception = received(seconds)
    consumed = Consumed(url="rtsp://h/a", unit="u", reception=reception, first_frame_seconds=None)
    told = document([consumed], seconds=1.0, interrupted=False, about={"ffmpeg": "5.1"})
    read = json.loads(json.dumps(told, allow_nan=False))
    assert read["schema"] == "hlsswarm.consume/1"
    assert read["streams"][0]["frames"] == len(seconds)
    assert "rtsp://h/a" in table([consumed])


def test_many_different_steps_are_bounded() -> None:
    time, seconds = 0.0, []
    for n in range(20_000):
        time += 0.04 + n * 1e-6
        seconds.append(time)
    reception = received(seconds)
    assert len(reception._steps) < 4200
    assert reception.frames == 20_000


def test_a_stream_is_well_when_frames_came_to_the_end() -> None:
    steady = received([0, 0.04, 0.08])
    good = Consumed(url="a", unit="u", reception=steady, first_frame_seconds=0.5)
    cut = Consumed(url="a", unit="u", reception=steady, first_frame_seconds=0.5, error="ended")
    silent = Consumed(url="a", unit="u", reception=Reception(), first_frame_seconds=None)
    assert [one.well for one in (good, cut, silent)] == [True, False, False]
    assert "✗ a: ended" in table([good, cut])
