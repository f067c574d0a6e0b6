"""`hlsswarm origin` and `hlsswarm demo`."""

from __future__ import annotations

import argparse

from hlsswarm.cli.arguments import check_manager
from hlsswarm.cli.output import say
from hlsswarm.controller.run import run as run_plan
from hlsswarm.controller.runs import RunStatus
from hlsswarm.core.commands import ClientOptions
from hlsswarm.core.plan import Plan
from hlsswarm.errors import ExitStatus, UsageError
from hlsswarm.metrics.server import bind
from hlsswarm.origin import control
from hlsswarm.origin.control import OriginOptions


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise UsageError(f"--port {text!r} is not a port.", hint="Give a number from 1 to 65535.")
    return int(text)


def _options(arguments: argparse.Namespace) -> OriginOptions:
    return OriginOptions(
        profile=arguments.profile,
        listen=arguments.listen,
        port=_port(arguments.port),
        manager=check_manager(arguments.manager),
        ffmpeg=arguments.ffmpeg,
        nginx=arguments.nginx,
        access_log=arguments.access_log,
    )


def origin(arguments: argparse.Namespace) -> ExitStatus:
    """Start, show or stop test origins."""
    options = _options(arguments)
    if arguments.action == "start":
        say(f"Starting the test origin {options.profile} …")
        say(f"It plays: {control.start(options)}")
        say("`hlsswarm origin stop` ends it.")
        return ExitStatus.OK
    there = control.origins(options.manager)
    if arguments.action == "status":
        return _show(there)
    wanted = [run.run for run in there if arguments.all or run.run == options.run]
    for run in control.stop(options.manager, wanted) if wanted else []:
        say(f"Stopped {run}.")
    if not wanted:
        elsewhere = ", ".join(run.run.removeprefix("origin") for run in there)
        say(f"No test origin runs on port {options.port}." if there else "No test origin runs.")
        if elsewhere:
            say(f"There is one on port {elsewhere}: --port, or --all.")
    return ExitStatus.OK


def _show(there: list[RunStatus]) -> ExitStatus:
    if not there:
        say("No test origin runs.")
    for run in there:
        say(f"{run.run}: {run.description}")
        url = run.description.rpartition(" ")[2]
        say(f"  playlist: {control.playlist_segments(url)} segments")
        for unit in run.units:
            say(f"  {unit.name}  {unit.active} ({unit.sub})")
    return ExitStatus.OK


def demo(arguments: argparse.Namespace) -> ExitStatus:
    """Origin, swarm, summary, and everything stopped again."""
    options = _options(arguments)
    plan = Plan(
        client=ClientOptions(options.url),
        clients=arguments.clients,
        ramp_rate_per_second=arguments.ramp_rate,
        duration_seconds=arguments.duration,
        manager=options.manager,
        ffmpeg=options.ffmpeg,
        metrics=arguments.metrics,
        out_directory=arguments.out,
    )
    if plan.metrics is not None:
        bind(plan.metrics).close()  # a port that is taken is told before anything is started
    say(f"[1/3] Starting the test origin on port {options.port} (ffmpeg encoder, nginx) …")
    say(f"      It plays: {control.start(options)}")
    try:
        say(f"[2/3] Running {plan.clients} clients …")
        status = run_plan(plan, say)
    finally:
        say("[3/3] Stopping the test origin …")
        control.stop(options.manager, [options.run])
    say("      Everything is stopped.")
    return status
