"""Runs that are there, by asking systemd: works without the controller that started them."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hlsswarm.core import names
from hlsswarm.core.managers import remote_host
from hlsswarm.core.usage import Usage
from hlsswarm.errors import UnitError
from hlsswarm.units.connect import connect, release, running_managers
from hlsswarm.units.manager import SystemdManager
from hlsswarm.units.runtime_directory import locked, remove_run_directory, runtime_directory
from hlsswarm.units.states import UnitStatus

_STOP_TIMEOUT_SECONDS = 15.0


@dataclass(frozen=True)
class RunStatus:
    """One run as systemd has it."""

    run: str
    manager: str
    systemd_version: str
    description: str
    units: tuple[UnitStatus, ...]
    usage: Usage = field(default_factory=Usage)
    """Of the whole run, where it was asked for."""
    unit_usage: Mapping[str, Usage] = field(default_factory=dict)
    """By unit, where it was asked for."""

    def counts(self, role: str) -> Counter[str]:
        """Units of a role (client, encoder, nginx) by systemd's sub state."""
        roles = ((names.parse_unit(unit.name), unit.sub) for unit in self.units)
        return Counter(sub for name, sub in roles if name is not None and name.role == role)


def runs_of(manager: SystemdManager) -> list[RunStatus]:
    """All runs of one manager, in the order of their names."""
    version = manager.version()
    units = manager.list_units()
    slices = {names.run_of_slice(unit.name): unit for unit in units if unit.active == "active"}
    services: dict[str, list[UnitStatus]] = {run: [] for run in slices if run is not None}
    for unit in units:
        name = names.parse_unit(unit.name)
        if name is not None and unit.active != "inactive":
            services.setdefault(name.run, []).append(unit)
    return [
        RunStatus(
            run=run,
            manager=manager.kind,
            systemd_version=version,
            description=slices[run].description if run in slices else "",
            units=tuple(sorted(members, key=lambda unit: unit.name)),
        )
        for run, members in sorted(services.items())
    ]


def which_manager(kind: str) -> str:
    """Which systemd a command will use, in words. Raises ManagerError when there is none."""
    with locked():
        manager = connect(kind)
        words = f"systemd {manager.version()} ({manager.kind} manager)"
    release(manager)
    return words


def is_active(manager: SystemdManager, run: str) -> bool:
    """Whether this manager has a run of this name."""
    return any(status.run == run for status in runs_of(manager))


def status(kind: str, *, usage: bool = False, unit_usage: bool = False) -> list[RunStatus]:
    """All runs of all managers of this kind (`auto`: of any) that run.

    With `usage` also what each uses, with `unit_usage` what each unit does.
    """
    found = []
    for manager in running_managers(kind):
        try:
            for run in runs_of(manager):
                total = manager.usage(names.run_slice(run.run)) if usage else Usage()
                units = [unit.name for unit in run.units] if unit_usage else []
                each = {unit: manager.usage(unit) for unit in units}
                found.append(dataclasses.replace(run, usage=total, unit_usage=each))
        finally:
            manager.close()
    return found


def stop(kind: str, runs: Sequence[str] | None) -> list[str]:
    """Stop these runs (None: all), and wait until they are gone; the names of those stopped.

    Raises UnitError when something of them stays.
    """
    stopped = []
    for manager in running_managers(kind):
        try:
            here = [run.run for run in runs_of(manager) if runs is None or run.run in runs]
            asyncio.run(_stop_runs(manager, here))
            stopped += here
        finally:
            release(manager)
    for run in stopped if remote_host(kind) is None else ():
        remove_run_directory(runtime_directory() / run)
    return stopped


def stop_units(kind: str, run: str, units: Sequence[str]) -> list[str]:
    """Stop these services of a run, and the run itself when nothing is left in it.

    The names of those that were there. Raises UnitError when one of them stays.
    """
    for manager in running_managers(kind):
        try:
            here = [found for found in runs_of(manager) if found.run == run]
            if not here:
                continue
            there = [unit.name for unit in here[0].units if unit.name in units]
            asyncio.run(_stop_units(manager, there))
            with locked() as parent:  # else a service that just comes to the run goes with it
                if not any(found.units for found in runs_of(manager) if found.run == run):
                    asyncio.run(_stop_runs(manager, [run]))
                    remove_run_directory(parent / run)
            return there
        finally:
            release(manager)
    return []


async def _stop_units(manager: SystemdManager, units: Sequence[str]) -> None:
    manager.listen()
    ended = await manager.stop_and_wait(units, timeout_seconds=_STOP_TIMEOUT_SECONDS)
    manager.unlisten()
    for unit in units:
        manager.reset_failed(unit)
    if not ended:
        raise UnitError(f"Of {', '.join(units[:5])} something is still there.")


async def _stop_runs(manager: SystemdManager, runs: Sequence[str]) -> None:
    """Stop the slices of these runs and wait until systemd has nothing of them left."""
    if not runs:
        return
    manager.listen()
    ended = await asyncio.gather(
        *(manager.stop_run(run, timeout_seconds=_STOP_TIMEOUT_SECONDS) for run in runs)
    )
    manager.unlisten()
    left = [unit for units in ended for unit in units]
    if left:
        raise UnitError(f"Units are still there: {', '.join(left[:5])}.")
