"""What a run would start, without starting it."""

from __future__ import annotations

from hlsswarm.controller.swarm import TELEMETRY_SOCKET
from hlsswarm.core.commands import client_command
from hlsswarm.core.plan import Plan
from hlsswarm.core.unit_specs import Abilities, RestartPolicy, UnitSpec, client_spec
from hlsswarm.telemetry.ffmpeg_program import find_ffmpeg
from hlsswarm.units.abilities import by_properties
from hlsswarm.units.connect import running_managers
from hlsswarm.units.runtime_directory import runtime_directory

_ASSUMED = Abilities(
    version=252,
    exec_start_ex=True,
    restart_steps=False,
    restart_jitter=False,
    memory_limit=True,
    cpu_limit=True,
    tasks_limit=True,
    ip_filter=True,
)


def shown_client(plan: Plan) -> tuple[tuple[str, ...], UnitSpec, tuple[str, ...]]:
    """The command and the unit of client 1, and notes on what was assumed.

    A manager that runs is asked which properties it has; none is started for this.
    """
    program = find_ffmpeg(plan.ffmpeg)
    command = client_command(program.path, program.version, plan.client, client=1)
    abilities: Abilities | None = None
    for manager in running_managers(plan.manager, needed=False):
        if abilities is None:
            abilities = by_properties(manager)
        manager.close()
    notes = () if abilities else ("no manager runs that could be asked: as on systemd 252",)
    run = plan.run_id or "RUN"
    spec = client_spec(
        run,
        1,
        command,
        abilities=abilities or _ASSUMED,
        telemetry_socket=runtime_directory() / run / TELEMETRY_SOCKET,
        restart=RestartPolicy(plan.backoff, plan.seed),
        limits=plan.client_limits,
    )
    return command, spec, notes
