"""What became of published streams: counted while they go, told at the end. Pure.

A stream is up while frames leave it: its process tells how many, twice a second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SCHEMA = "hlsswarm.publish/1"
STALLED_SECONDS = 5.0
"""A stream of which no frame has left for so long is not up."""


@dataclass
class StreamRecord:
    """One stream. Times are seconds of the caller's clock."""

    name: str
    url: str
    started: bool = False
    processes: int = 0
    connected: bool = False
    """Whether a process of it is there."""
    finished: bool = False
    """Whether it has played to its end, as it was to."""
    frames: int = 0
    uptime_seconds: float = 0.0
    first_frame_seconds: float | None = None
    slowest_speed: float | None = None
    errors: Counter[str] = field(default_factory=Counter)
    """How often a process has ended by itself, by exit status or signal."""
    last_error: str = ""
    cpu_seconds: float = 0.0
    memory_peak_bytes: int | None = None
    _process_at: float = 0.0
    _process_frames: int = 0
    _moved_at: float | None = None
    _cgroup_cpu_seconds: float = 0.0

    @property
    def restarts(self) -> int:
        """Processes beyond the first."""
        return max(0, self.processes - 1)

    def process_started(self, now: float) -> None:
        """A process has come."""
        self.processes += 1
        self.connected = True
        self._process_at, self._process_frames, self._moved_at = now, 0, None

    def progressed(self, frames: int, speed: float | None, now: float) -> None:
        """The process has written so many frames since it began."""
        if frames <= self._process_frames:
            return
        if self._moved_at is not None and now - self._moved_at <= STALLED_SECONDS:
            self.uptime_seconds += now - self._moved_at
        if self.first_frame_seconds is None:
            self.first_frame_seconds = now - self._process_at
        # The first seconds say how fast it started, not how fast it goes.
        if speed is not None and now - self._process_at > STALLED_SECONDS:
            self.slowest_speed = min(speed, self.slowest_speed or speed)
        self.frames += frames - self._process_frames
        self._process_frames, self._moved_at = frames, now

    def process_ended(self) -> None:
        """The process is gone; why is told by `failed`, if it was not to."""
        self.connected = False
        self._moved_at = None

    def failed(self, label: str, words: str) -> None:
        """The process has ended by itself: exit status or signal, and what it said."""
        self.errors[label] += 1
        self.last_error = words

    def used(self, cpu_seconds: float | None, memory_peak_bytes: int | None) -> None:
        """What the unit's cgroup tells; each start of a unit may begin with a fresh one."""
        if cpu_seconds is not None:
            before = self._cgroup_cpu_seconds
            self.cpu_seconds += cpu_seconds - before if cpu_seconds >= before else cpu_seconds
            self._cgroup_cpu_seconds = cpu_seconds
        if memory_peak_bytes is not None:
            self.memory_peak_bytes = max(memory_peak_bytes, self.memory_peak_bytes or 0)

    def is_up(self, now: float) -> bool:
        """Whether frames leave it."""
        return (
            self.connected
            and self._moved_at is not None
            and now - self._moved_at <= STALLED_SECONDS
        )

    def is_starting(self, now: float) -> bool:
        """Whether its process has come a moment ago and has sent nothing yet."""
        return self.connected and self._moved_at is None and now - self._process_at < 3.0

    def is_well(self, now: float) -> bool:
        """Whether it is up, or has played to its end."""
        return self.finished or self.is_up(now)

    def as_dict(self, now: float) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "url": self.url,
            "started": self.started,
            "up": self.is_up(now),
            "finished": self.finished,
            "uptime_seconds": round(self.uptime_seconds, 3),
            "frames": self.frames,
            "first_frame_seconds": _rounded(self.first_frame_seconds),
            "slowest_speed": self.slowest_speed,
            "restarts": self.restarts,
            "errors": dict(self.errors),
            "last_error": self.last_error,
            "cpu_seconds": round(self.cpu_seconds, 3),
            "memory_peak_bytes": self.memory_peak_bytes,
        }


@dataclass(frozen=True)
class MachineUse:
    """How busy the machine is, in per cent of all of it."""

    cpu_percent: float
    memory_percent: float


@dataclass(frozen=True)
class PublishLimits:
    """Beyond these no further stream starts."""

    max_streams: int = 1000
    max_memory_percent: float = 80.0
    max_cpu_percent: float = 90.0

    def refusal(self, running: int, use: MachineUse) -> str | None:
        """Which of the limits a further stream meets, in words; None for none."""
        if running >= self.max_streams:
            return f"--max-streams {self.max_streams} is reached"
        if use.memory_percent > self.max_memory_percent:
            return (
                f"{use.memory_percent:.0f} % of the memory is used, "
                f"more than --max-memory-percent {self.max_memory_percent:g}"
            )
        if use.cpu_percent > self.max_cpu_percent:
            return (
                f"the processors are {use.cpu_percent:.0f} % busy, "
                f"more than --max-cpu-percent {self.max_cpu_percent:g}"
            )
        return None


def status_line(
    records: Sequence[StreamRecord], use: MachineUse, *, now: float, seconds: float,
    memory_bytes: int, cpu_share: float,
) -> str:  # fmt: skip
    """A line of status; `cpu_share` is in processors."""
    up = sum(record.is_up(now) for record in records)
    down = sum(
        record.started and not record.is_well(now) and not record.is_starting(now)
        for record in records
    )
    restarts = sum(record.restarts for record in records)
    return (
        f"[{seconds:5.0f}s] up:{up}/{len(records)}  down:{down}  restarts:{restarts}"
        f"  publishers:{cpu_share:.2f} CPU, {memory_bytes / 1e6:.0f} MB"
        f"  machine:{use.cpu_percent:.0f}% CPU, {use.memory_percent:.0f}% memory"
    )


def document(
    records: Sequence[StreamRecord], *, now: float, seconds: float, about: Mapping[str, Any]
) -> dict[str, Any]:
    """The whole report, for JSON; `about` is of the run, the machine and the programs."""
    return {
        "schema": SCHEMA,
        "duration_seconds": round(seconds, 3),
        **about,
        "totals": {
            "streams": len(records),
            "started": sum(record.started for record in records),
            "up": sum(record.is_up(now) for record in records),
            "finished": sum(record.finished for record in records),
            "restarts": sum(record.restarts for record in records),
            "frames": sum(record.frames for record in records),
            "cpu_seconds": round(sum(record.cpu_seconds for record in records), 3),
        },
        "streams": [record.as_dict(now) for record in records],
    }


def table(records: Sequence[StreamRecord], *, now: float) -> str:
    """A line for each stream, for people."""
    width = max([len(record.name) for record in records] + [6])
    lines = [
        f"{'stream':<{width}}  {'state':<11} {'up':>8} {'frames':>8} {'restarts':>8}"
        f" {'CPU':>8} {'peak':>8}"
    ]
    for record in records:
        peak = record.memory_peak_bytes
        lines.append(
            f"{record.name:<{width}}  {_state(record, now):<11} {record.uptime_seconds:>7.1f}s"
            f" {record.frames:>8} {record.restarts:>8} {record.cpu_seconds:>7.2f}s"
            f" {'-' if peak is None else f'{peak / 1e6:.0f} MB':>8}"
        )
    lines += [
        f"  ✗ {record.name}: {record.last_error} ({_counted(record.errors)})"
        for record in records
        if record.last_error
    ]
    return "\n".join(lines)


def _state(record: StreamRecord, now: float) -> str:
    if not record.started:
        return "not started"
    if record.finished:
        return "finished"
    return "up" if record.is_up(now) else "down"


def _counted(errors: Mapping[str, int]) -> str:
    return ", ".join(f"{count} × {label}" for label, count in errors.items())


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3)
