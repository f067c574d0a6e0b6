"""`hlsswarm run`."""

from __future__ import annotations

import argparse
import dataclasses
import os
import shlex
import signal
import sys

from hlsswarm.cli.arguments import check_manager, plan_of
from hlsswarm.cli.output import say, say_on
from hlsswarm.controller.machine_check import examine
from hlsswarm.controller.run import run as run_plan
from hlsswarm.controller.show import shown_client
from hlsswarm.core.doctor import Level, Needs, worst
from hlsswarm.core.doctor_text import render
from hlsswarm.core.plan import Plan
from hlsswarm.core.segment import WHOLE
from hlsswarm.core.unit_specs import UnitSpec
from hlsswarm.errors import ExitStatus
from hlsswarm.origin.faults import OriginFaults

CHECK_SECONDS = 10.0


def run(arguments: argparse.Namespace) -> ExitStatus:
    """Run a swarm, or print what would be run."""
    plan = plan_of(arguments)
    if arguments.print_cmd:
        print_command(plan)
        return ExitStatus.OK
    injector = OriginFaults(plan.manager)
    if arguments.check:
        plan = dataclasses.replace(
            plan,
            clients=1,
            segment=WHOLE,
            duration_seconds=CHECK_SECONDS,
            metrics=None,
            skip_preflight=False,
        )
        return run_plan(plan, say_on, injector=injector)
    live = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not plan.verbose
    return run_plan(plan, say_on, live=live, injector=injector)


def doctor(arguments: argparse.Namespace) -> ExitStatus:
    """Hold this machine against what a run of so many clients needs."""
    needs = Needs(
        clients=arguments.clients,
        ramp_rate_per_second=arguments.ramp_rate,
        kept_alive=arguments.measure == "light",
    )
    found = examine(needs, manager_kind=check_manager(arguments.manager), ffmpeg=arguments.ffmpeg)
    say(render(found))
    return ExitStatus.PREFLIGHT if worst(found) is Level.FAIL else ExitStatus.OK


def print_command(plan: Plan) -> None:
    """The exact command of the first client, shell-quoted, and its unit's properties."""
    command, spec, notes = shown_client(plan)
    say(shlex.join(command))
    say("")
    say(f"# {spec.name}")
    for line in _property_lines(spec):
        say(line)
    for note in notes:
        say(f"# {note}")


def _property_lines(spec: UnitSpec) -> list[str]:
    lines = []
    for name, signature, value in spec.properties:
        if name.startswith("ExecStart"):
            shown: object = f"{shlex.join(value[0][1])}   # flags: {value[0][2]}"
        elif name == "KillSignal":
            shown = signal.Signals(value).name
        elif name.endswith("USec"):
            shown = f"{value / 1e6:g}s"
        elif name == "UMask":
            shown = f"{value:04o}"
        else:
            shown = value
        lines.append(f"{name}={shown}   # {signature}")
    return lines
