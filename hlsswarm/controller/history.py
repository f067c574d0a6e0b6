"""Totals of the last five minutes, once a second, for rates over several windows. No I/O."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

WINDOWS_SECONDS = {"1s": 1.0, "30s": 30.0, "60s": 60.0, "5m": 300.0}


@dataclass(frozen=True)
class Moment:
    """Totals since the run began, at a time of the loop's clock in seconds."""

    at: float
    received_bytes: int
    requests: dict[str, int]
    failed: int
    cpu_seconds: float


@dataclass
class History:
    """The moments that the longest window needs."""

    moments: deque[Moment] = field(default_factory=deque)

    def add(self, moment: Moment) -> None:
        """A new moment; those too old for any window go."""
        self.moments.append(moment)
        oldest = moment.at - max(WINDOWS_SECONDS.values()) - 1
        while self.moments[0].at < oldest:
            self.moments.popleft()

    def since(self, seconds: float) -> tuple[Moment, Moment]:
        """The last moment, and the newest that is at least `seconds` older (else the first)."""
        last = self.moments[-1]
        limit = last.at - seconds + 0.2  # samples are a second apart, give or take
        for moment in reversed(self.moments):
            if moment.at <= limit:
                return moment, last
        return self.moments[0], last

    def throughput(self) -> dict[str, float]:
        """Bytes per second over each window that the run is long enough for."""
        result: dict[str, float] = {}
        age = self.moments[-1].at - self.moments[0].at
        previous = 0.0
        for name, seconds in WINDOWS_SECONDS.items():
            if age <= previous and result:
                break
            then, now = self.since(seconds)
            span = max(now.at - then.at, 1e-3)
            result[name] = (now.received_bytes - then.received_bytes) / span
            previous = seconds
        return result

    def rates(self) -> dict[str, float]:
        """Requests per second by kind over the last second, and `failed`."""
        then, now = self.since(1.0)
        span = max(now.at - then.at, 1e-3)
        result = {
            kind: (count - then.requests.get(kind, 0)) / span
            for kind, count in now.requests.items()
        }
        result["failed"] = (now.failed - then.failed) / span
        return result

    def cpu_share(self) -> float:
        """Share of one processor that the controller took over the last seconds."""
        then, now = self.since(5.0)
        return (now.cpu_seconds - then.cpu_seconds) / max(now.at - then.at, 1e-3)
