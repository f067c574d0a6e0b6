"""`hlsswarm rtsp`."""

from __future__ import annotations

import argparse

from hlsswarm.cli.arguments import check_manager
from hlsswarm.cli.output import say
from hlsswarm.controller.runs import RunStatus
from hlsswarm.errors import ExitStatus
from hlsswarm.publishers import rtsp_server
from hlsswarm.publishers.rtsp_server import RtspOptions


def rtsp(arguments: argparse.Namespace) -> ExitStatus:
    """Start, show or stop RTSP servers."""
    options = rtsp_options(arguments)
    if arguments.action == "start":
        url = rtsp_server.start(options)
        say(f"It serves: {url}")
        say(f"`hlsswarm publish {url}` pushes streams to it, `hlsswarm rtsp stop` ends it.")
        return ExitStatus.OK
    there = rtsp_server.servers(options.manager)
    if arguments.action == "status":
        return _show(there)
    own = [run for run in there if run.run.startswith("rtsp")]
    wanted = [run.run for run in own if arguments.all or run.run == options.run]
    for run in rtsp_server.stop(options.manager, wanted) if wanted else []:
        say(f"Stopped {run}.")
    if not wanted:
        elsewhere = ", ".join(run.run.removeprefix("rtsp") for run in own)
        say(f"No RTSP server runs on port {options.port}." if own else "No RTSP server runs.")
        if elsewhere:
            say(f"There is one on port {elsewhere}: --port, or --all.")
    return ExitStatus.OK


def rtsp_options(arguments: argparse.Namespace) -> RtspOptions:
    """What is asked of the server."""
    return RtspOptions(
        port=arguments.port,
        listen=arguments.listen,
        server=arguments.server,
        manager=check_manager(arguments.manager),
    )


def _show(there: list[RunStatus]) -> ExitStatus:
    if not there:
        say("No RTSP server runs.")
    for run in there:
        say(f"{run.run}: {run.description}")
        for unit in run.units:
            if "-rtsp" in unit.name:
                say(f"  {unit.name}  {unit.active} ({unit.sub})  {unit.description}")
    return ExitStatus.OK
