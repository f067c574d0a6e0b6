"""One run from beginning to end: look, open, ramp, follow, stop, sum up."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence

from hlsswarm.controller.beginning import beginning, check_beginning
from hlsswarm.controller.conclusion import Conclusion, Ending
from hlsswarm.controller.edge import follow_edge
from hlsswarm.controller.fault_schedule import FaultSchedule, Injector, check_faults
from hlsswarm.controller.figures import RunFigures
from hlsswarm.controller.machine_check import check_machine
from hlsswarm.controller.opening import allow_files, opened
from hlsswarm.controller.preflight import Look, Stream, select_unseen
from hlsswarm.controller.recorder import Recorder
from hlsswarm.controller.showing import Say, metrics_served, progress_shown, say_beginning
from hlsswarm.controller.stopper import Stopper
from hlsswarm.controller.stream_wait import awaited
from hlsswarm.controller.swarm import Swarm
from hlsswarm.controller.trust import tls_context
from hlsswarm.controller.waiting import until_one_ends
from hlsswarm.core.plan import Plan
from hlsswarm.core.summary import Summary
from hlsswarm.core.thresholds import Outcome
from hlsswarm.core.verdict import Evidence, Verdict
from hlsswarm.errors import ExitStatus, HlsSwarmError
from hlsswarm.metrics.origin_watch import OriginWatch
from hlsswarm.metrics.server import bind
from hlsswarm.report.files import check_directory, check_writable, write_atomically
from hlsswarm.report.run_directory import RunDirectoryWriter, check_no_run
from hlsswarm.report.terminal import summary_text
from hlsswarm.telemetry.ffmpeg_program import FFmpegProgram, find_client_ffmpeg
from hlsswarm.units.bus import BusLostError

_STATUSES = {
    Verdict.HEALTHY: ExitStatus.OK,
    Verdict.AT_LIMIT: ExitStatus.OK,
    Verdict.FAILING: ExitStatus.FAILED,
    Verdict.VOID: ExitStatus.VOID,
}


def run(
    plan: Plan, say: Say, *, live: bool = False, injector: Injector | None = None
) -> ExitStatus:
    """Carry out a plan; its exit status. Raises HlsSwarmError when it cannot begin.

    `live` shows a screen that is redrawn each second instead of lines of progress. `injector` gives
    a test origin the plan's faults.
    """
    check_beginning(plan)
    program = find_client_ffmpeg(plan.ffmpeg)
    if plan.json_file is not None:
        check_writable(plan.json_file)
    if plan.out_directory is not None:
        check_directory(plan.out_directory)
        check_no_run(plan.out_directory)
    check_faults(plan, injector)
    if plan.client.trust.ca_file is not None:
        tls_context(plan.client.trust)  # a file that is no authority's is found before the start
    look = Look.of(plan, program.path)
    stream = (
        select_unseen(look)
        if plan.skip_preflight
        else awaited(look, plan.wait_for_stream_seconds, say)
    )
    plan = plan_for(plan, stream)
    if not plan.skip_preflight:
        check_machine(plan, stream, say)
    allow_files(plan.own_clients)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(bind(plan.metrics)) if plan.metrics else None
        return asyncio.run(_run(plan, program, stream, listener, say, live=live, injector=injector))


def plan_for(plan: Plan, stream: Stream) -> Plan:
    """The plan with what the look at the stream has decided."""
    client = dataclasses.replace(plan.client, selection=stream.selection)
    if client.interleaves:
        client = dataclasses.replace(client, measure="light")
    return dataclasses.replace(plan, client=client)


async def _run(
    plan: Plan,
    program: FFmpegProgram,
    stream: Stream,
    listener: socket.socket | None,
    say: Say,
    *,
    live: bool,
    injector: Injector | None,
) -> ExitStatus:
    stopper = Stopper()
    stopper.install()
    async with opened(plan, program, stream) as opened_run:
        swarm = opened_run.swarm
        stopper.on_second = swarm.kill
        await beginning(plan, stopper, say)
        watch = _origin_watch(plan, say)
        load = watch.load if watch else None
        conclusion = Conclusion(opened_run, load)
        with _results_kept(plan, swarm, conclusion) as writer:
            say_beginning(say, opened_run)
            figures = RunFigures(opened_run, load)
            recorder = Recorder(swarm, conclusion, writer, load)
            async with metrics_served(figures, opened_run.own, listener, say):
                with progress_shown(figures, stopper, say, live=live) as progress:
                    jobs = [progress, recorder.follow] + ([watch.follow] if watch else [])
                    if stream.dated_url is not None:
                        jobs.append(edge_followed(swarm, stream))
                    if swarm.walls.reach is not None:
                        follow_reach = swarm.walls.reach.follow
                        jobs.append(functools.partial(follow_reach, swarm.manager, say))
                    if plan.faults and injector is not None:
                        jobs.append(FaultSchedule(plan, swarm.run, injector, say).follow)
                    broken = await _follow(swarm, stopper, jobs, figures)
                say(f"Stopping {swarm.record.active} clients …")
                conclusion.about_to_stop(manager_answers=figures.manager_answers)
                broken = await _stopped(swarm, figures) or broken
                recorder.row()
            ending = Ending(stopper.asked.is_set(), broken, recorder.aborted_by)
            evidence = conclusion.evidence(ending)
            outcomes = conclusion.outcomes(ending)
            summary = conclusion.summary(ending, evidence, outcomes)
    say("\n" + summary_text(summary))
    _keep(plan, summary, swarm, writer, evidence=evidence, outcomes=outcomes, say=say)
    return _status(summary, outcomes, ending)


@contextlib.contextmanager
def _results_kept(
    plan: Plan, swarm: Swarm, conclusion: Conclusion
) -> Iterator[RunDirectoryWriter | None]:
    """The directory of the results, if one was asked for."""
    if plan.out_directory is None:
        yield None
        return
    writer = RunDirectoryWriter(
        plan.out_directory, plan, run=swarm.run, started_at=conclusion.started_at
    )
    try:
        yield writer
    except BaseException:
        writer.close()
        raise


def edge_followed(swarm: Swarm, stream: Stream) -> Callable[[], Awaitable[None]]:
    """A job that follows when segments are made, for live latency; of a dated playlist."""
    url = stream.dated_url or ""
    return functools.partial(
        follow_edge,
        swarm.totals.edge,
        url,
        interval_seconds=stream.target_duration_seconds,
        address=swarm.plan.resolve_address,
        context=tls_context(swarm.plan.client.trust) if url.startswith("https:") else None,
    )


def _origin_watch(plan: Plan, say: Say) -> OriginWatch | None:
    if not plan.nginx_metrics_url and not plan.origin_metrics_url:
        return None
    return OriginWatch(nginx_url=plan.nginx_metrics_url, node_url=plan.origin_metrics_url, tell=say)


async def _follow(
    swarm: Swarm,
    stopper: Stopper,
    jobs: Sequence[Callable[[], Awaitable[None]]],
    figures: RunFigures,
) -> str | None:
    """Ramp and follow until something ends the run; what broke on our side, if anything."""
    plan = swarm.plan
    waits: list[Awaitable[object]] = [
        stopper.asked.wait(),
        swarm.follow(),
        swarm.all_finished(),
        swarm.manager.lost(),
        *(job() for job in jobs),
    ]
    if plan.duration_seconds:
        waits.append(asyncio.sleep(plan.duration_seconds))
    try:
        await until_one_ends(swarm.ramp(), waits)
    except BusLostError as error:
        figures.manager_answers = False
        return error.message
    except HlsSwarmError as error:
        return error.message
    return None


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


def _keep(
    plan: Plan,
    summary: Summary,
    swarm: Swarm,
    writer: RunDirectoryWriter | None,
    *,
    evidence: Evidence,
    outcomes: Sequence[Outcome],
    say: Say,
) -> None:
    """Write the files that were asked for. Raises HlsSwarmError."""
    trouble = None
    if writer is not None:
        trouble = writer.finish(summary, swarm.totals.measured, evidence, outcomes)
        say(f"Results: {plan.out_directory} (`hlsswarm report {plan.out_directory}`)")
    if plan.json_file is not None:
        try:
            write_atomically(plan.json_file, summary.as_json())
        except OSError as error:
            trouble = f"The summary could not be written: {error}."
        else:
            say(f"Summary: {plan.json_file}")
    if trouble:
        raise HlsSwarmError(trouble)


def _status(summary: Summary, outcomes: Sequence[Outcome], ending: Ending) -> ExitStatus:
    """The exit status: an interruption first, then a broken side of ours, then failures."""
    if ending.interrupted:
        return ExitStatus.ABORTED
    status = _STATUSES[Verdict(summary.verdict)]
    failed = any(not outcome.passed for outcome in outcomes)
    return ExitStatus.FAILED if status is ExitStatus.OK and failed else status
