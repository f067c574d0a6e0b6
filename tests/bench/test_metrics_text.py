"""Quantiles from a scraped histogram."""

from __future__ import annotations

import pytest

from bench.metrics_text import quantile

PAGE = """\
# TYPE x_seconds histogram
x_seconds_bucket{le="0.1"} 10.0
x_seconds_bucket{le="0.2"} 30.0
x_seconds_bucket{le="+Inf"} 40.0
x_seconds_count 40.0
y_seconds_bucket{le="+Inf"} 0.0
"""


def test_even_within_a_bucket() -> None:
    """As Prometheus has it; above the last bound there is only the bound."""
    assert quantile(PAGE, "x_seconds", 0.5) == pytest.approx(0.15)
    assert quantile(PAGE, "x_seconds", 0.25) == pytest.approx(0.1)
    assert quantile(PAGE, "x_seconds", 0.99) == pytest.approx(0.2)


def test_of_nothing() -> None:
    """Empty, and not there."""
    assert quantile(PAGE, "y_seconds", 0.5) is None
    assert quantile(PAGE, "z_seconds", 0.5) is None
