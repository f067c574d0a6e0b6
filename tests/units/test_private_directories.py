"""An embedded manager leaves no private directory of its clients in /tmp, however it ends."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from hlsswarm.units import embedded
from hlsswarm.units.private_directories import boot_id
from tests.support import Place, place, processes_with, wait_for

RUN = "private"
_CLIENT = '#!/bin/sh\n[ "$1" != -version ] || { echo "ffmpeg version 5.1 x"; exit; }\nsleep 600\n'


def words(where: Place, *more: str) -> tuple[str, ...]:
    """A run of three clients that sleep, all of them in the whole sandbox."""
    program = where.root / "ffmpeg"
    program.write_text(_CLIENT)
    program.chmod(0o755)
    own = ("--manager", "embedded", "--run-id", RUN, "--ffmpeg", str(program), "--metrics", "off")
    ramp = ("--skip-preflight", "--clients", "3", "--ramp-rate", "0")
    return ("run", *own, *ramp, *more, "http://127.0.0.1:1/s.m3u8")


def left(where: Place) -> list[Path]:
    mark = boot_id(embedded.directory_in(where.runtime_directory)).hex
    return [path for top in ("/tmp", "/var/tmp") for path in Path(top).glob(f"*{mark}*")]


def pid(where: Place, word: str) -> int:
    [line] = [line for line in processes_with(str(where.root)) if word in line]
    return int(line.split()[1].rstrip(":"))


def test_stopped() -> None:
    """In order: the manager exits before a thread of its own has removed them."""
    with place() as where:
        where.run(*words(where, "--duration", "1s"))
        assert left(where) == []
        where.nothing_left()


@pytest.mark.parametrize("victims", [("systemd --user",), ("embedded_keeper", "systemd --user")])
def test_killed(victims: tuple[str, ...]) -> None:
    with place() as where:
        command = where.start(*words(where))
        wait_for("private directories", lambda: len(left(where)) == 6)
        for victim in [pid(where, word) for word in victims]:
            os.kill(victim, signal.SIGKILL)
        command.finished()
        where.run("stop", "--all")
        wait_for("an end", lambda: not left(where))
        where.nothing_left()
