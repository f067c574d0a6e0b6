"""One run from beginning to end: look, connect, ramp, follow, stop, sum up.

What is made here is undone here, whatever happens between: unit, socket, directory, manager.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import random
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from hlsswarm import __version__
from hlsswarm.controller.figures import RunFigures
from hlsswarm.controller.preflight import Stream, look_at
from hlsswarm.controller.runs import is_active
from hlsswarm.controller.swarm import Swarm
from hlsswarm.core import names
from hlsswarm.core.plan import Plan
from hlsswarm.core.quantities import format_duration
from hlsswarm.core.summary import Summary
from hlsswarm.core.unit_specs import Abilities
from hlsswarm.core.verdict import Verdict
from hlsswarm.errors import ExitStatus, HlsSwarmError, PreflightError
from hlsswarm.metrics.own import OwnMetrics
from hlsswarm.metrics.server import MetricsServer, bind
from hlsswarm.metrics.swarm import SwarmCollector
from hlsswarm.report.files import (
    check_directory,
    check_writable,
    write_atomically,
    write_report,
)
from hlsswarm.report.terminal import progress_text, summary_text
from hlsswarm.telemetry.ffmpeg_program import FFmpegProgram, find_ffmpeg
from hlsswarm.units.abilities import probe
from hlsswarm.units.bus import BusLostError
from hlsswarm.units.connect import connect, release
from hlsswarm.units.runtime_directory import fresh_run_directory, locked, remove_run_directory

Say = Callable[[str], None]

_FILES_PER_CLIENT = 1
_FILES_SPARE = 100


@dataclass
class Stopper:
    """Ctrl+C and SIGTERM: the first asks the run to stop, the second kills at once."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    on_second: Callable[[], None] = lambda: None

    def install(self) -> None:
        """Take the signals over in the running loop."""
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._signal)

    def ask(self) -> None:
        """Ask the run to stop, as a first signal does."""
        self.asked.set()

    def _signal(self) -> None:
        if self.asked.is_set():
            self.on_second()
        self.asked.set()


def run(plan: Plan, say: Say, *, live: bool = False) -> ExitStatus:
    """Carry out a plan; its exit status. Raises HlsSwarmError when it cannot begin.

    `live` shows a screen that is redrawn each second instead of lines of progress.
    """
    program = find_ffmpeg(plan.ffmpeg)
    if plan.json_file is not None:
        check_writable(plan.json_file)
    if plan.out_directory is not None:
        check_directory(plan.out_directory)
    stream = Stream()
    if not plan.skip_preflight:
        client = plan.client
        stream = look_at(
            client.url, timeout_seconds=client.timeout_seconds, user_agent=client.user_agent
        )
    _allow_files(plan.clients)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(bind(plan.metrics)) if plan.metrics else None
        return asyncio.run(_run(plan, program, stream, listener, say, live=live))


def _allow_files(clients: int) -> None:
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


async def _run(
    plan: Plan,
    program: FFmpegProgram,
    stream: Stream,
    listener: socket.socket | None,
    say: Say,
    *,
    live: bool,
) -> ExitStatus:
    stopper = Stopper()
    stopper.install()
    own = OwnMetrics()
    async with _opened(plan, program, stream, own) as (swarm, abilities):
        stopper.on_second = swarm.kill
        figures = RunFigures(swarm, swarm.manager, program, abilities, own)
        _say_beginning(
            say,
            swarm=swarm,
            program=program,
            stream=stream,
            abilities=abilities,
            systemd_version=figures.systemd_version,
        )
        async with _metrics_served(figures, own, listener, say):
            with _progress_shown(figures, stopper, say, live=live) as progress:
                broken = await _follow(swarm, stopper, progress, figures)
            say(f"Stopping {swarm.record.active} clients …")
            figures.about_to_stop()
            broken = await _stopped(swarm, figures) or broken
            summary = figures.summary(interrupted=stopper.asked.is_set(), broken=broken)
    say("\n" + summary_text(summary))
    _keep(plan, summary, say)
    return _status(summary)


@contextlib.asynccontextmanager
async def _opened(
    plan: Plan, program: FFmpegProgram, stream: Stream, own: OwnMetrics
) -> AsyncIterator[tuple[Swarm, Abilities]]:
    """Manager, directory, slices and telemetry of a run; nothing of it is left afterwards."""
    run_id = plan.run_id or names.new_run_id(random.Random())
    async with contextlib.AsyncExitStack() as stack:
        # Under the lock until our slice is there, or another command could end the manager.
        with locked() as parent:
            manager = connect(plan.manager, on_call=own.dbus_call)
            stack.callback(release, manager)
            manager.listen()
            if is_active(manager, run_id):
                raise PreflightError(
                    f"A run named {run_id} is there already.",
                    hint=f"End it with `hlsswarm stop {run_id}`, or choose another --run-id.",
                )
            directory = fresh_run_directory(parent, run_id, kind=manager.kind)
            stack.callback(remove_run_directory, directory)
            abilities = await probe(manager, directory)
            swarm = Swarm(
                plan,
                run_id,
                program=program,
                stream=stream,
                manager=manager,
                abilities=abilities,
                directory=directory,
                on_lateness=own.start_lateness,
            )
            stack.callback(swarm.close)
            await swarm.open()
        yield swarm, abilities


def _say_beginning(
    say: Say,
    *,
    swarm: Swarm,
    program: FFmpegProgram,
    stream: Stream,
    abilities: Abilities,
    systemd_version: str,
) -> None:
    plan = swarm.plan
    say(
        f"hlsswarm {__version__}: systemd {systemd_version} ({swarm.manager.kind} manager), "
        f"ffmpeg {program.version.text}"
    )
    if not program.version.is_known:
        say(
            "This version of ffmpeg has not been tried; the run will show whether it is understood."
        )
    for lack in abilities.lacks():
        say(f"Without: {lack}.")
    kind = "live" if stream.is_live else "finished (VOD)"
    if stream.looked_at:
        variants = f", {stream.variants} Variant Streams, all fetched" if stream.variants else ""
        target = f"Target Duration {stream.target_duration_seconds:g} s"
        say(f"Stream: {plan.client.url} ({kind}, {target}{variants})")
    rate = f"{plan.ramp_rate_per_second:g}/s" if plan.ramp_rate_per_second else "all at once"
    duration = plan.duration_seconds
    until = f"for {format_duration(duration)}" if duration else "until stopped (Ctrl+C)"
    say(f"Run {swarm.run}: {plan.clients} clients, ramp {rate}, {until}")


@contextlib.asynccontextmanager
async def _metrics_served(
    figures: RunFigures, own: OwnMetrics, listener: socket.socket | None, say: Say
) -> AsyncIterator[None]:
    """Serve /metrics while the run goes."""
    if listener is None:
        yield
        return
    registry = CollectorRegistry()
    registry.register(SwarmCollector(figures.metrics))
    server = MetricsServer(
        listener, (registry, own.registry), healthy=lambda: figures.manager_answers
    )
    await server.start()
    say(f"Metrics: http://{server.address}/metrics")
    try:
        yield
    finally:
        await server.close()


@contextlib.contextmanager
def _progress_shown(
    figures: RunFigures, stopper: Stopper, say: Say, *, live: bool
) -> Iterator[Callable[[], Awaitable[None]]]:
    """A function that shows progress until it is cancelled: as lines, or on a live screen."""
    if not live:
        yield lambda: _lines(figures, say)
        return
    # Drawing needs a library that takes time and memory to load: only who looks pays for it.
    screen = importlib.import_module("hlsswarm.report.live").LiveScreen(on_quit=stopper.ask)
    screen.open()
    loop = asyncio.get_running_loop()
    if screen.reads_keys:
        loop.add_reader(sys.stdin.fileno(), screen.keys)

    async def redraw() -> None:
        while True:
            screen.show(figures.live())
            await asyncio.sleep(1.0)

    try:
        yield redraw
    finally:
        if screen.reads_keys:
            loop.remove_reader(sys.stdin.fileno())
        screen.close()


async def _lines(figures: RunFigures, say: Say) -> None:
    while True:
        await asyncio.sleep(figures.plan.summary_interval_seconds)
        say(progress_text(figures.progress()))


async def _follow(
    swarm: Swarm,
    stopper: Stopper,
    progress: Callable[[], Awaitable[None]],
    figures: RunFigures,
) -> str | None:
    """Ramp and follow until something ends the run; what broke on our side, if anything."""
    plan = swarm.plan
    ramp = asyncio.create_task(swarm.ramp())
    ends = [
        asyncio.create_task(stopper.asked.wait()),
        asyncio.create_task(swarm.follow()),
        asyncio.create_task(swarm.all_finished()),
        asyncio.create_task(swarm.manager.lost()),
        asyncio.ensure_future(progress()),
    ]
    if plan.duration_seconds:
        ends.append(asyncio.create_task(asyncio.sleep(plan.duration_seconds)))
    try:
        waiting = {ramp, *ends}
        while True:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if done != {ramp}:
                return None
    except BusLostError as error:
        figures.manager_answers = False
        return error.message
    except HlsSwarmError as error:
        return error.message
    finally:
        for task in (ramp, *ends):
            task.cancel()
        await asyncio.gather(ramp, *ends, return_exceptions=True)


async def _stopped(swarm: Swarm, figures: RunFigures) -> str | None:
    """Stop the swarm; what went wrong with that, if anything."""
    try:
        await swarm.stop()
    except BusLostError as error:
        figures.manager_answers = False
        return error.message
    except HlsSwarmError as error:
        return error.message
    return None


def _keep(plan: Plan, summary: Summary, say: Say) -> None:
    """Write the files that were asked for."""
    try:
        if plan.json_file is not None:
            write_atomically(plan.json_file, summary.as_json())
            say(f"Summary: {plan.json_file}")
        if plan.out_directory is not None:
            say(f"Report: {write_report(plan.out_directory, summary)}")
    except OSError as error:
        raise HlsSwarmError(f"The results could not be written: {error}.") from None


def _status(summary: Summary) -> ExitStatus:
    if summary.interrupted:
        return ExitStatus.ABORTED
    return {
        str(Verdict.HEALTHY): ExitStatus.OK,
        str(Verdict.AT_LIMIT): ExitStatus.OK,
        str(Verdict.FAILING): ExitStatus.FAILED,
        str(Verdict.VOID): ExitStatus.VOID,
    }[summary.verdict]
