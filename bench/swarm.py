"""One `hlsswarm run`, watched from outside: /proc, cgroups, and the origin's log.

    start ─► ramp ─► settle ─► first sample ── steady ── last sample ─► end ─► summary, deliveries

The controller's CPU is the process's own, as the kernel counts it, from its first instruction on;
systemd's, the keeper's and the clients' are counted apart from it.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bench import proc
from bench.deliveries import Delivery, asked, delivery
from bench.place import SEGMENT_SECONDS, BenchError, Place, Stream
from hlsswarm.core import names

_START_SECONDS: Final = 90.0
_END_SECONDS: Final = 60.0
_SETTLE_SECONDS: Final = 3.0
_STEADY_SECONDS_MIN: Final = 4.0
_LATE_FACTOR: Final = 2.0
_LATE_SECONDS: Final = 20.0
_BEFORE_END_SECONDS: Final = 0.5
_POLL_SECONDS: Final = 0.01
_INTERRUPTED: Final = 105
_VOID: Final = 107
# healthy or at_limit, failing, those that we have interrupted ourselves, and those that were too
# much for this machine: what they came to is a figure, too, and its table tells the verdict
_STATUSES: Final = {0, 99, _INTERRUPTED, _VOID}


@dataclass(frozen=True)
class Load:
    """What a swarm is asked to do; `ffmpeg` is a name that the place knows."""

    clients: int
    rate: float
    seconds: float
    """From the first start on."""
    ffmpeg: str
    measure: str = "exact"
    sandbox: str = "strict"
    metrics: str = "off"
    out: Path | None = None
    preflight: bool = True
    """Whether `run` may refuse what it takes to be too much for the machine."""
    interrupt: bool = False
    """Ended by our SIGINT, so that the end can be timed, and a ramp that is late costs none of the
    time after it: `seconds` is then the least.
    """

    @property
    def ramp_seconds(self) -> float:
        """How long the ramp is to take."""
        return self.clients / self.rate

    @property
    def full_at_latest_seconds(self) -> float:
        """How long it may take until every client was started."""
        if self.interrupt:
            return _LATE_FACTOR * self.ramp_seconds + _LATE_SECONDS
        return self.seconds - _STEADY_SECONDS_MIN - _SETTLE_SECONDS

    def end_seconds(self, settled_seconds: float) -> float:
        """When the run ends whose swarm had settled then."""
        after = self.seconds - self.ramp_seconds - _SETTLE_SECONDS
        return max(self.seconds, settled_seconds + after) if self.interrupt else self.seconds

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        wanted = ("clients", "rate", "seconds", "ffmpeg", "measure", "sandbox")
        return {name: getattr(self, name) for name in wanted}


@dataclass(frozen=True)
class Sample:
    """Readings of one moment; `seconds` since the first start. CPU in seconds since the start of
    the process or cgroup, of systemd since the run began.
    """

    seconds: float
    controller_cpu_seconds: float
    controller_rss_bytes: int
    systemd_cpu_seconds: float
    keeper_cpu_seconds: float
    clients_cpu_seconds: float | None
    machine: proc.Moment


class Supervision:
    """The systemd that runs the clients, the keeper of a private one, and what both have used.

    Found before a swarm is started: to look through all processes takes a processor for so long
    that the first starts would be late by it. The origin has the same systemd.
    """

    def __init__(self, place: Place) -> None:
        mark = f"embedded_keeper {place.runtime_directory}"
        self.systemd = 1
        self.keeper = next((pid for pid in proc.pids() if mark in proc.command(pid)), None)
        if self.keeper is not None:
            ours = [pid for pid, parent in proc.parents().items() if parent == self.keeper]
            self.systemd = next((pid for pid in ours if "systemd" in proc.command(pid)), 0)
        self._before = {pid: proc.cpu_seconds(pid) for pid in (self.systemd, self.keeper or 0)}

    def systemd_cpu_seconds(self) -> float:
        """Since it was found."""
        return self._since(self.systemd)

    def keeper_cpu_seconds(self) -> float:
        """Since it was found; 0 without one."""
        return self._since(self.keeper) if self.keeper else 0.0

    def _since(self, pid: int) -> float:
        return proc.cpu_seconds(pid) - self._before.get(pid, 0.0)


@dataclass
class Watched:
    """A swarm that runs."""

    place: Place
    load: Load
    run: str
    process: subprocess.Popen[bytes]
    supervision: Supervision
    began: float
    _slice: proc.Slice | None = None

    @property
    def seconds(self) -> float:
        """Since the first start."""
        return time.monotonic() - self.began

    @property
    def slice(self) -> proc.Slice | None:
        """The clients' cgroup, once there is a client."""
        if self._slice is None:
            self._slice = proc.find_slice(names.clients_slice(self.run))
        return self._slice

    def sample(self) -> Sample:
        """Readings of now."""
        found = self.slice
        return Sample(
            self.seconds,
            proc.cpu_seconds(self.process.pid),
            proc.status_bytes(self.process.pid, "VmRSS"),
            self.supervision.systemd_cpu_seconds(),
            self.supervision.keeper_cpu_seconds(),
            found.cpu_seconds() if found else None,
            proc.moment(),
        )

    def wait_until_full(self) -> None:
        """Wait until every client was started, or so late that little else could be measured."""
        self.wait_until(self.load.ramp_seconds)
        while self.seconds < self.load.full_at_latest_seconds:
            found = self.slice
            if found is not None and found.units() >= self.load.clients:
                return
            self.wait_until(self.seconds + 0.5)

    def wait_until(self, seconds: float) -> None:
        """Wait until so long after the first start. Raises BenchError when the run ends before."""
        while (left := seconds - self.seconds) > 0:
            if self.process.poll() is not None:
                raise BenchError(f"{self.run} ended after {self.seconds:.0f} s")
            time.sleep(min(left, 0.2))


Look = Callable[[Watched], Mapping[str, Any]]


@dataclass(frozen=True)
class Outcome:
    """What a swarm came to. `first` and `last` are the ends of the steady part."""

    load: Load
    first: Sample
    last: Sample
    max_rss_bytes: int
    threads: int
    open_files: int
    summary: Mapping[str, Any]
    delivery: Delivery
    looked: Mapping[str, Any]
    stop_seconds: float | None
    """From our SIGINT until the last client's cgroup was gone."""
    exit_seconds: float | None
    """From our SIGINT until the command had ended, summary and all."""

    @property
    def steady_seconds(self) -> float:
        """Between the two samples."""
        return self.last.seconds - self.first.seconds

    def steady(self, figure: str) -> float | None:
        """What a CPU figure of the samples grew by, each second."""
        before, after = getattr(self.first, figure), getattr(self.last, figure)
        return None if None in (before, after) else float((after - before) / self.steady_seconds)

    @property
    def busy_share(self) -> float:
        """Share of all processors that worked in the steady part, everything counted."""
        return self.last.machine.busy_share(self.first.machine)

    def as_dict(self) -> dict[str, Any]:
        """As JSON: what every part has."""
        clients, summary = self.load.clients, self.summary
        share = self.steady("controller_cpu_seconds") or 0.0
        return {
            **self.load.as_dict(),
            "controller": {
                "cpu_seconds": self.last.controller_cpu_seconds,
                "at_seconds": round(self.last.seconds, 2),
                "until_full_cpu_seconds": self.first.controller_cpu_seconds,
                "full_at_seconds": round(self.first.seconds, 2),
                "steady_share": share,
                "cpu_seconds_per_client_minute": 60 * share / clients,
                "rss_bytes": self.last.controller_rss_bytes,
                "max_rss_bytes": self.max_rss_bytes,
                "threads": self.threads,
                "open_files": self.open_files,
                "dbus_calls": summary["controller"]["dbus_calls"],
                "telemetry_lines": summary["controller"]["telemetry_lines"],
            },
            "systemd": {
                "cpu_seconds": self.last.systemd_cpu_seconds,
                "keeper_cpu_seconds": self.last.keeper_cpu_seconds,
                "steady_share": self.steady("systemd_cpu_seconds"),
            },
            "clients_steady_share": self.steady("clients_cpu_seconds"),
            "machine_busy_share": self.busy_share,
            "ramp": summary["ramp"],
            "verdict": summary["verdict"],
            "reasons": list(summary["reasons"]),
            "sessions": {
                "started": summary["sessions"]["started"],
                "failed": summary["sessions"]["failed"],
                "stalls": summary["sessions"]["stalls"],
            },
            "delivery": asdict(self.delivery),
        }


def client_sizes(watched: Watched) -> Mapping[str, Any]:
    """A look at the clients' memory: their processes', and what their cgroup is charged for."""
    found = watched.slice
    pids = found.pids() if found else set()
    charged = found.memory_bytes() if found else None
    return {
        "pss_bytes": proc.mean_pss_bytes(pids),
        "memory_bytes_each": charged and charged / watched.load.clients,
        "processes": len(pids),
    }


def watch(
    place: Place, stream: Stream, load: Load, *, label: str, look: Look | None = None
) -> Outcome:
    """Run a swarm to its end; `look` looks at it when it has settled. Raises BenchError.

    `label` names the run: 1 to 16 of a-z and 0-9.
    """
    agent, out, said = _agent(label), _summary(place, label), place.root / f"{label}.txt"
    log_begins = stream.access_log.stat().st_size
    supervision = Supervision(place)
    process = place.popen(*_words(place, stream, load, label), said=said)
    try:
        began = _wait_for_ramp(process, said, label)
        watched = Watched(place, load, label, process, supervision, began)
        watched.wait_until_full()
        watched.wait_until(watched.seconds + _SETTLE_SECONDS)
        first = watched.sample()
        looked = look(watched) if look else {}
        watched.wait_until(load.end_seconds(first.seconds) - _BEFORE_END_SECONDS)
        last = watched.sample()
        sizes = (
            proc.status_bytes(process.pid, "VmHWM"),
            int(proc.status(process.pid).get("Threads", "0")),
            proc.open_files(process.pid),
        )
        ending_at = time.time()
        stopped = _interrupted(watched) if load.interrupt else (None, None)
        status = process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{label} does not end: {said.read_text()[-400:]}") from None
    finally:
        _end(process)
    if status not in _STATUSES or not out.exists():
        raise BenchError(f"{label}: exit status {status}: {said.read_text()[-800:]}")
    with stream.access_log.open("rb") as file:
        file.seek(log_begins)
        lines = file.read().decode(errors="replace").splitlines()
    # A segment that has just been published gets two of its lengths to reach everybody.
    until = ending_at - 2 * SEGMENT_SECONDS
    received = delivery(list(asked(lines, agent)), load.clients, until=until)
    summary = json.loads(out.read_text())
    return Outcome(load, first, last, *sizes, summary, received, looked, *stopped)


def _agent(label: str) -> str:
    return f"bench-{label}"


def _summary(place: Place, label: str) -> Path:
    return place.root / f"{label}.json"


def _words(place: Place, stream: Stream, load: Load, label: str) -> list[str]:
    words = ["run", stream.url, "--run-id", label, "--clients", str(load.clients)]
    words += ["--ramp-rate", f"{load.rate:g}", "--measure", load.measure]
    words += ["--ffmpeg", place.ffmpegs.get(load.ffmpeg, load.ffmpeg), "--sandbox", load.sandbox]
    words += ["--user-agent", _agent(label), "--json", str(_summary(place, label))]
    words += ["--metrics", load.metrics]
    if not load.preflight:
        words.append("--skip-preflight")
    if not load.interrupt:
        words += ["--duration", f"{load.seconds:g}s"]
    return words + (["--out", str(load.out)] if load.out else [])


def _wait_for_ramp(process: subprocess.Popen[bytes], said: Path, label: str) -> float:
    """Wait for the line that is said just before the first start; when that was."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        if f"Run {label}: " in said.read_text(errors="replace"):
            return time.monotonic()
        if ended:
            break
        time.sleep(_POLL_SECONDS)
    raise BenchError(f"{label} does not begin: {said.read_text(errors='replace')[-800:]}")


def _interrupted(watched: Watched) -> tuple[float | None, float | None]:
    """Send SIGINT, as Ctrl+C does: seconds until no client is left, and until the command ended."""
    found, process = watched.slice, watched.process
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    gone: float | None = None
    while time.monotonic() - began < _END_SECONDS:
        ended = process.poll() is not None
        if gone is None and found is not None and not found.is_there:
            gone = time.monotonic() - began
        if ended:
            return gone, time.monotonic() - began
        time.sleep(_POLL_SECONDS)
    return gone, None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command that has not: first as a user does, which stops its clients."""
    for number in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
