"""What a run shows while it goes: its first lines, progress or a live screen, and /metrics."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from prometheus_client import CollectorRegistry

from hlsswarm import __version__
from hlsswarm.controller.figures import RunFigures
from hlsswarm.controller.opening import OpenRun
from hlsswarm.controller.preflight import Stream
from hlsswarm.controller.stopper import Stopper
from hlsswarm.core.commands import notes
from hlsswarm.core.headers import redact
from hlsswarm.core.network_namespaces import sentence
from hlsswarm.core.plan import Plan
from hlsswarm.core.quantities import format_duration
from hlsswarm.metrics.measured import MeasuredCollector
from hlsswarm.metrics.own import OwnMetrics
from hlsswarm.metrics.server import MetricsServer
from hlsswarm.metrics.swarm import SwarmCollector
from hlsswarm.report.terminal import event_text, progress_text

Say = Callable[[str], None]


def say_beginning(say: Say, opened_run: OpenRun) -> None:
    """Which systemd, which ffmpeg, which stream, and what is going to happen."""
    swarm, stream = opened_run.swarm, opened_run.stream
    plan = swarm.plan
    say(
        f"hlsswarm {__version__}: systemd {opened_run.systemd_version} "
        f"({swarm.manager.kind} manager), ffmpeg {opened_run.program.version.text}"
    )
    if not opened_run.program.version.is_known:
        say(
            "This version of ffmpeg has not been tried; the run will show whether it is understood."
        )
    for lack in opened_run.lacks():
        say(f"Without: {lack}.")
    for lack in swarm.walls.lacks:
        say(f"Without: {lack}.")
    for note in notes(opened_run.program.version, plan.client):
        say(f"Note: {note}")
    _say_stream(say, plan, stream)
    if plan.network_namespaces:
        say(f"Note: {sentence(plan.network_namespaces)}")
    if plan.thresholds and not plan.segment.is_whole:
        say("Note: thresholds are judged on this segment; `report` judges all of them together.")
    rate = f"{plan.ramp_rate_per_second:g}/s" if plan.ramp_rate_per_second else "all at once"
    duration = plan.duration_seconds
    until = f"for {format_duration(duration)}" if duration else "until stopped (Ctrl+C)"
    say(f"Run {swarm.run}: {_who(plan)}, ramp {rate}, {until}")
    if plan.verbose:
        loop = asyncio.get_running_loop()
        began = loop.time()
        swarm.record.tell = lambda end: say(event_text(loop.time() - began, end.words))


def _who(plan: Plan) -> str:
    if plan.segment.is_whole:
        return f"{plan.clients} clients"
    return f"{plan.own_clients} of {plan.clients} clients (segment {plan.segment})"


def _say_stream(say: Say, plan: Plan, stream: Stream) -> None:
    """What is played, and how its host is reached."""
    kind = "live" if stream.is_live else "finished (VOD)"
    if stream.looked_at:
        everything = stream.variants and stream.selection is None
        variants = f", {stream.variants} Variant Streams, all fetched" if everything else ""
        target = f"Target Duration {stream.target_duration_seconds:g} s"
        say(f"Stream: {redact(plan.client.url)} ({kind}, {target}{variants})")
    if stream.selection is not None:
        say(f"Variant: {redact(stream.selection.sentence)}")
    if plan.client.resolution is not None:
        say(f"Resolved: {plan.client.resolution.sentence}")


@contextlib.asynccontextmanager
async def metrics_served(
    figures: RunFigures, own: OwnMetrics, listener: socket.socket | None, say: Say
) -> AsyncIterator[None]:
    """Serve /metrics while the run goes."""
    if listener is None:
        yield
        return
    registry = CollectorRegistry()
    registry.register(SwarmCollector(figures.metrics))
    registry.register(MeasuredCollector(figures.measured))
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
def progress_shown(
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
