"""Makes all that a run needs, and undoes it: manager, directory, slices, telemetry."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import resource
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from hlsswarm.controller.adoption import Keeping, begin_again, take_over
from hlsswarm.controller.machine import checks_certificates, gives_mount_namespaces
from hlsswarm.controller.network_namespaces import check_manager_enters, check_namespaces
from hlsswarm.controller.preflight import Stream
from hlsswarm.controller.reach import Reach
from hlsswarm.controller.runs import is_active
from hlsswarm.controller.swarm import SCRIPTS, Swarm
from hlsswarm.controller.trust import store_properties
from hlsswarm.controller.walls import client_walls
from hlsswarm.core import names
from hlsswarm.core.plan import Plan
from hlsswarm.core.resolve import (
    HOSTS_PATH,
    NSSWITCH_PATH,
    choose_way,
    hosts_text,
    nsswitch_text,
    unit_properties,
)
from hlsswarm.core.unit_specs import Abilities, Property
from hlsswarm.errors import HlsSwarmError, PreflightError
from hlsswarm.metrics.own import OwnMetrics
from hlsswarm.telemetry.ffmpeg_program import FFmpegProgram
from hlsswarm.units.abilities import probe
from hlsswarm.units.connect import connect, release
from hlsswarm.units.manager import SystemdManager
from hlsswarm.units.runtime_directory import fresh_run_directory, locked, remove_run_directory

_FILES_PER_CLIENT = 1
_FILES_SPARE = 100
_END_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class OpenRun:
    """What a run stands on once it is open."""

    swarm: Swarm
    program: FFmpegProgram
    stream: Stream
    abilities: Abilities
    systemd_version: str
    own: OwnMetrics

    def lacks(self) -> tuple[str, ...]:
        """What the run does without on this manager, in words."""
        plan = self.swarm.plan
        asked = {"": plan.swarm_limits, "client-": plan.client_limits}
        missing = [
            f"--{prefix}{name}"
            for prefix, limits in asked.items()
            for name in self.abilities.does_not_hold(limits)
        ]
        told = f"{', '.join(missing)} (this systemd or kernel does not enforce it)"
        return (*self.abilities.lacks(), *([told] if missing else []))


def allow_files(clients: int) -> None:
    """Raise the soft limit of open files to what the clients need. Raises PreflightError."""
    needed = clients * _FILES_PER_CLIENT + _FILES_SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise PreflightError(
            f"{clients} clients need {needed} open files, and the limit is {hard}.",
            hint=f"ulimit -n {needed}",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


@contextlib.asynccontextmanager
async def opened(
    plan: Plan,
    program: FFmpegProgram,
    stream: Stream,
    *,
    keeping: Keeping | None = None,
    whole: OwnMetrics | None = None,
) -> AsyncIterator[OpenRun]:
    """Manager, directory, slices and telemetry of a run; nothing of it is left afterwards.

    With `keeping` a run that is there is taken over, and stays unless `keeping.ends` by then.
    `whole` is told what the run tells of our own work.
    """
    own = OwnMetrics(whole)
    check_namespaces(plan.network_namespaces)
    run_id = plan.run_id or names.new_run_id(random.Random())
    async with contextlib.AsyncExitStack() as stack:
        # Under the lock until our slice is there, or another command could end the manager.
        with contextlib.ExitStack() as lock:
            parent = lock.enter_context(locked())
            manager = connect(plan.manager, on_call=own.dbus_call)
            stack.callback(release, manager)
            if plan.network_namespaces:
                check_manager_enters(manager.kind)
            manager.listen()
            there = is_active(manager, run_id)
            if there and keeping is None:
                raise PreflightError(
                    f"A run named {run_id} is there already.",
                    hint=f"End it with `hlsswarm stop {run_id}`, or choose another --run-id.",
                )
            directory = parent / run_id
            if not there:
                directory = fresh_run_directory(parent, run_id, kind=manager.kind)
            stack.callback(_remove, directory, keeping)
            if keeping is not None:
                # A rig's manager stays without us, and the other swarms of its loop want the lock:
                # the loop would wait in vain for one that itself waits for the loop.
                lock.close()
            abilities = await probe(manager, directory)
            plan, more = await _resolved(plan, program, manager, directory)
            more += await _trusted(plan, program, manager, directory)
            walls = client_walls(
                plan,
                abilities,
                program=program.path,
                directory=directory,
                scripts=directory / SCRIPTS,
                reach=await _reached(plan, run_id, stream, abilities),
            )
            swarm = Swarm(
                plan,
                run_id,
                program=program,
                stream=stream,
                manager=manager,
                abilities=abilities,
                directory=directory,
                more=more,
                walls=walls,
                on_lateness=own.start_lateness,
                keeper=None if keeping is None else keeping.keeper,
            )
            stack.callback(_close, swarm, keeping)
            stack.push_async_callback(_end, manager, run_id, keeping)
            if keeping is not None and there:
                take_over(swarm, keeping)
            else:
                await swarm.open()
                if keeping is not None:
                    begin_again(swarm, keeping)
        yield OpenRun(swarm, program, stream, abilities, manager.version(), own)


async def _resolved(
    plan: Plan,
    program: FFmpegProgram,
    manager: SystemdManager,
    directory: Path,
) -> tuple[Plan, tuple[Property, ...]]:
    """The plan with the way by which the clients reach --resolve's address, and their units'
    properties for that. Raises UsageError or ConfigurationError when there is no way.
    """
    if plan.resolve_address is None:
        return plan, ()
    resolution = choose_way(
        plan.client.url,
        plan.resolve_address,
        mount_namespaces=await gives_mount_namespaces(manager, directory),
        dangerous=plan.dangerous,
        tls_verifies_by_default=checks_certificates(program),
    )
    plan = dataclasses.replace(plan, client=dataclasses.replace(plan.client, resolution=resolution))
    if resolution.way != "hosts":
        return plan, ()
    hosts, switch = directory / "hosts", directory / "nsswitch.conf"
    hosts.write_text(hosts_text(_machine_file(HOSTS_PATH), resolution))
    switch.write_text(nsswitch_text(_machine_file(NSSWITCH_PATH)))
    for path in (hosts, switch):
        path.chmod(0o644)  # clients have a user of their own
    there = Path(NSSWITCH_PATH).exists()
    return plan, unit_properties(hosts, switch if there else None)


async def _trusted(
    plan: Plan,
    program: FFmpegProgram,
    manager: SystemdManager,
    directory: Path,
) -> tuple[Property, ...]:
    """Properties of the clients' units for --ca-file. Raises ConfigurationError."""
    trust = plan.client.trust
    if trust.ca_file is None or not checks_certificates(program):
        return ()
    mounts = await gives_mount_namespaces(manager, directory)
    return store_properties(trust, directory, mount_namespaces=mounts)


async def _reached(plan: Plan, run_id: str, stream: Stream, abilities: Abilities) -> Reach | None:
    """The addresses that the clients may reach; None for all."""
    if not plan.ip_filter or not abilities.ip_filter:
        return None
    reach = Reach(plan, run_id, stream.hosts)
    await reach.resolve()
    return reach


def _machine_file(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _stays(keeping: Keeping | None) -> bool:
    return keeping is not None and not keeping.ends


def _remove(directory: Path, keeping: Keeping | None) -> None:
    if not _stays(keeping):
        remove_run_directory(directory)


def _close(swarm: Swarm, keeping: Keeping | None) -> None:
    if _stays(keeping):
        swarm.telemetry.let_go()
    else:
        swarm.close()


async def _end(manager: SystemdManager, run_id: str, keeping: Keeping | None) -> None:
    """Stop what is left of a run; after one that was stopped in order there is nothing."""
    if _stays(keeping):
        return
    with contextlib.suppress(HlsSwarmError):
        await manager.stop_run(run_id, timeout_seconds=_END_TIMEOUT_SECONDS)
