"""What does it cost, and how far does it go? Measures it, part by part, and says what was met.

    python -m bench [--only PART,…] [--quick] [--peer NAME=PATH]… [--json FILE] [--docs]

Each part's results are written as soon as they are there, so that a bench that was broken off can
go on with the parts that are missing (`--missing`). Exit status 0 when all goals that were measured
are met, 1 when one is not, 2 when a part could not be measured.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench import graph, machine, parts, results, tables
from bench.origin import OriginError
from bench.parts import (
    Peer,
    Work,
    capacity,
    clients,
    controller,
    dbus,
    peers,
    ramp,
    reports,
    startup,
    thousand,
)
from bench.place import BenchError, Place, place, program_path
from bench.sizes import FULL, QUICK, Sizes
from bench.truth import REPOSITORY
from hlsswarm.errors import HlsSwarmError

PARTS: Final[Mapping[str, Callable[[Work], parts.Document]]] = {
    "startup": startup.measure,
    "dbus": dbus.measure,
    "clients": clients.measure,
    "ramp": ramp.measure,
    "controller": controller.measure,
    "thousand": thousand.measure,
    "report": reports.measure,
    "peers": peers.measure,
    "capacity": capacity.measure,
}
"""In the order in which they are measured: the one that may exhaust the machine comes last."""
DEFAULT_JSON: Final = REPOSITORY / ".cache" / "bench" / "results.json"
DOCS: Final = REPOSITORY / "docs" / "performance.md"
DOCS_DIRECTORY: Final = REPOSITORY / "docs" / "performance"
RESULTS_FILE: Final = "results.json"
GRAPH_FILE: Final = "cost.svg"


def _say(text: str) -> None:
    print(text, flush=True)


def _peer(text: str) -> Peer:
    name, sign, path = text.partition("=")
    if not sign or name not in peers.PEERS:
        raise argparse.ArgumentTypeError(
            f"NAME=PATH is wanted, NAME one of {', '.join(peers.PEERS)}"
        )
    if not os.access(path, os.X_OK):
        raise argparse.ArgumentTypeError(f"{path} is no program")
    return Peer(name, Path(path).resolve())


def _names(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    if unknown := [name for name in names if name not in PARTS]:
        raise argparse.ArgumentTypeError(f"no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    return names


def options(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures hlsswarm.")
    parser.add_argument(
        "--only", type=_names, metavar="PART,…", help=f"only these of {', '.join(PARTS)}"
    )
    parser.add_argument("--missing", action="store_true", help="only what the JSON does not have")
    parser.add_argument("--quick", action="store_true", help="small, to see that it works")
    parser.add_argument(
        "--capacity",
        type=lambda text: tuple(int(word) for word in text.split(",")),
        metavar="N,…",
        help="the steps of the search for the largest swarm",
    )
    parser.add_argument(
        "--peer",
        type=_peer,
        action="append",
        default=[],
        metavar="NAME=PATH",
        help=f"another load generator to measure beside ours: {', '.join(peers.PEERS)}",
    )
    parser.add_argument("--peer-ffmpeg", metavar="PATH", help="the ffmpeg for peers that need one")
    parser.add_argument(
        "--json", type=Path, default=DEFAULT_JSON, metavar="FILE", help=f"({DEFAULT_JSON})"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="forget what the JSON has, instead of adding to it"
    )
    parser.add_argument("--svg", type=Path, metavar="FILE", help="(cost.svg beside the JSON)")
    parser.add_argument(
        "--docs", action="store_true", help="put tables, JSON and graph into docs/ (full size only)"
    )
    parser.add_argument(
        "--show", action="store_true", help="measure nothing: tables and graph of the JSON"
    )
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, and write; the exit status."""
    asked = options(words)
    signal.signal(signal.SIGTERM, _terminated)  # what was started is ended on the way out
    failed: list[str] = []
    try:
        document = _known(asked)
        if not asked.show:
            with place() as where:
                document, failed = _measured(asked, where, document)
        if document is None:
            raise BenchError(f"there is nothing in {asked.json} yet")
    except (BenchError, OriginError, HlsSwarmError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bench: broken off; `--missing` goes on.", file=sys.stderr)
        return 130
    _print_tables(document)
    _write(asked.svg or asked.json.parent / GRAPH_FILE, graph.svg(document))
    if asked.docs:
        if document["quick"]:
            print("bench: a quick bench is nothing for docs/.", file=sys.stderr)
            return 2
        write_docs(document, DOCS, DOCS_DIRECTORY)
        _say(f"Written: {DOCS}")
    if failed:
        _say(f"Not measured: {', '.join(failed)}")
        return 2
    return 1 if any(goal.met is False for goal in results.goals(document)) else 0


def _terminated(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _known(asked: argparse.Namespace) -> dict[str, Any] | None:
    """What has been measured before, if it is to be added to. Raises BenchError."""
    if asked.fresh or not asked.json.exists():
        return None
    try:
        document: dict[str, Any] = json.loads(asked.json.read_text())
    except ValueError as error:
        raise BenchError(f"{asked.json} cannot be read: {error}; --fresh begins anew") from None
    if document.get("schema") != results.SCHEMA:
        raise BenchError(f"{asked.json} is not of schema {results.SCHEMA}; --fresh begins anew")
    return document


def _measured(
    asked: argparse.Namespace, where: Place, document: dict[str, Any] | None
) -> tuple[dict[str, Any], list[str]]:
    """The document with what was measured now, and the names of parts that failed."""
    sizes: Sizes = QUICK if asked.quick else FULL
    if asked.capacity:
        sizes = _with_steps(sizes, asked.capacity)
    ffmpegs = {name: program_path(name, where.ffmpegs) for name in where.ffmpegs}
    if asked.peer_ffmpeg:
        ffmpegs["of peers"] = asked.peer_ffmpeg
    here = machine.describe(ffmpegs)
    if document is None:
        document = results.fresh(here, quick=asked.quick)
    elif not machine.same_machine(document["machine"], here) or document["quick"] != asked.quick:
        raise BenchError(
            f"{asked.json} is of another machine or size: --fresh begins anew, --json elsewhere"
        )
    names = asked.only or [name for name in PARTS if name != "peers" or asked.peer]
    if asked.missing:
        names = [name for name in names if name not in document["parts"]]
    _check(names, sizes)
    if "minimal" not in where.ffmpegs:
        _say("Clients are Debian's ffmpeg: there is no minimal one (`hlsswarm ffmpeg build`).")
    work = Work(where, sizes, lambda text: _say(f"  {text}"), asked.peer, asked.peer_ffmpeg)
    failed = []
    for name in names:
        began, load = time.monotonic(), os.getloadavg()[0]
        _say(f"{name} (load {load:.1f}) …")
        try:
            found = PARTS[name](work)
        except (BenchError, OSError) as error:
            _say(f"  failed: {error}")
            failed.append(name)
            continue
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        took = round(time.monotonic() - began, 1)
        part = {"measured_at": now, "took_seconds": took, "load_before": load, **found}
        document = results.merged(document, here, name, part)
        _write(asked.json, _text(document))
        _say(f"{name}: {took:.0f} s\n\n{tables.table(document, name)}\n")
    return document, failed


def _with_steps(sizes: Sizes, steps: tuple[int, ...]) -> Sizes:
    return Sizes(**{**vars(sizes), "capacity": steps})


def _check(names: Sequence[str], sizes: Sizes) -> None:
    """Raise BenchError, with the doctor's sentence, for parts that this machine cannot run."""
    largest = {"controller": max(sizes.controller_clients), "thousand": sizes.thousand}
    largest["ramp"] = max(clients for _, clients in sizes.ramps)
    clients = max((count for name, count in largest.items() if name in names), default=0)
    refused = clients and machine.refusals(clients, ffmpeg="auto", measure="exact", rate=50)
    if refused:
        some = ",".join(name for name in names if name not in largest) or "startup,dbus"
        raise BenchError(f"{refused[0]} What can be measured here: --only {some}")


def _print_tables(document: Mapping[str, Any]) -> None:
    for name in ("machine", *(name for name in PARTS if name in document["parts"]), "goals"):
        _say(f"{name}\n\n{tables.table(document, name)}\n")


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_docs(document: Mapping[str, Any], page: Path, directory: Path) -> None:
    """Put the results into a page that has places for them, and the raw ones beside it."""
    _write(page, tables.with_tables(page.read_text(), document))
    _write(directory / RESULTS_FILE, _text(document))
    _write(directory / GRAPH_FILE, graph.svg(document))


if __name__ == "__main__":
    sys.exit(main())
