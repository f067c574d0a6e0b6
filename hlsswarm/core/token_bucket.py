"""How often something may happen: so many times at once, then so many times a second.

tokens  burst ┤╲      ╱ per_second
              │ ╲ ╱╲ ╱
            0 ┼──────────► time          each event takes one; where there is none, it waits not,
                                         it is left out, and counted
"""

from __future__ import annotations


class TokenBucket:
    """`burst` tokens, filled up at `per_second`; times are seconds of any clock that runs on."""

    def __init__(self, *, burst: float, per_second: float) -> None:
        if burst < 1 or per_second <= 0:
            raise ValueError("a bucket that lets nothing through")
        self._burst = float(burst)
        self._per_second = per_second
        self._tokens = self._burst
        self._at: float | None = None
        self.left_out = 0
        """Refused since told() last said how many."""

    def take(self, now: float) -> bool:
        """Whether it may happen now."""
        self._fill(now)
        if self._tokens < 1:
            self.left_out += 1
            return False
        self._tokens -= 1
        return True

    def _fill(self, now: float) -> None:
        if self._at is not None:
            gained = max(0.0, now - self._at) * self._per_second
            self._tokens = min(self._burst, self._tokens + gained)
        self._at = now

    def is_full(self, now: float) -> bool:
        """Whether a new bucket would do as well."""
        self._fill(now)
        return self._tokens >= self._burst and not self.left_out

    def told(self) -> int:
        """How many were left out since the last call."""
        count, self.left_out = self.left_out, 0
        return count
