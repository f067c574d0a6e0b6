"""What a service of ours has said: finds its log by a word, reads its last lines, follows it.

    hlsswarm-encoders-encoder-live.cam1.service     the full name, as `status --units` shows it
    encoders-encoder-live.cam1, encoder-live.cam1   parts of it
    live/cam1                                       the name as `encoder list` shows it
    evening                                         a rig's swarm: what has happened to it

A service's stderr goes to a file in its run's directory (names.log_file). What is not there may
be in the journal, of the managers that have one. Messages of clients are taken in as telemetry.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hlsswarm.controller import runs
from hlsswarm.controller.log_tail import last_lines, messages
from hlsswarm.core import names
from hlsswarm.errors import PreflightError, UsageError
from hlsswarm.units.runtime_directory import runtime_directory

_LOOK_SECONDS = 0.2
_SHOWN_MAX = 12
_TERMINAL_RIG = "rig"
"""The run of a rig's daemon that somebody has started on a terminal: it tells its events there."""


@dataclass(frozen=True)
class ServiceLog:
    """Where a service's messages are: a file, or (`file` is None) its manager's journal."""

    unit: str
    manager: str
    file: Path | None
    swarm: str = ""
    """Of a rig's swarm its name: the journal then has what the rig's daemon told of it."""


def find_log(kind: str, word: str) -> ServiceLog:
    """The log that `word` means. Raises UsageError for none, several, or a client's."""
    there = _logs(kind)
    found = [log for log in there if word in short_forms(log.unit)]
    if not found and (swarm := _swarm_log(word, there)) is not None:
        return swarm
    if not found:
        known = [_shortest(log.unit) for log in there if not _is_client(log.unit)]
        more = ", …" if len(known) > _SHOWN_MAX else ""
        raise UsageError(
            f"Nothing of hlsswarm is named {word!r}.",
            hint=f"There is {', '.join(known[:_SHOWN_MAX])}{more}." if known else "Nothing runs.",
        )
    if len(found) > 1:
        units = ", ".join(log.unit for log in found[:_SHOWN_MAX])
        raise UsageError(f"{word!r} may be one of several.", hint=f"Choose: {units}.")
    if _is_client(found[0].unit):
        raise UsageError(
            "Messages of clients are counted while they come, and not kept.",
            hint="`hlsswarm run --verbose URL` tells them; the summary has errors by class.",
        )
    return found[0]


def _swarm_log(word: str, there: list[ServiceLog]) -> ServiceLog | None:
    """The log of a swarm. Raises UsageError where nobody writes one."""
    clients = [log for log in there if _is_client(log.unit) and _run(log.unit) == word]
    if not clients:
        return None
    has_terminal = any(_run(log.unit) == _TERMINAL_RIG for log in there)
    if clients[0].manager != "system" or has_terminal:
        raise UsageError(
            f"The journal has nothing of swarm {word}.",
            hint="`hlsswarm rig events` shows what a rig's daemon keeps.",
        )
    return ServiceLog(names.run_slice(word), clients[0].manager, None, swarm=word)


def _run(unit: str) -> str:
    parsed = names.parse_unit(unit)
    return parsed.run if parsed is not None else ""


def short_forms(unit: str) -> frozenset[str]:
    """Every word that may mean this unit."""
    parsed = names.parse_unit(unit)
    if parsed is None:
        return frozenset({unit})
    whole = unit.removesuffix(".service")
    role = f"{parsed.role}-{parsed.member}" if parsed.member else parsed.role
    member = {parsed.member, parsed.member.replace(".", "/")} if parsed.member else set()
    return frozenset({unit, whole, f"{parsed.run}-{role}", role, *member})


def _shortest(unit: str) -> str:
    """The word for a unit that people are told: an encoder's name, else role and member."""
    parsed = names.parse_unit(unit)
    if parsed is None or not parsed.member:
        return unit
    return parsed.member.replace(".", "/")


def _is_client(unit: str) -> bool:
    parsed = names.parse_unit(unit)
    return parsed is not None and parsed.role == "client"


def _logs(kind: str) -> list[ServiceLog]:
    """Of all services that systemd has, and of those that are gone while their run is there."""
    found = []
    for run in runs.status(kind):
        directory = runtime_directory() / run.run
        files = {
            f"hlsswarm-{run.run}-{path.stem}.service": path for path in directory.glob("*.log")
        }
        for unit in sorted({unit.name for unit in run.units} | files.keys()):
            if names.parse_unit(unit) is not None:
                found.append(ServiceLog(unit, run.manager, files.get(unit)))
    return found


def show(log: ServiceLog, lines: int, say: Callable[[str], None], *, follow: bool) -> None:
    """Say the last `lines` of a log, and with `follow` what comes, until the service is gone.

    Raises PreflightError where there is neither a file nor a journal.
    """
    if log.file is None:
        _show_journal(log, lines, follow=follow)
        return
    # Before the lines are read: what comes in between is said twice rather than never.
    position = _size(log.file)
    found = last_lines(log.file, lines)
    for line in found or ([] if follow or lines == 0 else [f"{log.unit} has said nothing yet."]):
        say(line)
    while follow and _is_there(log):
        time.sleep(_LOOK_SECONDS)
        position = _say_new(log.file, position, say)


def _say_new(log: Path, position: int, say: Callable[[str], None]) -> int:
    """Say the whole lines behind `position`; where they end. A log that was cut begins anew."""
    if _size(log) < position:
        position = 0
    try:
        with log.open("rb") as file:
            file.seek(position)
            new = file.read()
    except OSError:
        return position
    whole = new[: new.rfind(b"\n") + 1]
    for line in messages(whole.decode(errors="replace")):
        say(line)
    return position + len(whole)


def _size(log: Path) -> int:
    try:
        return log.stat().st_size
    except OSError:
        return 0


def _is_there(log: ServiceLog) -> bool:
    return any(unit.name == log.unit for run in runs.status(log.manager) for unit in run.units)


def _show_journal(log: ServiceLog, lines: int, *, follow: bool) -> None:
    journalctl = shutil.which("journalctl")
    if log.manager == "embedded" or journalctl is None:
        raise PreflightError(
            f"{log.unit} has left no messages.",
            hint="The embedded manager has no journal." if journalctl else None,
        )
    words = [journalctl, "--no-pager", f"--lines={lines}", *(["--follow"] if follow else [])]
    if log.swarm:
        words += ["--output=short-iso", f"HLSSWARM_SWARM={log.swarm}"]
    else:
        words += ["--unit" if log.manager == "system" else "--user-unit", log.unit]
    subprocess.run(words, check=False, stdin=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"})
