"""What a run comes to: evidence, verdict, thresholds and the summary."""

from __future__ import annotations

import asyncio
import datetime
import resource
from collections.abc import Sequence
from dataclasses import dataclass

from hlsswarm.controller.opening import OpenRun
from hlsswarm.controller.record import ever_streamed, finished
from hlsswarm.core import names
from hlsswarm.core import summary as model
from hlsswarm.core.cgroup_text import stall_shares
from hlsswarm.core.headers import redact
from hlsswarm.core.network_namespaces import sentence
from hlsswarm.core.origin_load import OriginLoad
from hlsswarm.core.plan import Plan
from hlsswarm.core.thresholds import Outcome, evaluate
from hlsswarm.core.usage import Usage
from hlsswarm.core.verdict import Evidence, judge, streaming_share
from hlsswarm.units.accounting import machine_stalls

_KIBIBYTE = 1024

_INFERRED = (
    "Startup, stalls and watched time are of a virtual player: inferred from when segments arrived."
)
_LIGHT = (
    "Light measuring: connections are kept alive, so download times are not known, and bytes are "
    "counted when a connection ends."
)


def own_cpu_seconds() -> float:
    """Processor time of this process, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@dataclass(frozen=True)
class Ending:
    """How a run ended."""

    interrupted: bool = False
    broken: str | None = None
    """Why our own side could not go on."""
    aborted_by: str | None = None
    """The threshold that ended it early."""


def _spread(plan: Plan) -> tuple[str, ...]:
    return (sentence(plan.network_namespaces),) if plan.network_namespaces else ()


class Conclusion:
    """Draws a run's conclusion; made when the run begins, because its start is part of it."""

    def __init__(self, opened_run: OpenRun, origin: OriginLoad | None = None) -> None:
        self._run = opened_run
        self._origin = origin
        self._swarm = opened_run.swarm
        self._began = asyncio.get_running_loop().time()
        self._began_wall = datetime.datetime.now(datetime.UTC)
        self._ended: float | None = None
        self._usage = Usage()
        self._machine_stalls = machine_stalls()
        self._pressure: tuple[dict[str, float], str] = ({}, "")
        # Once, not each second that thresholds are watched: it is as long as the swarm is large.
        schedule = self._swarm.plan.schedule()
        self._planned_seconds = schedule[-1].due_seconds - schedule[0].due_seconds

    @property
    def started_at(self) -> str:
        """Begin of the run as ISO 8601, UTC."""
        return self._began_wall.isoformat(timespec="seconds")

    def about_to_stop(self, *, manager_answers: bool) -> None:
        """Read what can only be read while the units are there."""
        self._ended = asyncio.get_running_loop().time()
        if manager_answers:
            swarm = self._swarm
            # Its own slice is the one that --cpu-quota holds back, and counts how often.
            self._usage = swarm.manager.usage(names.run_slice(swarm.run))
        self._pressure = self._waited()

    def _waited(self) -> tuple[dict[str, float], str]:
        """Shares of the run in which tasks waited for a resource, and whose tasks."""
        seconds = max(self._length_seconds(), 1e-3)
        if self._usage.stalls:
            return stall_shares(self._usage.stalls, {}, seconds), "clients"
        shares = stall_shares(machine_stalls(), self._machine_stalls, seconds)
        return shares, "machine" if shares else ""

    def evidence(self, ending: Ending) -> Evidence:
        """What the verdict stands on."""
        swarm, totals, record = self._swarm, self._swarm.totals, self._swarm.record
        return Evidence(
            target=swarm.plan.own_clients,
            started=record.started,
            ever_streamed=ever_streamed(swarm.clients),
            finished=finished(swarm.clients),
            streaming_seconds=record.streaming_seconds,
            lost_seconds=record.lost_seconds,
            restarts=record.restarts,
            playlists_read=totals.playlists.finished,
            segment_requests=totals.segments.requests,
            segment_failures=totals.segments.failed,
            ramp_planned_seconds=self._planned_seconds,
            ramp_lateness_p99_seconds=model.percentile(record.lateness_seconds, 0.99),
            telemetry_lines=totals.lines,
            recognised_lines=totals.recognised_lines,
            dropped_bytes=totals.dropped_bytes,
            own_failures=record.own_failures,
            oom_kills=record.oom_kills,
            saturated_seconds=record.saturation.seconds,
            saturated_from_clients=record.saturation.clients,
            saturated_by=record.saturation.problem,
            run_seconds=self._length_seconds(),
            interrupted=ending.interrupted,
            broken=ending.broken,
        )

    def outcomes(self, ending: Ending | None = None) -> tuple[Outcome, ...]:
        """Every threshold of the plan against what was measured so far."""
        share = streaming_share(self.evidence(ending or Ending()))
        extra = {} if share is None else {"streaming_share": share}
        measured = self._swarm.totals.measured
        return tuple(evaluate(one, measured, extra) for one in self._swarm.plan.thresholds)

    def summary(
        self, ending: Ending, evidence: Evidence, outcomes: Sequence[Outcome]
    ) -> model.Summary:
        """The whole run; call it when all clients are gone and heard to the end."""
        swarm, totals, plan = self._swarm, self._swarm.totals, self._swarm.plan
        verdict, reasons = judge(evidence)
        if ending.aborted_by:
            reasons = (f"Ended early by the threshold {ending.aborted_by!r}.", *reasons)
        timed = totals.timed
        kinds = {kind: model.Requests.of(m, timed=timed) for kind, m in totals.kinds.items()}
        return model.Summary(
            run=swarm.run,
            url=redact(plan.client.url),
            started_at=self.started_at,
            duration_seconds=self._length_seconds(),
            interrupted=ending.interrupted,
            systemd=model.Systemd(swarm.manager.kind, self._run.systemd_version, self._run.lacks()),
            ffmpeg=model.FFmpeg(self._run.program.version.text),
            measure=plan.client.measure,
            clients=self._clients(evidence),
            sessions=model.Sessions.of(totals.measured.sessions),
            segments=kinds["segment"],
            playlists=kinds["playlist"],
            init=kinds["init"],
            keys=kinds["key"],
            connections=totals.measured.connections,
            http_errors=dict(totals.http_errors),
            errors=model.error_classes(totals.measured),
            ramp=self._ramp(evidence),
            resources=self._resources(),
            controller=self._controller(),
            origin={} if self._origin is None else self._origin.figures(),
            thresholds=tuple(outcome.as_dict() for outcome in outcomes),
            verdict=str(verdict),
            reasons=reasons,
            notes=(*((_INFERRED,) if timed else (_LIGHT, _INFERRED)), *_spread(plan)),
        )

    def _length_seconds(self) -> float:
        """From the first start to the stop, or until now."""
        end = self._ended or asyncio.get_running_loop().time()
        return end - (self._swarm.record.first_start_at or self._began)

    def _clients(self, evidence: Evidence) -> model.Clients:
        record = self._swarm.record
        return model.Clients(
            target=evidence.target,
            started=record.started,
            streamed=evidence.ever_streamed,
            finished=evidence.finished,
            peak_active=record.peak_active,
            restarts=record.restarts,
            exits=dict(record.exits),
            oom_kills=record.oom_kills,
        )

    def _ramp(self, evidence: Evidence) -> model.Ramp:
        first, last = self._swarm.record.first_start_at, self._swarm.record.last_start_at
        return model.Ramp(
            planned_seconds=evidence.ramp_planned_seconds,
            actual_seconds=last - first if first is not None and last is not None else 0.0,
            lateness_p99_seconds=evidence.ramp_lateness_p99_seconds,
        )

    def _controller(self) -> model.Controller:
        totals, own = self._swarm.totals, self._run.own
        return model.Controller(
            cpu_seconds=own_cpu_seconds(),
            max_rss_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIBIBYTE,
            dbus_calls=own.dbus_calls,
            dbus_seconds=own.dbus_seconds,
            telemetry_lines=totals.lines,
            telemetry_dropped_bytes=totals.dropped_bytes,
            telemetry_unattributed=totals.unattributed_connections,
        )

    def _resources(self) -> model.Resources:
        cpu, memory = self._usage.cpu_seconds, self._usage.memory_peak_bytes
        record = self._swarm.record
        peak = max(1, record.peak_active)
        return model.Resources(
            cpu_seconds=cpu,
            memory_peak_bytes=memory,
            per_client=model.PerClient(
                cpu_seconds=None if cpu is None else cpu / max(1, record.started),
                memory_peak_bytes=None if memory is None else memory // peak,
            ),
            read_bytes=self._usage.read_bytes,
            written_bytes=self._usage.written_bytes,
            throttled_periods=self._usage.throttled,
            pressure={f"{name}_share": share for name, share in self._pressure[0].items()},
            pressure_of=self._pressure[1],
        )
