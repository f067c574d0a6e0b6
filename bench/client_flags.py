"""What each flag of a client costs or saves, beside the command as it is, in one run.

    python -m bench.client_flags [--ffmpeg NAME=PATH]… [--json FILE] [--docs FILE] [--show]

Each variant plays the same VOD to its end, in turns (CPU of the start, and whether nginx logged the
same requests and our parser told them), then the same live stream, all side by side (CPU of a
minute, memory, what is logged). Knows ffmpeg's options and /proc; no units: these are bare clients.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import selectors
import shutil
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.compare import read_log
from bench.origin import Origin, free_port, origin
from bench.proc import pss_bytes
from hlsswarm.core.commands import ClientOptions, client_command
from hlsswarm.telemetry.ffmpeg_program import FFmpegProgram, find_client_ffmpeg, find_ffmpeg
from hlsswarm.telemetry.parser import FFmpegLogParser

SCHEMA: Final = "hlsswarm.client_flags/1"
START_ROUNDS: Final = 7
LIVE_CLIENTS: Final = 2
SETTLE_SECONDS: Final = 12.0
LIVE_SECONDS: Final = 24.0
_ARENA: Final = "MALLOC_ARENA_MAX"
_TABLES: Final = ("<!-- tables: made by bench/client_flags.py -->", "<!-- end of tables -->")


@dataclass(frozen=True)
class Variant:
    """The command with something more or less."""

    name: str
    more: tuple[str, ...] = ()
    """Options of the input."""
    output: tuple[str, ...] = ()
    less: tuple[str, ...] = ()
    """Words that are left out."""
    environment: Mapping[str, str | None] = field(default_factory=dict)
    log_level: str | None = None


VARIANTS: Final = (
    Variant("as it is"),
    Variant("the same again (noise)"),
    Variant(f"without {_ARENA}=1", environment={_ARENA: None}),
    Variant("without -nostats", less=("-nostats",)),
    Variant("-threads 1", more=("-threads", "1")),
    Variant("-filter_threads 1", more=("-filter_threads", "1")),
    Variant("-probesize 500000", more=("-probesize", "500000")),
    Variant("-probesize 2000000", more=("-probesize", "2000000")),
    Variant("-analyzeduration 1000000", more=("-analyzeduration", "1000000")),
    Variant("-max_probe_packets 100", more=("-max_probe_packets", "100")),
    Variant("-fpsprobesize 0", more=("-fpsprobesize", "0")),
    Variant("without -fflags nobuffer", less=("-fflags", "nobuffer")),
    Variant("-avioflags direct", more=("-avioflags", "direct")),
    Variant("-http_multiple 0", more=("-http_multiple", "0")),
    Variant("-flush_packets 0", output=("-flush_packets", "0")),
    Variant("-max_interleave_delta 1", output=("-max_interleave_delta", "1")),
    Variant("-muxdelay 0", output=("-muxdelay", "0")),
    Variant("MALLOC_TRIM_THRESHOLD_=131072", environment={"MALLOC_TRIM_THRESHOLD_": "131072"}),
    Variant("MALLOC_MMAP_THRESHOLD_=131072", environment={"MALLOC_MMAP_THRESHOLD_": "131072"}),
    Variant("-loglevel error (measures nothing)", log_level="error"),
)


class Counts:
    """A sink that counts requests."""

    requests = 0

    def request_started(self, *_: object) -> None:
        """One more."""
        self.requests += 1

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


class Listener:
    """Reads what clients write, as the controller would, and counts it."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._ending = False
        self.logs: dict[str, bytearray] = {}
        self.reads: dict[str, int] = {}
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def take(self, name: str) -> socket.socket:
        """The end to write to of a new connection."""
        ours, its = socket.socketpair()
        ours.setblocking(False)
        self.logs.setdefault(name, bytearray())
        self.reads.setdefault(name, 0)
        self._selector.register(ours, selectors.EVENT_READ, name)
        return its

    def _listen(self) -> None:
        while not self._ending:
            for key, _ in self._selector.select(0.1):
                ours: Any = key.fileobj
                data = ours.recv(65536)
                self.reads[key.data] += 1
                self.logs[key.data] += data
                if not data:
                    self._selector.unregister(ours)
                    ours.close()

    def close(self) -> None:
        """Stop, with what has come by now."""
        self._ending = True
        self._thread.join()


@dataclass(frozen=True)
class Lab:
    """Where the clients play, and which ffmpeg they are."""

    made: Origin
    program: FFmpegProgram
    label: str

    def agent(self, variant: Variant, part: str) -> str:
        """The user agent of all clients of a variant."""
        return f"{self.label}/{VARIANTS.index(variant)}/{part}"

    def start(self, variant: Variant, part: str, client: int, its: socket.socket) -> int:
        """A client's PID."""
        path = "vod/vod.m3u8" if part == "vod" else "stream.m3u8"
        url = self.made.url("normal").replace("stream.m3u8", path)
        options = ClientOptions(url, user_agent=self.agent(variant, part))
        words = list(
            client_command(self.program.path, self.program.version, options, client=client)
        )
        words = [word for word in words if word not in variant.less]
        if variant.log_level:
            words[words.index("-loglevel") + 1] = variant.log_level
        at = words.index("-http_persistent")
        words[at:at] = variant.more
        words[-1:-1] = variant.output
        changed = {"PATH": os.defpath, _ARENA: "1", **variant.environment}
        environment = {name: value for name, value in changed.items() if value is not None}
        null = os.open(os.devnull, os.O_RDWR)
        actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1)]
        actions.append((os.POSIX_SPAWN_DUP2, its.fileno(), 2))
        pid = os.posix_spawn(words[0], words, environment, file_actions=actions)
        os.close(null)
        its.close()
        return pid


def starts(lab: Lab) -> dict[str, dict[str, Any]]:
    """Each variant plays the VOD, in turns."""
    listener = Listener()
    cpu: dict[str, list[float]] = {variant.name: [] for variant in VARIANTS}
    failed = set()
    for number in range(START_ROUNDS):
        for variant in random.sample(VARIANTS, len(VARIANTS)):
            pid = lab.start(variant, "vod", number + 1, listener.take(f"{variant.name}/{number}"))
            _, status, usage = os.wait4(pid, 0)
            cpu[variant.name].append(usage.ru_utime + usage.ru_stime)
            if status:
                failed.add(variant.name)
    time.sleep(0.3)
    listener.close()
    found = {}
    wanted: list[tuple[str, int, int]] = []
    for variant in VARIANTS:
        agent = lab.agent(variant, "vod")
        lines = [
            (line.uri, line.status, line.body_bytes)
            for line in read_log(lab.made.log("normal"), agent)
        ]
        wanted = wanted or sorted(lines)
        told = 0
        for number in range(START_ROUNDS):
            sink = Counts()
            parser = FFmpegLogParser(sink)  # type: ignore[arg-type]
            parser.feed(bytes(listener.logs[f"{variant.name}/{number}"]), 0.0)
            parser.close(0.0)
            told += sink.requests
        found[variant.name] = {
            "start_cpu_seconds": statistics.median(cpu[variant.name]),
            "same_requests": variant.name not in failed and sorted(lines) == wanted,
            "all_told": told == len(wanted),
        }
    return found


def live(lab: Lab) -> dict[str, dict[str, Any]]:
    """Each variant plays the live stream, side by side."""
    listener = Listener()
    pids: dict[str, list[int]] = {variant.name: [] for variant in VARIANTS}
    for number in range(LIVE_CLIENTS):
        for variant in VARIANTS:
            its = listener.take(variant.name)
            pids[variant.name].append(lab.start(variant, "live", number + 1, its))
            time.sleep(0.03)
    time.sleep(SETTLE_SECONDS / 2)
    early = {name: [pss_bytes(pid) or 0 for pid in own] for name, own in pids.items()}
    time.sleep(SETTLE_SECONDS / 2)
    before = {name: [_ran_seconds(pid) for pid in own] for name, own in pids.items()}
    written = {
        name: (listener.reads[name], listener.logs[name].count(b"\n"), len(listener.logs[name]))
        for name in pids
    }
    time.sleep(LIVE_SECONDS)
    minute = 60 / LIVE_SECONDS
    found = {}
    for name, own in pids.items():
        used = [_ran_seconds(pid) - was for pid, was in zip(own, before[name], strict=True)]
        now = (listener.reads[name], listener.logs[name].count(b"\n"), len(listener.logs[name]))
        reads, lines, size = (
            (there - was) * minute / len(own) for there, was in zip(now, written[name], strict=True)
        )
        found[name] = {
            "cpu_seconds_per_minute": statistics.median(used) * minute,
            "early_pss_bytes": statistics.median(early[name]),
            "pss_bytes": statistics.median(pss_bytes(pid) or 0 for pid in own),
            "reads_per_minute": reads,
            "log_lines_per_minute": lines,
            "log_bytes_per_minute": size,
        }
    for own in pids.values():
        for pid in own:
            os.kill(pid, 15)
            os.waitpid(pid, 0)
    listener.close()
    return found


def _ran_seconds(pid: int) -> float:
    """CPU time of all threads, to the nanosecond (sched-stats, /proc/PID/task/*/schedstat)."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def measure(programs: Mapping[str, FFmpegProgram]) -> dict[str, Any]:
    """Everything, as it goes into the JSON."""
    root = Path(tempfile.mkdtemp(prefix="hlsflags-", dir="/tmp"))
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "start_rounds": START_ROUNDS,
        "live_clients": LIVE_CLIENTS,
        "ffmpegs": {},
    }
    try:
        with origin(root, {"normal": free_port()}) as made:
            _keep_a_vod(root / "media")
            for label, program in programs.items():
                lab = Lab(made, program, label)
                first, second = starts(lab), live(lab)
                rows = {name: {**first[name], **second[name]} for name in first}
                document["ffmpegs"][label] = {"version": program.version.text, "variants": rows}
    finally:
        shutil.rmtree(root, ignore_errors=True)
    document["load_average"] = os.getloadavg()[0]
    return document


def _keep_a_vod(media: Path) -> None:
    """The first segments of the live stream, as a presentation that ends."""
    vod = media / "vod"
    vod.mkdir()
    names = [f"segment-{number}.ts" for number in range(3)]
    for name in names:
        shutil.copy(media / name, vod / name)
    entries = "".join(f"#EXTINF:2.0,\n{name}\n" for name in names)
    head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n"
    (vod / "vod.m3u8").write_text(f"{head}{entries}#EXT-X-ENDLIST\n")


def tables(document: Mapping[str, Any]) -> str:
    """A table for each ffmpeg, as Markdown."""
    parts = []
    for label, part in document["ffmpegs"].items():
        rows = part["variants"]
        parts.append(f"**{label}** (ffmpeg {part['version']})\n")
        parts.append(
            "| | start CPU | CPU a minute | memory after 6 s | after 36 s | reads a minute "
            "| same requests, all told |"
        )
        parts.append("|---|---:|---:|---:|---:|---:|---|")
        base = rows[VARIANTS[0].name]
        for name, row in rows.items():
            cells = [
                _cell(row, base, "start_cpu_seconds", 1e3, "ms"),
                _cell(row, base, "cpu_seconds_per_minute", 1e3, "ms"),
                _cell(row, base, "early_pss_bytes", 1e-6, "MB"),
                _cell(row, base, "pss_bytes", 1e-6, "MB"),
                f"{row['reads_per_minute']:.0f}",
                "yes" if row["same_requests"] and row["all_told"] else "no",
            ]
            parts.append(f"| {name} | " + " | ".join(cells) + " |")
        parts.append("")
    return "\n".join(parts)


def _cell(
    row: Mapping[str, Any], base: Mapping[str, Any], key: str, scale: float, unit: str
) -> str:
    if row is base:
        return f"{row[key] * scale:.1f} {unit}"
    return f"{(row[key] / base[key] - 1) * 100:+.0f} %"


def main(words: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="bench.client_flags", description=__doc__.splitlines()[0])
    parser.add_argument("--ffmpeg", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--docs", type=Path, metavar="FILE", help="put the tables into this text")
    parser.add_argument("--show", action="store_true", help="measure nothing: take FILE of --json")
    options = parser.parse_args(words)
    if options.show:
        document = json.loads(options.json.read_text())
    else:
        named = dict(text.split("=", 1) for text in options.ffmpeg)
        programs = {name: find_ffmpeg(path) for name, path in named.items()}
        minimal = find_client_ffmpeg("auto")
        if not programs:
            programs = {"Debian": find_ffmpeg(None)} | (
                {"minimal": minimal} if minimal.minimal else {}
            )
        document = measure(programs)
        if options.json:
            options.json.write_text(json.dumps(document, indent=1) + "\n")
    text = tables(document)
    print(text)
    if options.docs:
        whole = options.docs.read_text()
        head, tail = whole.split(_TABLES[0])[0], whole.split(_TABLES[1])[1]
        options.docs.write_text(f"{head}{_TABLES[0]}\n\n{text}\n{_TABLES[1]}{tail}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
