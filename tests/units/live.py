"""A real manager for tests, of the kind that $HLSSWARM_TEST_MANAGER names: embedded by default.

`live` opens it once for a test file; `a_run` is a run of one test in it, with a stderr socket.
test_every_manager runs the same files on the other kinds.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from hlsswarm.core import names
from hlsswarm.core.backoff import Backoff
from hlsswarm.core.unit_specs import (
    Abilities,
    Limits,
    Property,
    RestartPolicy,
    UnitSpec,
    client_spec,
    slice_spec,
)
from hlsswarm.errors import UnitError
from hlsswarm.units.abilities import probe
from hlsswarm.units.bus import SERVICE_INTERFACE, unit_path
from hlsswarm.units.connect import connect, release
from hlsswarm.units.manager import SystemdManager
from hlsswarm.units.runtime_directory import ENVIRONMENT, locked
from tests.support import wait_for

KIND = os.environ.get("HLSSWARM_TEST_MANAGER", "embedded")
PATIENT = Backoff(60, 60)
"""For units that are not to come back within a test."""
_HOLD = "hold"
_T = TypeVar("_T")


def python(program: str, *arguments: str) -> tuple[str, ...]:
    """Command of a small Python program; sys.argv[1:] are the arguments."""
    return (sys.executable, "-I", "-S", "-c", program, *arguments)


def shell(script: str, *arguments: str) -> tuple[str, ...]:
    """Command of a shell script; $1 and so on are the arguments."""
    return ("/bin/sh", "-c", script, "sh", *arguments)


SLEEP = shell("exec sleep 3600")


@dataclass(frozen=True)
class Live:
    """A manager that runs, and what it was found able to do."""

    manager: SystemdManager
    abilities: Abilities

    def play(self, scenario: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Run a scenario in a loop that hears systemd's signals."""

        async def heard() -> _T:
            self.manager.listen()
            try:
                return await scenario()
            finally:
                self.manager.unlisten()

        return asyncio.run(heard())


@dataclass
class Run:
    """A run of one test: its slice, its directory, and a socket that takes in stderr unread."""

    live: Live
    run: str
    directory: Path
    stderr: socket.socket

    @property
    def stderr_path(self) -> Path:
        """Where the units' stderr goes."""
        return self.directory / "stderr.sock"

    def spec(
        self,
        client: int,
        command: tuple[str, ...],
        *,
        abilities: Abilities | None = None,
        backoff: Backoff = PATIENT,
        limits: Limits | None = None,
        stop_timeout_seconds: float = 2.0,
    ) -> UnitSpec:
        """The product's own unit of a client, with another command."""
        return client_spec(
            self.run,
            client,
            command,
            abilities=abilities or self.live.abilities,
            telemetry_socket=self.stderr_path,
            restart=RestartPolicy(backoff, 1),
            limits=limits or Limits(memory_max_bytes=64 << 20, tasks_max=16),
            stop_timeout_seconds=stop_timeout_seconds,
        )

    def start(self, *specs: UnitSpec) -> None:
        """Start units and wait until their programs run."""
        manager = self.live.manager

        async def all_started() -> None:
            await asyncio.gather(*(manager.start_and_wait(spec) for spec in specs))

        self.live.play(all_started)

    def queue(self, *specs: UnitSpec) -> None:
        """Start units without a look at their jobs: those of programs that fail at once fail."""
        for spec in specs:
            self.live.manager.start(spec)

    def stop(self) -> list[str]:
        """Stop the whole run as the product does; what is left."""
        return self.live.play(lambda: self.live.manager.stop_run(self.run, timeout_seconds=15))

    def unit(self, client: int) -> str:
        """Name of a client's unit."""
        return names.client_unit(self.run, client)

    def main_pid(self, client: int) -> int:
        """Its main process."""
        return self.live.manager.service_state(self.unit(client)).main_pid

    def restart_counter(self, client: int) -> int:
        """How often systemd has restarted it (NRestarts)."""
        bus = self.live.manager.endpoint.open()
        try:
            path = unit_path(self.unit(client))
            return int(bus.get(path, SERVICE_INTERFACE, "NRestarts", "u"))
        finally:
            bus.close()

    def sub_states(self) -> dict[str, str]:
        """The run's services as systemd lists them."""
        found = self.live.manager.list_units(names.run_pattern(self.run))
        return {unit.name: unit.sub for unit in found if unit.active != "inactive"}

    def limit(self, unit: str, controller: str, v1_file: str, v2_file: str) -> str:
        """A limit of a unit as the kernel has it."""
        manager = self.live.manager
        cgroup = manager.control_group(unit)
        return manager.accounting.limit(cgroup, controller, v1_file, v2_file) or "none"


def gone(*pids: int) -> bool:
    """Whether processes have ended; one that nobody has reaped yet has."""

    def state(pid: int) -> str:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return "X"

    return all(state(pid) in "ZX" for pid in pids)


def starts(path: Path) -> int:
    """Lines of a file to which a program adds one at each start."""
    return len(path.read_text().splitlines()) if path.exists() else 0


def written(path: Path) -> str:
    """Wait until a file has a whole line; its text."""

    def text() -> str:
        found = path.read_text() if path.exists() else ""
        return found if "\n" in found else ""

    return wait_for(f"a line in {path}", text)


@contextlib.contextmanager
def short_directory() -> Iterator[Path]:
    """A directory whose path leaves room for sockets."""
    path = Path(tempfile.mkdtemp(prefix="hlst-", dir="/tmp"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def opened(kind: str = KIND) -> Iterator[Live]:
    """A manager with a runtime directory of its own; it ends with the last who uses it."""
    with short_directory() as root, pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENVIRONMENT, str(root / "r"))
        with locked() as directory:
            manager = connect(kind)
            live = Live(manager, live_abilities(manager, directory))
            # As long as a run is there, the embedded manager stays.
            hold = slice_spec(names.run_slice(_HOLD), "tests", Limits())
            live.play(lambda: manager.start_and_wait(hold))
        yield live
        live.play(lambda: manager.stop_run(_HOLD, timeout_seconds=10))
        release(manager)
        assert not (root / "r").exists()


def live_abilities(manager: SystemdManager, directory: Path) -> Abilities:
    """What the manager can, by its probe."""

    async def asked() -> Abilities:
        manager.listen()
        try:
            return await probe(manager, directory)
        finally:
            manager.unlisten()

    return asyncio.run(asked())


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """The manager of a test file."""
    with opened() as manager:
        yield manager


@pytest.fixture
def a_run(live: Live) -> Iterator[Run]:
    """A run of its own for a test; nothing of it is there afterwards."""
    with run_in(live) as run:
        yield run


@contextlib.contextmanager
def run_in(live: Live, limits: Limits | None = None) -> Iterator[Run]:
    """A run with a fresh name."""
    name = f"t{secrets.token_hex(3)}"
    with short_directory() as directory, socket.socket(socket.AF_UNIX) as listener:
        run = Run(live, name, directory, listener)
        listener.bind(str(run.stderr_path))
        listener.listen(1024)
        live.play(
            lambda: live.manager.start_and_wait(
                slice_spec(names.run_slice(name), "a test", limits or Limits())
            )
        )
        try:
            yield run
        finally:
            with contextlib.suppress(UnitError):
                left = run.stop()
        assert left == []
        assert not live.manager.is_active(names.run_slice(name))


def is_property(spec: UnitSpec, name: str) -> Property:
    """The property of a unit by its name."""
    return next(item for item in spec.properties if item.name == name)
