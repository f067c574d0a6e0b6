"""Does the swarm tell the truth? Its summary beside nginx's log, scenario by scenario.

    python -m bench.truth [--ffmpeg VERSION=PATH]… [--scenario NAME]… [--json FILE] [--docs FILE]

Each run is `hlsswarm run --measure exact` as a user starts it, against an origin of the bench's
own (bench/origin.py). Exit status 1 when a difference is larger than allowed (bench/compare.py).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.compare import Row, compare, read_log, table
from bench.origin import OUTAGE_SECONDS, SCENARIOS, Origin, OriginError, Outage, origin

SCHEMA: Final = "hlsswarm.truth/1"
REPOSITORY: Final = Path(__file__).resolve().parent.parent

_START_SECONDS: Final = 60.0
# Starting is most of a client's work: more at once would measure the machine.
_RAMP_PER_SECOND: Final = 5
# Well below the outage, so that clients give up and come again while it lasts.
_OUTAGE_TIMEOUT_SECONDS: Final = 6
_HEALTHY_BEFORE_OUTAGE_SECONDS: Final = 4.0
# nginx logs a request whose client was stopped when it next looks at the connection.
_LOG_SECONDS: Final = 2.5
# healthy or at_limit, failing: the run itself is as it should be.
_STATUSES: Final = {0, 99}
# What stands between these lines of a text is the tables' place.
_TABLES: Final = ("<!-- tables: made by `make -C bench truth` -->", "<!-- end of tables -->")


class TruthError(Exception):
    """A run came to nothing; the message says why."""


@dataclass(frozen=True)
class Program:
    """An ffmpeg that clients are; `version` is None when it was not told."""

    path: str
    version: str | None = None


@dataclass(frozen=True)
class Result:
    """One run, from both sides."""

    scenario: str
    summary: Mapping[str, Any]
    rows: Sequence[Row]
    cut_off: int
    """Requests that were open when the clients were stopped."""
    given_up: int
    """Requests that clients had given up before nginx looked at them."""
    load: float
    """The machine's load average (1 min) at the end."""

    @property
    def ffmpeg(self) -> str:
        """The clients' version, as the summary has it."""
        return str(self.summary["ffmpeg"]["version"])

    @property
    def broken(self) -> list[Row]:
        """Figures that differ by more than is allowed."""
        return [row for row in self.rows if not row.holds]

    def row(self, figure: str) -> Row:
        """The row of a figure."""
        return next(row for row in self.rows if row.figure == figure)

    def as_text(self) -> str:
        """Heading and table, as Markdown."""
        counted, sessions = self.summary["clients"], self.summary["sessions"]
        return (
            f"### ffmpeg {self.ffmpeg.partition('-')[0]}, {self.scenario}\n\n"
            f"{counted['started']} clients, {self.summary['duration_seconds']:.0f} s, verdict "
            f"`{self.summary['verdict']}`; {sessions['started']} sessions, "
            f"{sessions['failed']} of them failed; open at the end: {self.cut_off}"
            + (f"; given up before nginx looked: {self.given_up}" if self.given_up else "")
            + f".\n\n{table(self.rows)}\n"
        )

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "scenario": self.scenario,
            "ffmpeg": self.ffmpeg,
            "clients": self.summary["clients"]["started"],
            "seconds": self.summary["duration_seconds"],
            "cut_off": self.cut_off,
            "given_up": self.given_up,
            "load": self.load,
            "holds": not self.broken,
            "rows": [row.as_dict() for row in self.rows],
            "summary": self.summary,
        }


def run(
    made: Origin,
    scenario: str,
    program: Program,
    *,
    clients: int,
    seconds: float,
    label: str,
    environment: Mapping[str, str],
    measure: str = "exact",
) -> Result:
    """One run of a swarm in a scenario. Raises TruthError."""
    agent, out = f"hlsswarm/{label}", made.root / f"{label}.json"
    words = ["run", made.url(scenario), "--clients", str(clients)]
    words += ["--ramp-rate", str(min(clients, _RAMP_PER_SECOND))]
    words += ["--duration", f"{seconds:g}s", "--measure", measure, "--ffmpeg", program.path]
    words += ["--user-agent", agent, "--json", str(out), "--metrics", "off"]
    if scenario == "outage":
        words += ["--timeout", f"{_OUTAGE_TIMEOUT_SECONDS}s"]
    said = made.root / f"{label}.txt"
    outage: Outage | None = None
    with said.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "hlsswarm", *words],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd=made.root,
            env=dict(environment),
        )
        try:
            if scenario == "outage":
                _wait_for_clients(made, process, agent, clients)
                time.sleep(_HEALTHY_BEFORE_OUTAGE_SECONDS)
                outage = made.stand_still(scenario)
            status = process.wait(_START_SECONDS + seconds)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if status not in _STATUSES:
        raise TruthError(f"{label}: exit status {status}: {said.read_text()[-800:]}")
    time.sleep(_LOG_SECONDS)
    summary = json.loads(out.read_text())
    version = str(summary["ffmpeg"]["version"])
    if program.version is not None and not version.startswith(program.version):
        raise TruthError(f"{program.path} is ffmpeg {version}, not {program.version}.")
    lines = read_log(made.log(scenario), agent, outage)
    return Result(
        scenario,
        summary,
        compare(summary, lines),
        sum(line.is_cut_off for line in lines),
        sum(line.given_up for line in lines),
        os.getloadavg()[0],
    )


def _wait_for_clients(
    made: Origin, process: subprocess.Popen[bytes], agent: str, clients: int
) -> None:
    """Wait until each client has got a segment."""
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        lines = read_log(made.log("outage"), agent)
        if len({line.client for line in lines if line.is_segment and line.is_whole}) == clients:
            return
        time.sleep(0.1)
    raise TruthError(f"{agent}: the clients do not start")


@contextlib.contextmanager
def place() -> Iterator[tuple[Path, dict[str, str]]]:
    """A directory and an environment for runs of hlsswarm; what they leave is stopped."""
    # Short: the paths of sockets below it must fit.
    root = Path(tempfile.mkdtemp(prefix="hlstruth-", dir="/tmp"))
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("HLSSWARM_")},
        "HLSSWARM_RUNTIME_DIR": str(root / "r"),
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    try:
        yield root, environment
    finally:
        if (root / "r").exists():
            command = [sys.executable, "-m", "hlsswarm", "stop", "--all"]
            subprocess.run(command, env=environment, check=False, stdout=subprocess.DEVNULL)
        shutil.rmtree(root, ignore_errors=True)


def _program(text: str) -> Program:
    version, sign, path = text.partition("=")
    if not sign or not version or not path:
        raise argparse.ArgumentTypeError(f"VERSION=PATH is wanted, not {text!r}")
    return Program(path, version)


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.truth", description="hlsswarm's summary beside nginx's log."
    )
    parser.add_argument(
        "--ffmpeg",
        type=_program,
        action="append",
        metavar="VERSION=PATH",
        help="an ffmpeg to try (may be repeated; default: the one in PATH)",
    )
    parser.add_argument(
        "--scenario", choices=SCENARIOS, action="append", help="only this (may be repeated)"
    )
    parser.add_argument("--clients", type=int, default=20, metavar="N", help="(default 20)")
    parser.add_argument(
        "--seconds", type=float, default=40.0, metavar="T", help="of each run (default 40)"
    )
    parser.add_argument(
        "--port", type=int, default=18500, help="the first of four ports (default 18500)"
    )
    parser.add_argument("--measure", choices=("exact", "light"), default="exact")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything to this file")
    parser.add_argument(
        "--docs", type=Path, metavar="FILE", help="put the tables into this text, as docs/truth.md"
    )
    parser.add_argument("--keep-logs", type=Path, metavar="DIR", help="copy nginx's logs there")
    options = parser.parse_args(words)
    if "outage" in (options.scenario or SCENARIOS) and options.seconds < OUTAGE_SECONDS + 20:
        parser.error(f"an outage needs --seconds {OUTAGE_SECONDS + 20:g} at least")
    return options


def main(words: Sequence[str] | None = None) -> int:
    """Run everything; 0 when all bounds hold, 1 when one does not, 2 when a run failed."""
    options = _options(words)
    programs = options.ffmpeg or [Program("ffmpeg")]
    scenarios = options.scenario or SCENARIOS
    results: list[Result] = []
    with place() as (root, environment):
        ports = {name: options.port + index for index, name in enumerate(SCENARIOS)}
        try:
            with origin(root, ports) as made:
                for index, program in enumerate(programs):
                    for scenario in scenarios:
                        result = run(
                            made,
                            scenario,
                            program,
                            clients=options.clients,
                            seconds=options.seconds,
                            label=f"{scenario}-{index}",
                            environment=environment,
                            measure=options.measure,
                        )
                        results.append(result)
                        print(result.as_text(), flush=True)
        except (OriginError, TruthError) as error:
            print(f"truth: {error}", file=sys.stderr)
            return 2
        finally:
            if options.keep_logs is not None:
                options.keep_logs.mkdir(parents=True, exist_ok=True)
                for path in [*root.glob("*.log"), *root.glob("*.txt"), *root.glob("*.json")]:
                    shutil.copy(path, options.keep_logs)
            if options.json is not None:
                options.json.write_text(_document(results))
    if options.docs is not None:
        options.docs.write_text(with_tables(options.docs.read_text(), results))
    broken = [(result, row) for result in results for row in result.broken]
    for result, row in broken:
        print(
            f"broken: ffmpeg {result.ffmpeg}, {result.scenario}: {row.figure}: "
            f"{row.ours:g} is not {row.nginx:g} (load {result.load:.1f})"
        )
    print(f"{len(results)} runs, {len(broken)} bounds broken")
    return 1 if broken else 0


def with_tables(text: str, results: Sequence[Result]) -> str:
    """A text with the tables of these results in their place. Raises ValueError without one."""
    begin, end = (text.index(mark) for mark in _TABLES)
    tables = "\n".join(result.as_text() for result in results)
    return f"{text[:begin]}{_TABLES[0]}\n\n{tables}\n{text[end:]}"


def _document(results: Sequence[Result]) -> str:
    document = {
        "schema": SCHEMA,
        "machine": {"processors": os.cpu_count(), "kernel": platform.release()},
        "results": [result.as_dict() for result in results],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
