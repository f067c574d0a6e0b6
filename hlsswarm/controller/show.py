"""What a run would start, without starting it."""

from __future__ import annotations

import dataclasses

from hlsswarm.controller.preflight import Look, select_unseen
from hlsswarm.controller.swarm import SCRIPTS, TELEMETRY_SOCKET
from hlsswarm.core import network_namespaces
from hlsswarm.core.commands import client_command, notes
from hlsswarm.core.headers import redact, redact_command
from hlsswarm.core.plan import Plan
from hlsswarm.core.sandbox import ALL_PARTS, Sandbox, shown_for_program
from hlsswarm.core.unit_specs import Abilities, RestartPolicy, UnitSpec, client_spec
from hlsswarm.telemetry.ffmpeg_program import find_client_ffmpeg
from hlsswarm.units.abilities import by_properties
from hlsswarm.units.connect import running_managers
from hlsswarm.units.runtime_directory import runtime_directory

_ASSUMED = Abilities(version=252)


def shown_client(plan: Plan) -> tuple[tuple[str, ...], UnitSpec, tuple[str, ...]]:
    """The command and the unit of the first client as they may be shown, and notes.

    A manager that runs is asked which properties it has; none is started for this. The stream is
    looked at only where a variant is to be chosen.
    """
    program = find_client_ffmpeg(plan.ffmpeg)
    selection = select_unseen(Look.of(plan, program.path)).selection
    options = dataclasses.replace(plan.client, selection=selection)
    run = plan.run_id or "RUN"
    directory = runtime_directory() / run
    number = plan.client_numbers[0]
    command = redact_command(
        client_command(
            program.path,
            program.version,
            options,
            client=number,
            scripts=directory / SCRIPTS,
        ),
        options.sent_headers,
    )
    abilities: Abilities | None = None
    for manager in running_managers(plan.manager, needed=False):
        if abilities is None:
            abilities = by_properties(manager)
        manager.close()
    told = list(notes(program.version, options))
    if selection is not None:
        told.insert(0, redact(selection.sentence))
    if plan.resolve_address is not None:
        told.append("--resolve is not shown: its way depends on what the manager can")
    if plan.sandbox != "off":
        told.append("the sandbox is shown as where the manager can do all of it")
    if abilities is None:
        told.append("no manager runs that could be asked: as on systemd 252")
    spec = client_spec(
        run,
        number,
        command,
        abilities=abilities or _ASSUMED,
        telemetry_socket=directory / TELEMETRY_SOCKET,
        restart=RestartPolicy(plan.backoff, plan.seed),
        limits=plan.client_limits,
        more=(
            *Sandbox(
                profile="client", level=plan.sandbox, readable=shown_for_program(program.path)
            ).properties(ALL_PARTS),
            *network_namespaces.properties(
                network_namespaces.namespace_of(0, plan.network_namespaces)
            ),
        ),
    )
    return command, spec, tuple(told)
