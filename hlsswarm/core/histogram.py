"""Durations in buckets of fixed, equal ratio: small, exact to 1 %, and mergeable without loss.

Two histograms of the same ratio have the same bucket borders, so the histogram of many clients,
or of many hosts, is the sum of theirs: its percentiles are those of all values together, never
a percentile of percentiles.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

RATIO = 1.02
"""Upper border of a bucket over its lower: a value is known to ±1 %."""
_SCALE = 1 / math.log(RATIO)
_SMALLEST_SECONDS = 1e-6


class LogHistogram:
    """Counts of positive values (seconds). Values below a microsecond count as one."""

    __slots__ = ("_buckets", "count", "maximum", "minimum", "total")

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self.count = 0
        self.total = 0.0
        self.minimum = math.inf
        self.maximum = 0.0

    def add(self, seconds: float, times: int = 1) -> None:
        """Take in a value, `times` times."""
        value = max(seconds, _SMALLEST_SECONDS)
        index = math.ceil(math.log(value) * _SCALE)
        self._buckets[index] = self._buckets.get(index, 0) + times
        self.count += times
        self.total += value * times
        self.minimum = min(self.minimum, value)
        self.maximum = max(self.maximum, value)

    def merge(self, other: LogHistogram) -> None:
        """Take in all values of another histogram."""
        for index, times in other._buckets.items():
            self._buckets[index] = self._buckets.get(index, 0) + times
        self.count += other.count
        self.total += other.total
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)

    @property
    def mean(self) -> float:
        """Arithmetic mean; 0 of nothing."""
        return self.total / self.count if self.count else 0.0

    def quantile(self, share: float) -> float:
        """The value that `share` (0 to 1) of all values do not exceed, within 1 %; 0 of nothing."""
        if not self.count:
            return 0.0
        rank = max(1, math.ceil(share * self.count))
        seen = 0
        for index in sorted(self._buckets):
            seen += self._buckets[index]
            if seen >= rank:
                middle = math.exp((index - 0.5) / _SCALE)
                return min(max(middle, self.minimum), self.maximum)
        return self.maximum

    def cumulative(self, borders: Iterable[float]) -> list[int]:
        """How many values do not exceed each border (Prometheus' buckets), within 1 % of it."""
        ordered = sorted(self._buckets.items())
        result = []
        for border in borders:
            limit = math.log(border) * _SCALE + 1e-9
            result.append(sum(times for index, times in ordered if index - 0.5 <= limit))
        return result

    def as_dict(self) -> dict[str, Any]:
        """A JSON document from which the histogram can be made again."""
        return {
            "ratio": RATIO,
            "count": self.count,
            "sum": self.total,
            "min": self.minimum if self.count else None,
            "max": self.maximum if self.count else None,
            "buckets": {str(index): self._buckets[index] for index in sorted(self._buckets)},
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> LogHistogram:
        """The histogram of such a document. Raises ValueError for one of another ratio."""
        if document["ratio"] != RATIO:
            raise ValueError(f"histogram of ratio {document['ratio']}, not {RATIO}")
        made = cls()
        made._buckets = {int(index): int(n) for index, n in document["buckets"].items()}
        made.count = int(document["count"])
        made.total = float(document["sum"])
        if made.count:
            made.minimum, made.maximum = float(document["min"]), float(document["max"])
        return made

    def statistics(self) -> dict[str, float]:
        """What a summary tells: count, mean, p50, p95, p99 and max, in seconds."""
        return {
            "count": self.count,
            "mean": self.mean,
            "p50": self.quantile(0.50),
            "p95": self.quantile(0.95),
            "p99": self.quantile(0.99),
            "max": self.maximum,
        }
