"""`hlsswarm origin` and `hlsswarm demo`."""

from __future__ import annotations

import argparse
import contextlib
import signal
import time
from collections.abc import Iterator

from hlsswarm import __version__
from hlsswarm.cli.arguments import check_manager
from hlsswarm.cli.origin_arguments import DEMO_DEFAULTS
from hlsswarm.cli.output import say, say_on
from hlsswarm.controller.run import run as run_plan
from hlsswarm.controller.runs import RunStatus, which_manager
from hlsswarm.core.commands import ClientOptions
from hlsswarm.core.origin_options import OriginOptions, origin_options
from hlsswarm.core.plan import Plan
from hlsswarm.core.trust import UNCHECKED, Trust
from hlsswarm.errors import ExitStatus, UnitError
from hlsswarm.metrics.server import bind
from hlsswarm.origin import control
from hlsswarm.origin.profile_list import profiles_json, profiles_text
from hlsswarm.origin.readiness import playlist_segments
from hlsswarm.origin.web_server import ca_file
from hlsswarm.report.files import check_directory, check_writable
from hlsswarm.report.run_directory import check_no_run, remove_run

_LOOK_SECONDS = 2.0


def _options(arguments: argparse.Namespace) -> OriginOptions:
    return origin_options({**vars(arguments), "manager": check_manager(arguments.manager)})


def origin(arguments: argparse.Namespace) -> ExitStatus:
    """Start, show or stop test origins."""
    if arguments.action == "profiles":
        say(profiles_json() if arguments.json else profiles_text())
        return ExitStatus.OK
    options = _options(arguments)
    if arguments.action == "start":
        _start(options)
        say("`hlsswarm origin stop` ends it.")
        return ExitStatus.OK
    if arguments.action == "run":
        return _run(options)
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


def _start(options: OriginOptions) -> None:
    what = options.profile if options.serve is None else f"of {options.serve}"
    say(f"Starting the test origin {what} …")
    url = control.start(options, say_on)
    for run in control.origins(options.manager):
        if run.run == options.run:
            say(f"It runs under systemd {run.systemd_version} ({run.manager} manager).")
    say(f"It plays: {url}" if options.serve is None else f"It serves {options.serve} at {url}")
    if (log := control.own_access_log(options)) is not None:
        say(f"Requests are logged in {log}")
    if options.tls:
        authority = ca_file(options.run)
        say(f"Clients can check its certificate: --tls-verify --ca-file {authority}")


def _run(options: OriginOptions) -> ExitStatus:
    """An origin for as long as this command lives, as containers and terminals want it."""
    _start(options)
    say_on("Ctrl+C ends it.")
    try:
        while any(run.run == options.run for run in control.origins(options.manager)):
            time.sleep(_LOOK_SECONDS)
        raise UnitError("The test origin has ended.", hint="`hlsswarm logs` may say why.")
    except KeyboardInterrupt:
        return ExitStatus.OK
    finally:
        with _undisturbed():
            control.stop(options.manager, [options.run])
            say_on("Everything is stopped.")


def _show(there: list[RunStatus]) -> ExitStatus:
    if not there:
        say("No test origin runs.")
    for run in there:
        say(f"{run.run}: {run.description}")
        url = run.description.rpartition(" ")[2]
        say(f"  systemd {run.systemd_version} ({run.manager} manager)")
        say(f"  playlist: {playlist_segments(url)} segments")
        if (warning := control.slowness(run.run)) is not None:
            say(f"  {warning}")
        for unit in run.units:
            say(f"  {unit.name}  {unit.active} ({unit.sub})")
    return ExitStatus.OK


def demo(arguments: argparse.Namespace) -> ExitStatus:
    """Origin, swarm, summary, and everything stopped again."""
    options = _options(arguments)
    plan = Plan(
        client=ClientOptions(
            options.url,
            trust=Trust(verify=True, ca_file=ca_file(options.run)) if options.tls else UNCHECKED,
        ),
        clients=arguments.clients,
        ramp_rate_per_second=arguments.ramp_rate,
        duration_seconds=arguments.duration,
        manager=options.manager,
        ffmpeg=options.ffmpeg,
        metrics=arguments.metrics,
        json_file=arguments.json,
        out_directory=arguments.out,
    )
    again = plan.out_directory == DEMO_DEFAULTS["out"]
    _check(plan, again=again)
    control.check(options)
    say(f"hlsswarm {__version__}: {which_manager(options.manager)}")
    say(f"[1/3] Starting the test origin on port {options.port} (ffmpeg encoder, nginx) …")
    url = control.start(options, lambda text: say_on(f"      {text}"))
    try:
        if again:
            remove_run(DEMO_DEFAULTS["out"])
        say_on(f"      It plays: {url}")
        say_on(f"[2/3] Running {plan.clients} clients …")
        status = run_plan(plan, say_on)
    finally:
        with _undisturbed():
            say_on("[3/3] Stopping the test origin …")
            control.stop(options.manager, [options.run])
    say_on("      Everything is stopped.")
    return status


def _check(plan: Plan, *, again: bool) -> None:
    """Raise PreflightError for what the run will not get, before the origin is started for it.

    `again`: what the demo before this one has left in its own directory may be replaced.
    """
    if plan.metrics is not None:
        bind(plan.metrics).close()
    if plan.json_file is not None:
        check_writable(plan.json_file)
    if plan.out_directory is not None:
        check_directory(plan.out_directory)
        if not again:
            check_no_run(plan.out_directory)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """No signal ends this: what is stopped here would otherwise stay. It takes seconds at most."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
