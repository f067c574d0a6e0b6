"""Durations, sizes and shares: read as people write them, and written so that they can be read."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hlsswarm.core.quantities import (
    format_duration,
    format_size,
    parse_duration,
    parse_percent,
    parse_size,
)

NUMBERS = st.integers(0, 10_000)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30m", 1800),
        ("90s", 90),
        ("1.5h", 5400),
        ("200ms", 0.2),
        ("0.2s", 0.2),
        ("1h30m", 5400),
        ("1d2h3m4s5ms", 93784.005),
        ("0", 0),
        ("12", 12),
        ("2.5", 2.5),
        (" 5s ", 5),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "s", "-1s", "-1", "+1s", "1x", "1 s", "1m 2s", "1,5s", "1e3", "inf", "nan", "1s2",
        ".5s", "1S", "1min", "9" * 400, "1_0s", "1s\n2s", "--", "1..2s",
    ],
)  # fmt: skip
def test_these_are_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_parts_of_a_duration_add_up(d: int, h: int, m: int, s: int, ms: int) -> None:
    plain = d * 86400 + h * 3600 + m * 60 + s + ms / 1000
    assert parse_duration(f"{d}d{h}h{m}m{s}s{ms}ms") == pytest.approx(plain)


@given(st.floats(0, 1e9))
def test_a_duration_that_was_written_can_be_read(seconds: float) -> None:
    assume(seconds == 0 or seconds >= 1e-4)  # below, %g takes to exponents
    again = parse_duration(format_duration(seconds))
    # A short text: to a minute from an hour on, to a second from a minute on, else 3 digits.
    slack = 60 if seconds >= 3600 - 0.5 else 0.5 if seconds >= 59 else seconds * 0.005
    assert abs(again - seconds) <= slack + 1e-9


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.2, "0.2s"), (45, "45s"), (60, "1m"), (90, "1m30s"), (7500, "2h05m")],
)
def test_written_durations(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1048576", 1 << 20),
        ("512M", 512 << 20),
        ("2G", 2 << 30),
        ("1.5GiB", 3 << 29),
        ("1k", 1024),
        ("1KB", 1024),
        ("1T", 1 << 40),
        (" 7B ", 7),
    ],
)
def test_sizes_are_in_powers_of_1024_as_systemd_has_them(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "0.5", "-1M", "M", "1X", "1 M", "1e3", "inf", "9" * 400])
def test_these_are_no_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@given(st.integers(1, 1 << 60))
def test_whole_bytes_are_read_as_they_are(size: int) -> None:
    assert parse_size(str(size)) == pytest.approx(size, rel=1e-15)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (12_300_000, "12.3 MB")]
)
def test_written_sizes(size: float, text: str) -> None:
    assert format_size(size) == text


@given(st.floats(0, 1e15))
def test_a_written_size_is_short_and_near(size: float) -> None:
    number, unit = format_size(size).split()
    factor = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}[unit]
    assert float(number) * factor == pytest.approx(size, rel=0.006, abs=0.5)


@given(st.floats(0.001, 1e6))
def test_percent(share: float) -> None:
    text = f"{share:.6f}"
    assert parse_percent(text) == parse_percent(f"{text}%") == pytest.approx(float(text) / 100)


@pytest.mark.parametrize("text", ["", "0", "0%", "-5%", "%", "50%%", "half", "inf", "nan", "5 %"])
def test_these_are_no_shares(text: str) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        parse_percent(text)


@given(st.text())
def test_any_text_is_a_number_or_a_value_error(text: str) -> None:
    for parse in (parse_duration, parse_size, parse_percent):
        try:
            value = parse(text)
        except ValueError:
            continue
        assert math.isfinite(value)
        assert value >= 0
