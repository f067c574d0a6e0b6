"""Holds this machine against what a run needs, before the run and for `hlsswarm doctor`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

from hlsswarm.controller.machine import read_machine, with_manager
from hlsswarm.controller.preflight import Stream
from hlsswarm.core.doctor import Check, Level, Machine, Needs, checks
from hlsswarm.core.plan import Plan
from hlsswarm.errors import PreflightError
from hlsswarm.units.abilities import probe
from hlsswarm.units.connect import connect, release
from hlsswarm.units.runtime_directory import fresh_run_directory, locked, remove_run_directory

_RUN = "doctor"


def needs_of(plan: Plan, stream: Stream) -> Needs:
    """What a plan asks of the machine."""
    return Needs(
        clients=plan.own_clients,
        ramp_rate_per_second=plan.ramp_rate_per_second / plan.segment.of,
        target_duration_seconds=stream.target_duration_seconds,
        kept_alive=plan.client.measure == "light",
        network_namespaces=max(1, len(plan.network_namespaces)),
        https=urlsplit(plan.client.url).scheme == "https",
    )


def check_machine(plan: Plan, stream: Stream, say: Callable[[str], None]) -> None:
    """Say what will be tight. Raises PreflightError for what cannot go well."""
    found = checks(read_machine(plan.ffmpeg), needs_of(plan, stream))
    for check in found:
        if check.level is Level.FAIL:
            hint = check.command or "`hlsswarm doctor` shows everything; --skip-preflight goes on."
            raise PreflightError(check.sentence, hint=hint)
        if check.level is Level.WARN:
            say(f"Careful: {check.sentence}")


def examine(needs: Needs, *, manager_kind: str, ffmpeg: str | None) -> tuple[Check, ...]:
    """Everything that `hlsswarm doctor` looks at, the manager's abilities included.

    Raises ManagerError when there is no manager at all.
    """
    return checks(asyncio.run(_examined(manager_kind, ffmpeg)), needs)


async def _examined(manager_kind: str, ffmpeg: str | None) -> Machine:
    machine = read_machine(ffmpeg)
    with locked() as parent:
        manager = connect(manager_kind)
        directory = fresh_run_directory(parent, _RUN, kind=manager.kind)
        try:
            manager.listen()
            abilities = await probe(manager, directory)
            manager.unlisten()
        finally:
            remove_run_directory(directory)
    release(manager)
    return with_manager(machine, manager.kind, abilities)
