"""The second observer: looks at a world again and again in a thread of its own, and notes what must
never be so. It uses nothing of hlsswarm: systemd's list, /proc, /metrics, nginx's access log.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field

from tests.chaos.worlds import Process, Unit, World, metrics, players, processes, units

LOOK_SECONDS = 0.5
_CLIENT = re.compile(r"hlsswarm-(?P<swarm>[a-z0-9]+)-client-(?P<number>\d+)\.service")
# What a controller says of itself begins anew with it.
_OWN = ("hlsswarm_controller_", "hlsswarm_dbus_", "hlsswarm_ramp_lateness_", "python_", "process_")
_OURS = {"ffmpeg", "nginx"}


@dataclass
class Expected:
    """What is to be so: changed by who does something, read by who looks."""

    sizes: dict[str, int]
    stopped: set[str] = field(default_factory=set)
    """Units that somebody stopped by hand, and that must not come back."""

    def clients(self) -> set[str]:
        """Units of clients that are to run."""
        return {
            f"hlsswarm-{swarm}-client-{number:04d}.service"
            for swarm, size in self.sizes.items()
            for number in range(1, size + 1)
        } - self.stopped

    def agents(self) -> set[str]:
        """User agents of clients that are to run."""
        found = filter(None, map(_CLIENT.fullmatch, self.clients()))
        return {f"{match['swarm']}/client-{int(match['number'])}" for match in found}

    def active(self, swarm: str) -> int:
        """Clients of a swarm that are to run."""
        return sum(name.startswith(f"hlsswarm-{swarm}-") for name in self.clients())


def running_clients(found: dict[str, Unit]) -> set[str]:
    """Units of clients whose process runs."""
    return {
        name for name, unit in found.items() if _CLIENT.fullmatch(name) and unit.sub == "running"
    }


class Observer:
    """Looks until it is told to end; `wrong` is what it found."""

    def __init__(self, world: World, expected: Expected) -> None:
        self.world, self.expected = world, expected
        self.wrong: list[str] = []
        self.scrapes = self.looks = 0
        self.longest_silence_seconds = 0.0
        self._answered = time.monotonic()
        self._began = time.monotonic()
        self._counters: dict[tuple[str, str], float] = {}
        self._doubted: set[str] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join(30)

    def _follow(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            try:
                self._look()
            except (
                Exception
            ) as error:  # an observer that breaks must not pass for one that is content
                self._note(f"the observer failed: {error!r}")
                return

    def _note(self, words: str) -> None:
        if not any(words in note for note in self.wrong):
            self.wrong.append(f"{time.monotonic() - self._began:.1f} s: {words}")

    def _look(self) -> None:
        stopped = set(self.expected.stopped)
        found, there = units(self.world), processes(self.world)
        doubts = {*self._units_amiss(found, stopped), *self._processes_amiss(found, there)}
        # Two looks are not one moment: what is amiss has to be so twice.
        for doubt in doubts & self._doubted:
            self._note(doubt)
        self._doubted = doubts
        self._scrape()
        self.looks += 1

    def _units_amiss(self, found: dict[str, Unit], stopped: Collection[str]) -> list[str]:
        amiss = []
        for unit in found.values():
            if unit.active == "inactive":
                continue
            if not unit.slice_name.startswith("hlsswarm-"):
                amiss.append(f"{unit.name} is in {unit.slice_name}")
            if unit.cgroup and not unit.cgroup.startswith("/hlsswarm.slice/"):
                amiss.append(f"{unit.name} has the cgroup {unit.cgroup}")
            if unit.name in stopped and unit.name in self.expected.stopped:
                amiss.append(f"{unit.name} was stopped by hand and is {unit.active}")
        return amiss

    def _processes_amiss(self, found: dict[str, Unit], there: list[Process]) -> list[str]:
        amiss, mains = [], dict[str, int]()
        for process in there:
            if process.program not in _OURS:
                continue
            if process.unit not in found:
                amiss.append(f"orphan {process.pid} ({process.program}), unit {process.unit!r}")
            if _CLIENT.fullmatch(process.unit):
                mains[process.unit] = mains.get(process.unit, 0) + 1
        amiss += [f"{count} processes in {unit}" for unit, count in mains.items() if count > 1]
        return amiss

    def _scrape(self) -> None:
        now, found = time.monotonic(), metrics(self.world)
        if not found:
            return
        silence = now - self._answered
        self.longest_silence_seconds = max(self.longest_silence_seconds, silence)
        self._answered = now
        self.scrapes += 1
        for key, value in found.items():
            name, labels = key
            if name.startswith(_OWN) or not name.endswith(("_total", "_count", "_bucket")):
                continue
            if value < self._counters.get(key, 0.0):
                before = self._counters[key]
                self._note(f"{name}{{{labels}}} went from {before:g} back to {value:g}")
            self._counters[key] = value
        named = {labels for name, labels in found if name == "hlsswarm_rig_items"}
        for swarm in self.expected.sizes:
            if not any(f'"{swarm}"' in labels for labels in named):
                self._note(f"swarm {swarm} is lost")

    def missing(self, since_unix_time: float) -> str:
        """What keeps the world from being whole; empty when it is as expected."""
        expected = self.expected
        found = units(self.world)
        runs, wanted = running_clients(found), expected.clients()
        if runs != wanted:
            return f"units: lacks {sorted(wanted - runs)}, has besides {sorted(runs - wanted)}"
        for role in ("encoder", "nginx"):
            if not any(
                f"-{role}" in unit.name and unit.sub == "running" for unit in found.values()
            ):
                return f"no {role} runs"
        told = metrics(self.world)
        for swarm in expected.sizes:
            value = told.get(("hlsswarm_clients_active", f'swarm="{swarm}"'))
            if value != expected.active(swarm):
                return (
                    f"metrics tell {value} active clients of {swarm}, not {expected.active(swarm)}"
                )
        silent = expected.agents() - players(self.world, since_unix_time)
        return f"no segment for {sorted(silent)}" if silent else ""
