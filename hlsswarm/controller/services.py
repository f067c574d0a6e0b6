"""Opens a named run for services (origins, encoders, ladders, publishers) and undoes what failed.

    async with opened_services("origin8080", "test origin …", manager="auto") as services:
        await services.start(Service(…))

When the block ends well, what was started stays (`keep`) or is stopped (not `keep`); when it ends
with an error, what it started is stopped. The run's directory goes with its last unit.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from hlsswarm.controller import runs
from hlsswarm.core import names
from hlsswarm.core.service_specs import Service, service_spec
from hlsswarm.core.unit_specs import (
    UNLIMITED,
    Abilities,
    Limits,
    script_of,
    slice_spec,
    survives_reload,
)
from hlsswarm.errors import HlsSwarmError, PreflightError
from hlsswarm.units.abilities import probe
from hlsswarm.units.bus import UnitExistsError
from hlsswarm.units.connect import connect, release
from hlsswarm.units.manager import SystemdManager
from hlsswarm.units.runtime_directory import fresh_run_directory, locked, remove_run_directory

_STOP_TIMEOUT_SECONDS = 12.0
_SHELL = "/bin/sh"


@dataclass
class Services:
    """A run that is open: its manager, what that can do, and the directory for its files."""

    run: str
    manager: SystemdManager
    abilities: Abilities
    directory: Path
    joined: bool
    """Whether the run was there before, and this command came to it."""
    shared: bool = False
    """Whether others may come to the run, too."""
    started: list[str] = field(default_factory=list)

    def log(self, unit: str) -> Path:
        """The file that a unit's stderr goes to."""
        return self.directory / names.log_file(unit)

    def _others(self) -> bool:
        units = self.manager.list_units(names.run_pattern(self.run))
        return any(unit.active != "inactive" for unit in units if unit.name not in self.started)

    async def start(self, service: Service) -> None:
        """Start a service and wait until it runs (one-shot: has ended).

        Raises UnitError, and PreflightError for a limit that would not be enforced.
        """
        if missing := self.abilities.does_not_hold(service.limits):
            raise PreflightError(
                f"--{' and --'.join(missing)} would not be enforced by this systemd and kernel.",
                hint="Leave it out: without cgroup v2, or its controllers, nothing enforces it.",
            )
        service = self._reload_proof(service)
        self.started.append(service.name)
        await self._open_part(service.slice_name)
        await self.manager.start_and_wait(service_spec(service, self.abilities))

    def _reload_proof(self, service: Service) -> Service:
        """The service by a script, where its command would not survive a daemon-reload."""
        if survives_reload(service.command):
            return service
        script = self.log(service.name).with_suffix(".sh")
        script.touch(mode=0o600)  # a URL in it may hold a password
        script.write_text(script_of(service.command))
        walls = replace(service.sandbox, readable=(*service.sandbox.readable, script))
        return replace(service, command=(_SHELL, str(script)), sandbox=walls)

    async def _open_part(self, slice_name: str) -> None:
        """Start a part's slice by name: limits that somebody sets on a slice that was only
        referenced outlive it (systemd keeps them for the name).
        """
        if not self.manager.is_active(slice_name):
            with contextlib.suppress(UnitExistsError):  # another command of this run was quicker
                what = f"part of run {self.run}"
                await self.manager.start_and_wait(slice_spec(slice_name, what, UNLIMITED))

    async def stop(self, units: Iterable[str]) -> bool:
        """Stop units and wait until they have ended; False when one does not."""
        return await self.manager.stop_and_wait(units, timeout_seconds=_STOP_TIMEOUT_SECONDS)

    async def end(self) -> None:
        """Stop the whole run, or where others may come to it, what this command has started.

        A shared run goes with the last service in it.
        """
        with contextlib.suppress(HlsSwarmError):
            if self.shared:
                await self.stop(self.started)
            if not self.shared or not self._others():
                await self.manager.stop_run(self.run, timeout_seconds=_STOP_TIMEOUT_SECONDS)


@contextlib.asynccontextmanager
async def opened_services(
    run: str,
    description: str,
    *,
    manager: str,
    limits: Limits = UNLIMITED,
    keep: bool = True,
    join: bool = False,
    taken: str = "",
    taken_hint: str | None = None,
) -> AsyncIterator[Services]:
    """The run `run` on the manager of kind `manager`, made with a slice of these limits.

    With `join` a run that is there already is opened as it is; without, that is a PreflightError
    with the sentence `taken`. The lock of the runtime directory is held only until the slice is
    there: whoever joins has to mind others that do the same.
    """
    async with contextlib.AsyncExitStack() as stack:
        with locked() as parent:
            opened = connect(manager)
            stack.callback(release, opened)
            opened.listen()
            stack.callback(opened.unlisten)
            joined = runs.is_active(opened, run)
            if joined and not join:
                raise PreflightError(taken or f"A run named {run} is there.", hint=taken_hint)
            if joined:
                directory = parent / run
            else:
                directory = fresh_run_directory(parent, run, kind=opened.kind)
            stack.callback(_remove_unless_active, opened, run, directory)
            services = Services(
                run, opened, await probe(opened, directory), directory, joined, shared=join
            )
            if not joined:
                await opened.start_and_wait(slice_spec(names.run_slice(run), description, limits))
        try:
            yield services
        except BaseException:
            await services.end()
            raise
        if not keep:
            await services.end()


def _remove_unless_active(manager: SystemdManager, run: str, directory: Path) -> None:
    with contextlib.suppress(HlsSwarmError):
        if not runs.is_active(manager, run):
            remove_run_directory(directory)
