"""A summary of hlsswarm beside the log of the nginx that its clients asked.

Knows what both count and where that differs; starts nothing. The log is taken as the truth, but
for what nginx cannot see: clients that had hung up while it stood still (`Outage`).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench.origin import SEGMENT_SECONDS, Outage

COUNT_SHARE: Final = 0.01
BYTES_SHARE: Final = 0.01
TIME_SHARE: Final = 0.05
TIME_SECONDS: Final = 0.010

_HUNG_UP: Final = 499  # nginx: the client closed the connection before an answer
_STALL_TOLERANCE_SECONDS: Final = 0.1

# nginx cuts its times to milliseconds, and logs nothing while it stands still.
_CLOCK_SECONDS: Final = 0.1

# From the first signal until the last client has closed its connections.
_STOPPING_SECONDS: Final = 0.2


@dataclass(frozen=True)
class Line:
    """A request as nginx logged it; times in seconds, `ended_at` on the wall clock."""

    ended_at: float
    seconds: float
    status: int
    body_bytes: int
    complete: bool
    uri: str
    remote_port: int
    client: str
    given_up: bool = False
    """Whether the client had gone before nginx looked at the request."""

    @property
    def is_segment(self) -> bool:
        """Whether a Media Segment was asked for; all else here is a playlist."""
        return self.uri.partition("?")[0].endswith(".ts")

    @property
    def is_whole(self) -> bool:
        """Whether the client got all of it."""
        return self.complete and self.status in {200, 206} and not self.given_up

    @property
    def is_failed(self) -> bool:
        """Whether the client got an error, or had waited in vain."""
        return self.given_up or (self.status >= 400 and self.status != _HUNG_UP)

    @property
    def is_cut_off(self) -> bool:
        """Whether the request was still open when the client was stopped."""
        return not (self.is_whole or self.is_failed)


def read_log(path: Path, agent: str, outage: Outage | None = None) -> list[Line]:
    """The requests of the clients with user agent AGENT/client-N, in the log's order."""
    lines = []
    # Each for the first request after the outage: the kernel hands out ports again.
    connected_at = dict(outage.connected_at) if outage else {}
    to_give_up = set(outage.given_up) if outage else set()
    for text in path.read_text(errors="replace").splitlines():
        if not text.endswith("}"):
            continue  # being written
        fields = json.loads(text)
        if not fields["user_agent"].startswith(f"{agent}/client-"):
            continue
        ended, seconds, port = fields["msec"], fields["request_time"], fields["remote_port"]
        given_up = False
        if outage is not None and ended >= outage.continued_at - _CLOCK_SECONDS:
            given_up = port in to_give_up
            to_give_up.discard(port)
            # nginx begins to count when it reads a request: it could not while it stood still.
            connected = connected_at.pop(port, None)
            seconds = seconds if connected is None else max(seconds, ended - connected)
        lines.append(
            Line(
                ended,
                seconds,
                int(fields["status"]),
                fields["body_bytes"],
                fields["complete"] == "OK",
                fields["uri"],
                port,
                fields["user_agent"],
                given_up,
            )
        )
    return lines


@dataclass(frozen=True)
class Row:
    """One figure from both sides; `allowed` is the largest difference, None where there is none.

    `more` is what ours may have beyond that: bytes that nginx handed to the kernel for clients
    that were stopped, of which it cannot know how many were read. `less` is what it may lack:
    answers of which the last bytes were on their way when the clients were stopped.
    """

    figure: str
    ours: float
    nginx: float
    allowed: float | None
    unit: str = ""
    more: float = 0.0
    less: float = 0.0

    @property
    def difference(self) -> float:
        """Ours less nginx's."""
        return self.ours - self.nginx

    @property
    def holds(self) -> bool:
        """Whether the difference is allowed."""
        if self.allowed is None:
            return True
        return -self.allowed - self.less <= self.difference + 1e-9 and (
            self.difference <= self.allowed + self.more + 1e-9
        )

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "difference": self.difference, "holds": self.holds}


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that `share` of all do not exceed (nearest rank); 0 of nothing."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def compare(summary: Mapping[str, Any], lines: Sequence[Line]) -> list[Row]:
    """Every figure that both sides have."""
    segments = [line for line in lines if line.is_segment]
    playlists = [line for line in lines if not line.is_segment]
    stopped_at = max((line.ended_at for line in lines if line.is_cut_off), default=math.inf)
    rows = [
        *_requests("segments", summary["segments"], segments, stopped_at),
        *_requests("playlists", summary["playlists"], playlists, stopped_at),
        *_times("segment", summary["segments"]["duration_seconds"], segments),
        *_times("playlist", summary["playlists"]["duration_seconds"], playlists),
        *_http_errors(summary["http_errors"], lines),
    ]
    stalls, stalled_seconds = stalls_of(lines)
    sessions = summary["sessions"]
    return [
        *rows,
        Row("stalls", sessions["stalls"], stalls, None),
        Row("stalled", sessions["stalled_seconds"], stalled_seconds, None, "s"),
    ]


def _count(figure: str, ours: float, nginx: float) -> Row:
    return Row(figure, ours, nginx, COUNT_SHARE * nginx)


def _requests(
    name: str, ours: Mapping[str, Any], lines: Sequence[Line], stopped_at: float
) -> list[Row]:
    """Counts and bytes of one kind of request.

    Bodies of errors are not in `bytes`: a client does not read them.
    """
    sent = sum(line.body_bytes for line in lines if line.is_whole)
    cut_off = sum(line.body_bytes for line in lines if line.is_cut_off and line.status < 400)
    received = ours["bytes"]
    rows = [
        _count(f"{name} asked for", ours["requests"], len(lines)),
        replace(
            _count(
                f"{name} arrived whole",
                ours["duration_seconds"]["count"],
                sum(line.is_whole for line in lines),
            ),
            less=_on_their_way(lines, stopped_at),
        ),
        _count(f"{name} failed", ours["failed"], sum(line.is_failed for line in lines)),
    ]
    if name == "segments":
        rows.append(Row(f"{name}, bytes", received, sent, BYTES_SHARE * sent, "B", cut_off))
    return rows


def _on_their_way(lines: Sequence[Line], stopped_at: float) -> int:
    """Answers that ended with the last request of any kind that was cut off."""
    return sum(
        line.is_whole and abs(line.ended_at - stopped_at) < _STOPPING_SECONDS for line in lines
    )


def _times(name: str, ours: Mapping[str, Any], lines: Sequence[Line]) -> list[Row]:
    """Percentiles of those that arrived whole; a playlist's have no bound of their own."""
    true = [line.seconds for line in lines if line.is_whole]
    rows = []
    for key, share in (("p50", 0.50), ("p95", 0.95), ("p99", 0.99)):
        value = percentile(true, share)
        allowed = max(TIME_SECONDS, TIME_SHARE * value) if name == "segment" else None
        rows.append(Row(f"{name} time, {key}", ours[key], value, allowed, "s"))
    return rows


def _http_errors(ours: Mapping[str, int], lines: Sequence[Line]) -> list[Row]:
    nginx = Counter(str(line.status) for line in lines if line.status >= 400 and not line.given_up)
    nginx.pop(str(_HUNG_UP), None)
    codes = sorted({*ours, *nginx})
    return [_count(f"HTTP {code}", ours.get(code, 0), nginx[code]) for code in codes]


def stalls_of(lines: Sequence[Line]) -> tuple[int, float]:
    """Stalls of a player that plays from its first segment on, and their seconds; inferred.

    One player for each client, for the whole run: sessions cannot be seen in a log.
    """
    stalls, seconds = 0, 0.0
    buffered_until: dict[str, float] = {}
    for line in sorted(lines, key=lambda line: line.ended_at):
        if not (line.is_segment and line.is_whole):
            continue
        until = buffered_until.get(line.client, line.ended_at)
        if line.ended_at - until > _STALL_TOLERANCE_SECONDS:
            stalls += 1
            seconds += line.ended_at - until
        buffered_until[line.client] = max(until, line.ended_at) + SEGMENT_SECONDS
    return stalls, seconds


def table(rows: Sequence[Row]) -> str:
    """As Markdown, columns aligned."""
    cells = [("figure", "hlsswarm", "nginx", "difference", "allowed")]
    cells += [
        (
            row.figure,
            _text(row.ours, row.unit),
            _text(row.nginx, row.unit),
            _difference(row),
            _allowed(row),
        )
        for row in rows
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(5)]

    def line(row: Sequence[str]) -> str:
        first, *others = zip(row, widths, strict=True)
        return " | ".join(
            [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
        )

    rule = "|".join(
        [f"{'-' * (widths[0] + 2)}", *(f"{'-' * (width + 1)}:" for width in widths[1:])]
    )
    head, *body = (f"| {line(row)} |" for row in cells)
    return "\n".join([head, f"|{rule}|", *body])


def _text(value: float, unit: str) -> str:
    if unit == "s":
        return f"{value:.3f} s"
    return f"{value:,.0f}".replace(",", " ") + (f" {unit}" if unit else "")


def _difference(row: Row) -> str:
    if row.difference == 0:
        return "0"
    sign = "+" if row.difference > 0 else "−"
    text = sign + _text(abs(row.difference), row.unit)
    if row.unit == "s" and row.nginx < TIME_SECONDS / TIME_SHARE:
        return text  # of a millisecond, shares say nothing
    return text + (f" ({row.difference / row.nginx:+.2%})".replace("-", "−") if row.nginx else "")


def _allowed(row: Row) -> str:
    if row.allowed is None:
        return "—"
    text = f"±{row.allowed:.3f} s" if row.unit == "s" else "±1 %"
    if row.more:
        text += f", and +{_text(row.more, row.unit)}"
    if row.less:
        text += f", and −{_text(row.less, row.unit)}"
    return text if row.holds else f"{text} BROKEN"
