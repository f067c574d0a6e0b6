"""What is done to a rig. A fault gives back in words what it did; all of them are over when it
returns, and within Chaos.bound_seconds the rig has to be whole again.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.chaos.observer import Expected, running_clients
from tests.chaos.worlds import World, configuration, controller, processes_of, units
from tests.support import wait_for

HOLD_SECONDS = 3.0
_STOPPED_MAX = 3
_SIZES = (3, 8)


class Faults:
    """Does things to one world; what is expected changes with them."""

    def __init__(self, world: World, expected: Expected, rng: random.Random) -> None:
        self.world, self.expected, self.rng = world, expected, rng

    def all(self) -> dict[str, Callable[[], str]]:
        """By name."""
        found = {
            "controller: SIGKILL": lambda: self._controller(signal.SIGKILL),
            "controller: SIGTERM": lambda: self._controller(signal.SIGTERM),
            "controller: SIGSTOP, then SIGKILL": self._controller_hangs,
            "controller: no file descriptors": self._no_descriptors,
            "one client: SIGTERM": lambda: self._clients(signal.SIGTERM, 1),
            "one client: SIGKILL": lambda: self._clients(signal.SIGKILL, 1),
            "half of the clients: SIGKILL": lambda: self._clients(signal.SIGKILL, 6),
            "client and controller: SIGKILL": self._client_and_controller,
            "a client's unit stopped by hand": self._stop_by_hand,
            "unit stopped while no controller looks": self._stop_unseen,
            "what was stopped resumed by order": self._resume,
            "encoder: SIGKILL": lambda: self._server("-encoder"),
            "nginx: SIGKILL": lambda: self._server("-nginx"),
            "nginx stands still": lambda: self._stands_still("-nginx"),
            "encoder stands still": lambda: self._stands_still("-encoder"),
            "origin away": self._origin_away,
            "state's disk full": self._disk_full,
            "state's disk full, controller: SIGKILL": lambda: self._disk_full(kill=True),
            "reload: nothing changed": lambda: self._reload(self.expected.sizes),
            "reload: other sizes": self._resize,
            "reload: a file with mistakes": self._reload_mistakes,
            "ramp paused, swarm grown": self._paused,
            "systemd: daemon-reload": lambda: self._systemd("daemon-reload"),
        }
        if self.world.can_reexec:
            found["systemd: daemon-reexec"] = lambda: self._systemd("daemon-reexec")
        return found

    # --- the controller ----------------------------------------------------------------------

    def _controller(self, number: signal.Signals) -> str:
        pid = self._pid()
        os.kill(pid, number)
        self._another_than(pid)
        return ""

    def _pid(self) -> int:
        return wait_for("a controller", lambda: controller(self.world))

    def _another_than(self, pid: int) -> None:
        wait_for("another controller", lambda: controller(self.world) not in {0, pid})

    def _controller_hangs(self) -> str:
        pid = self._pid()
        os.kill(pid, signal.SIGSTOP)
        what = self._clients(signal.SIGKILL, 2)
        time.sleep(HOLD_SECONDS)
        os.kill(pid, signal.SIGKILL)
        self._another_than(pid)
        return f"stood still for {HOLD_SECONDS:g} s, meanwhile {what} killed"

    def _no_descriptors(self) -> str:
        pid = self._pid()
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        used = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used - 3, before[1]))
        try:
            what = self._clients(signal.SIGKILL, 2)
            time.sleep(HOLD_SECONDS)
        finally:
            with contextlib.suppress(OSError):
                resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        kept = "the same" if controller(self.world) == pid else "another"
        return f"{HOLD_SECONDS:g} s with 3 too few, {what} killed; {kept} controller"

    # --- clients -----------------------------------------------------------------------------

    def _some_clients(self, count: int) -> list[str]:
        there = sorted(running_clients(units(self.world)) & self.expected.clients())
        return self.rng.sample(there, min(count, len(there)))

    def _clients(self, number: signal.Signals, count: int) -> str:
        chosen = self._some_clients(count)
        for unit in chosen:
            for pid in processes_of(self.world, unit):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        return ", ".join(_short(unit) for unit in chosen)

    def _client_and_controller(self) -> str:
        what = self._clients(signal.SIGKILL, 2)
        self._controller(signal.SIGKILL)
        return what

    def _stop_by_hand(self) -> str:
        if len(self.expected.stopped) >= _STOPPED_MAX:
            return self._resume()
        (unit,) = self._some_clients(1)
        self.world.systemctl("stop", unit)
        self.expected.stopped.add(unit)
        return _short(unit)

    def _stop_unseen(self) -> str:
        pid = self._pid()
        os.kill(pid, signal.SIGSTOP)
        what = self._stop_by_hand() if len(self.expected.stopped) < _STOPPED_MAX else "nothing"
        os.kill(pid, signal.SIGKILL)
        self._another_than(pid)
        return what

    def _resume(self) -> str:
        stopped, self.expected.stopped = self.expected.stopped, set()
        for swarm in self.expected.sizes:
            self._order("rig", "resume", swarm)
        return ", ".join(sorted(map(_short, stopped))) or "nothing was stopped"

    def _order(self, *words: str) -> None:
        """Orders are taken as soon as a controller is there."""
        wait_for(" ".join(words), lambda: self.world.hlsswarm(*words).status == 0)

    # --- the origin --------------------------------------------------------------------------

    def _server(self, role: str) -> str:
        for pid in processes_of(self.world, role):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return ""

    def _stands_still(self, role: str) -> str:
        pids = processes_of(self.world, role)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(2 * HOLD_SECONDS)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        return f"for {2 * HOLD_SECONDS:g} s"

    def _origin_away(self) -> str:
        self.world.write(configuration(self.expected.sizes, origin=False))
        os.kill(self._pid(), signal.SIGHUP)
        wait_for("the origin's end", lambda: not processes_of(self.world, "-nginx"))
        time.sleep(HOLD_SECONDS)
        self._reload(self.expected.sizes)
        return f"for {HOLD_SECONDS:g} s, by the configuration"

    # --- disk, configuration, systemd --------------------------------------------------------

    def _disk_full(self, *, kill: bool = False) -> str:
        with self._full():
            if kill:
                self._controller(signal.SIGKILL)
            what = self._clients(signal.SIGKILL, 2)
            time.sleep(HOLD_SECONDS)
        return f"for {HOLD_SECONDS:g} s, {what} killed"

    @contextlib.contextmanager
    def _full(self) -> Iterator[None]:
        filler = self.world.state_directory / "filler"
        try:
            with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * 4096)
            yield
        finally:
            filler.unlink()

    def _reload(self, sizes: dict[str, int]) -> str:
        self.world.write(configuration(sizes))
        os.kill(self._pid(), signal.SIGHUP)
        return ""

    def _resize(self) -> str:
        sizes = {swarm: self.rng.randint(*_SIZES) for swarm in self.expected.sizes}
        self.expected.sizes = sizes
        # One that is gone with its swarm's end may come again when the swarm grows.
        self.expected.stopped = {unit for unit in self.expected.stopped if _is_in(unit, sizes)}
        self._reload(sizes)
        return ", ".join(f"{swarm} {size}" for swarm, size in sizes.items())

    def _reload_mistakes(self) -> str:
        self.world.write("clients = nonsense\n")
        os.kill(self._pid(), signal.SIGHUP)
        time.sleep(1.5)
        self.world.write(configuration(self.expected.sizes))
        return ""

    def _paused(self) -> str:
        swarm = self.rng.choice(sorted(self.expected.sizes))
        self._order("rig", "pause", swarm)
        before = running_clients(units(self.world))
        sizes = {**self.expected.sizes, swarm: self.expected.sizes[swarm] + 2}
        self._reload(sizes)
        time.sleep(1.5)
        grown = running_clients(units(self.world)) - before - self.expected.clients()
        assert not grown, f"clients were started although the ramp was paused: {grown}"
        self._order("rig", "resume", swarm)
        self.expected.sizes = sizes
        self.expected.stopped = {unit for unit in self.expected.stopped if _swarm(unit) != swarm}
        return f"{swarm} by 2"

    def _systemd(self, order: str) -> str:
        self.world.systemctl(order)
        return ""


def _short(unit: str) -> str:
    """`evening 3`."""
    words = unit.removesuffix(".service").split("-")
    return f"{words[1]} {int(words[-1])}"


def _swarm(unit: str) -> str:
    return unit.split("-")[1]


def _is_in(unit: str, sizes: dict[str, int]) -> bool:
    return int(unit.removesuffix(".service").rpartition("-")[2]) <= sizes[_swarm(unit)]
