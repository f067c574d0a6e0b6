"""(9) Other load generators and hlsswarm, one after the other, on the same stream with the same N.

A peer is a program that somebody has built elsewhere: `--peer NAME=PATH`, NAME one of PEERS. What
its clients received is read from the origin's log, like ours.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import proc
from bench.origin import free_port
from bench.parts import Document, Peer, Work
from bench.place import BenchError, Place, Stream, program_path, stream
from bench.sizes import ramp_rate
from bench.swarm import Load, Outcome, Watched, watch

_END_SECONDS: Final = 30.0
_SETTLE_SECONDS: Final = 3.0


@dataclass(frozen=True)
class Asked:
    """What a peer is to do."""

    path: Path
    url: str
    clients: int
    rate: float
    seconds: float
    ffmpeg: str


def _go_swarm(asked: Asked) -> list[str]:
    return [
        *(str(asked.path), "-clients", str(asked.clients), "-ramp-rate", f"{asked.rate:.0f}"),
        *("-duration", f"{asked.seconds + 60:.0f}s", "-tui=false", "-ffmpeg", asked.ffmpeg),
        *("-metrics", f"127.0.0.1:{free_port()}", "-target-duration", "2s", asked.url),
    ]


def _sb_hls_load(asked: Asked) -> list[str]:
    ramp = asked.clients / asked.rate
    return [str(asked.path), "-c", str(asked.clients), "-r", asked.url, "-s", f"{ramp:.0f}"]


PEERS: Final[Mapping[str, Callable[[Asked], list[str]]]] = {
    "go-ffmpeg-hls-swarm": _go_swarm,
    "sb_hls_load": _sb_hls_load,
}
"""How each is called, by the names of their programs."""


def measure(work: Work) -> Document:
    """A row for each peer, and for hlsswarm with the same ffmpeg and with the cheapest."""
    rows: list[Document] = []
    clients, seconds = work.sizes.peer_clients, work.sizes.peer_seconds
    with stream(work.place, "standard") as made:
        for peer in work.peers:
            work.say(f"{clients} clients of {peer.name}")
            try:
                rows.append(peer_row(work, made, peer))
            except BenchError as error:
                rows.append({"program": peer.name, "failed": str(error)})
        for ffmpeg, how in _ours(work):
            work.say(f"{clients} clients of hlsswarm, ffmpeg {ffmpeg}, --measure {how}")
            load = Load(clients, ramp_rate(clients), seconds, ffmpeg, measure=how, interrupt=True)
            outcome = watch(work.place, made, load, label=f"peer{len(rows)}", look=_look)
            rows.append(_own_row(work, outcome))
    return {"clients": clients, "seconds": seconds, "rows": rows}


def _ours(work: Work) -> Iterator[tuple[str, str]]:
    if work.peer_ffmpeg:
        yield work.peer_ffmpeg, "exact"
    for how in ("exact", "light"):
        yield work.place.cheapest, how


def _look(watched: Watched) -> Mapping[str, float | None]:
    return {"pss_bytes": proc.mean_pss_bytes(watched.slice.pids() if watched.slice else ())}


def _own_row(work: Work, outcome: Outcome) -> Document:
    clients, share = outcome.load.clients, outcome.steady("clients_cpu_seconds")
    ended = outcome.last.clients_cpu_seconds
    found = outcome.as_dict()
    return {
        "program": "hlsswarm",
        "ffmpeg": _ffmpeg_name(work.place, outcome.load.ffmpeg),
        "measure": outcome.load.measure,
        "cpu_seconds": outcome.last.controller_cpu_seconds,
        "steady_share": outcome.steady("controller_cpu_seconds"),
        "systemd_cpu_seconds": outcome.last.systemd_cpu_seconds,
        "max_rss_bytes": outcome.max_rss_bytes,
        "threads": outcome.threads,
        "open_files": outcome.open_files,
        "client_pss_bytes": outcome.looked["pss_bytes"],
        "client_cpu_seconds": None if ended is None else ended / clients,
        "client_cpu_seconds_per_second": None if share is None else share / clients,
        "segments_per_client": _segments(outcome.summary) / clients,
        "stop_seconds": outcome.stop_seconds,
        "delivery": found["delivery"],
    }


def _segments(summary: Mapping[str, object]) -> float:
    segments = summary["segments"]
    return float(segments["requests"]) if isinstance(segments, dict) else 0.0


def _ffmpeg_name(place: Place, name: str) -> str:
    return name if name in place.ffmpegs else Path(name).name


def peer_row(work: Work, made: Stream, peer: Peer) -> Document:
    """A peer's row. Raises BenchError when it ends before its time, or does not begin."""
    place, clients, seconds = work.place, work.sizes.peer_clients, work.sizes.peer_seconds
    ffmpeg = work.peer_ffmpeg or program_path("debian", place.ffmpegs)
    rate = ramp_rate(clients)
    asked = Asked(peer.path, made.url, clients, rate, seconds, ffmpeg)
    said, log_begins = place.root / f"{peer.name}.txt", made.access_log.stat().st_size
    with said.open("wb") as file:
        process = subprocess.Popen(
            PEERS[peer.name](asked),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd=place.root,
            start_new_session=True,
        )
    began = time.monotonic()
    try:
        _wait(process, said, began + clients / rate + _SETTLE_SECONDS)
        first = _readings(process.pid)
        pss = proc.mean_pss_bytes(proc.descendants(process.pid))
        _wait(process, said, began + seconds - 0.5)
        last = _readings(process.pid)
        row = _row(peer, process.pid, first, last, clients)
        # Of a peer without processes of its own for clients, they are itself.
        row["ffmpeg"] = Path(ffmpeg).name if last["children"] else None
        row["client_pss_bytes"] = pss or row["max_rss_bytes"] / clients
        row["stop_seconds"] = _stopped(process, proc.descendants(process.pid))
    finally:
        _end(process)
    with made.access_log.open("rb") as log:
        log.seek(log_begins)
        lines = log.read().decode(errors="replace").splitlines()
    return row | {"segments_per_client": _served(lines) / clients}


def _row(
    peer: Peer, pid: int, first: Mapping[str, float], last: Mapping[str, float], clients: int
) -> Document:
    seconds = last["at"] - first["at"]
    played = (last["children_cpu"] - first["children_cpu"]) / seconds
    return {
        "program": peer.name,
        "measure": None,
        "cpu_seconds": last["cpu"],
        "steady_share": (last["cpu"] - first["cpu"]) / seconds,
        "systemd_cpu_seconds": None,
        "max_rss_bytes": proc.status_bytes(pid, "VmHWM"),
        "threads": int(proc.status(pid).get("Threads", "0")),
        "open_files": proc.open_files(pid),
        "client_cpu_seconds": last["children_cpu"] / clients,
        "client_cpu_seconds_per_second": played / clients,
    }


def _served(lines: Sequence[str]) -> int:
    """Requests for segments that were answered."""
    fields = (json.loads(line) for line in lines if line.endswith("}"))
    return sum(f["uri"].partition("?")[0].endswith(".ts") and f["status"] < 400 for f in fields)


def _readings(pid: int) -> dict[str, float]:
    children = proc.descendants(pid)
    return {
        "at": time.monotonic(),
        "cpu": proc.cpu_seconds(pid),
        "children": len(children),
        "children_cpu": sum(map(proc.cpu_seconds, children)),
    }


def _wait(process: subprocess.Popen[bytes], said: Path, until: float) -> None:
    while (left := until - time.monotonic()) > 0:
        if process.poll() is not None:
            text = said.read_text(errors="replace").strip()[-300:]
            raise BenchError(f"it ended by itself with status {process.returncode}: {text}")
        time.sleep(min(left, 0.2))


def _stopped(process: subprocess.Popen[bytes], children: Sequence[int]) -> float | None:
    """Seconds from SIGINT until the peer and all its clients are gone."""
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    while time.monotonic() - began < _END_SECONDS:
        if process.poll() is not None and not any(
            Path(f"/proc/{pid}").exists() for pid in children
        ):
            return time.monotonic() - began
        time.sleep(0.01)
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the peer, and what it has started and left: its session is its own."""
    left = proc.descendants(process.pid)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
