"""What a run has measured, in a form that merges exactly over clients and hosts.

Requests by kind with their download times, playback sessions, HTTP errors and classes of errors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hlsswarm.core.histogram import LogHistogram

REQUEST_KINDS = ("playlist", "segment", "init", "key")
SCHEMA = "hlsswarm.measurements/1"


@dataclass
class RequestMeasure:
    """Requests of one kind: begun, finished, failed; bytes of bodies; download times in seconds.

    `durations` has the finished requests whose end could be seen (all, in exact mode).
    """

    requests: int = 0
    finished: int = 0
    failed: int = 0
    bytes: int = 0
    durations: LogHistogram = field(default_factory=LogHistogram)

    def merge(self, other: RequestMeasure) -> None:
        """Add another host's."""
        self.requests += other.requests
        self.finished += other.finished
        self.failed += other.failed
        self.bytes += other.bytes
        self.durations.merge(other.durations)

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "requests": self.requests,
            "finished": self.finished,
            "failed": self.failed,
            "bytes": self.bytes,
            "durations": self.durations.as_dict(),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> RequestMeasure:
        """From JSON."""
        return cls(
            requests=int(document["requests"]),
            finished=int(document["finished"]),
            failed=int(document["failed"]),
            bytes=int(document["bytes"]),
            durations=LogHistogram.from_dict(document["durations"]),
        )


@dataclass
class SessionMeasure:
    """Playback Sessions (CTA-2066); one for each process of a client. Times in seconds."""

    started: int = 0
    failed: int = 0
    """Ended before they should: any end of a live session but the run's own."""
    startup: LogHistogram = field(default_factory=LogHistogram)
    live_latency: LogHistogram = field(default_factory=LogHistogram)
    """How far behind real time playback began (EXT-X-PROGRAM-DATE-TIME); empty where unknown."""
    stalls: int = 0
    stalled_seconds: float = 0.0
    watched_seconds: float = 0.0

    def merge(self, other: SessionMeasure) -> None:
        """Add another host's."""
        self.started += other.started
        self.failed += other.failed
        self.startup.merge(other.startup)
        self.live_latency.merge(other.live_latency)
        self.stalls += other.stalls
        self.stalled_seconds += other.stalled_seconds
        self.watched_seconds += other.watched_seconds

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "started": self.started,
            "failed": self.failed,
            "startup": self.startup.as_dict(),
            "live_latency": self.live_latency.as_dict(),
            "stalls": self.stalls,
            "stalled_seconds": self.stalled_seconds,
            "watched_seconds": self.watched_seconds,
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> SessionMeasure:
        """From JSON."""
        return cls(
            started=int(document["started"]),
            failed=int(document["failed"]),
            startup=LogHistogram.from_dict(document["startup"]),
            live_latency=LogHistogram.from_dict(document["live_latency"]),
            stalls=int(document["stalls"]),
            stalled_seconds=float(document["stalled_seconds"]),
            watched_seconds=float(document["watched_seconds"]),
        )


@dataclass
class Measurements:
    """Everything that a swarm has measured of an origin."""

    kinds: dict[str, RequestMeasure] = field(
        default_factory=lambda: {kind: RequestMeasure() for kind in REQUEST_KINDS}
    )
    sessions: SessionMeasure = field(default_factory=SessionMeasure)
    connections: int = 0
    """New connections; what is asked beyond them went over kept-alive ones."""
    http_errors: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    """Errors by class (`refused`, `timeout`, `404`, …: core.error_classes)."""
    error_examples: dict[str, str] = field(default_factory=dict)
    """The first line of each class."""

    @property
    def segments(self) -> RequestMeasure:
        """Media Segments."""
        return self.kinds["segment"]

    @property
    def playlists(self) -> RequestMeasure:
        """Multivariant and Media Playlists."""
        return self.kinds["playlist"]

    def merge(self, other: Measurements) -> None:
        """Add another host's."""
        for kind, measure in other.kinds.items():
            self.kinds[kind].merge(measure)
        self.sessions.merge(other.sessions)
        self.connections += other.connections
        self.http_errors.update(other.http_errors)
        self.errors.update(other.errors)
        self.error_examples = {**other.error_examples, **self.error_examples}

    def as_dict(self) -> dict[str, Any]:
        """As JSON, with its schema."""
        return {
            "schema": SCHEMA,
            "requests": {kind: measure.as_dict() for kind, measure in self.kinds.items()},
            "sessions": self.sessions.as_dict(),
            "connections": self.connections,
            "http_errors": {str(code): n for code, n in sorted(self.http_errors.items())},
            "errors": {
                name: {"count": n, "example": self.error_examples.get(name, "")}
                for name, n in sorted(self.errors.items())
            },
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Measurements:
        """From JSON. Raises ValueError for another schema, KeyError for what is missing."""
        if document.get("schema") != SCHEMA:
            raise ValueError(f"measurements of schema {document.get('schema')!r}, not {SCHEMA}")
        made = cls()
        for kind, measure in document["requests"].items():
            made.kinds[kind] = RequestMeasure.from_dict(measure)
        made.sessions = SessionMeasure.from_dict(document["sessions"])
        made.connections = int(document["connections"])
        made.http_errors = Counter({int(c): int(n) for c, n in document["http_errors"].items()})
        for name, error in document["errors"].items():
            made.errors[name] = int(error["count"])
            made.error_examples[name] = str(error["example"])
        return made
