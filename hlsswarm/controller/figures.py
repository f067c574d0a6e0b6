"""A run's figures, as metrics, progress lines and the summary need them."""

from __future__ import annotations

import asyncio
import datetime
import resource

from hlsswarm.controller.history import History, Moment
from hlsswarm.controller.record import count_states, ever_streamed, finished
from hlsswarm.controller.swarm import Swarm
from hlsswarm.core import names
from hlsswarm.core import summary as model
from hlsswarm.core.histogram import LogHistogram
from hlsswarm.core.plan import Plan
from hlsswarm.core.states import ClientState
from hlsswarm.core.unit_specs import Abilities
from hlsswarm.core.verdict import Evidence, judge
from hlsswarm.metrics.own import OwnMetrics
from hlsswarm.metrics.swarm import SwarmFigures
from hlsswarm.report.live_figures import LiveFigures
from hlsswarm.report.terminal import Progress
from hlsswarm.telemetry.ffmpeg_program import FFmpegProgram
from hlsswarm.units.cgroups import Usage
from hlsswarm.units.manager import SystemdManager

_KIBIBYTE = 1024


def _own_cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


_SHOWN_QUANTILES = {"p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99, "max": 1.0}


def _times(durations: LogHistogram) -> dict[str, float]:
    """Quantiles for the live screen; empty of nothing."""
    if not durations.count:
        return {}
    return {name: durations.quantile(share) for name, share in _SHOWN_QUANTILES.items()}


class RunFigures:
    """Reads a swarm; changes nothing in it."""

    def __init__(
        self,
        swarm: Swarm,
        manager: SystemdManager,
        program: FFmpegProgram,
        abilities: Abilities,
        own: OwnMetrics,
    ) -> None:
        self._swarm = swarm
        self._manager = manager
        self._program = program
        self._abilities = abilities
        self._own = own
        self._version = manager.version()
        self._began = asyncio.get_running_loop().time()
        self._began_wall = datetime.datetime.now(datetime.UTC)
        self._ended: float | None = None
        self._usage = Usage()
        self._last_line = (self._began, 0, 0)
        self.manager_answers = True
        self._history = History()

    @property
    def plan(self) -> Plan:
        """What the run is to do."""
        return self._swarm.plan

    @property
    def systemd_version(self) -> str:
        """Version of the manager in use."""
        return self._version

    def about_to_stop(self) -> None:
        """Read what can only be read while the units are there."""
        self._ended = asyncio.get_running_loop().time()
        if self.manager_answers:
            self._usage = self._manager.usage(names.clients_slice(self._swarm.run))

    def metrics(self) -> SwarmFigures:
        """Figures of this moment for the collector."""
        swarm, totals = self._swarm, self._swarm.totals
        record = swarm.record
        now = asyncio.get_running_loop().time()
        states = count_states(swarm.clients, now, record.stall_after)
        kinds = totals.kinds
        return SwarmFigures(
            target=swarm.plan.clients,
            active=record.active,
            started=record.started,
            restarted=record.restarts,
            states={str(state): count for state, count in states.items()},
            exits=record.exits,
            requests={str(kind): count.requests for kind, count in kinds.items()},
            failed_requests={str(kind): count.failed for kind, count in kinds.items()},
            received_bytes={str(kind): count.bytes for kind, count in kinds.items()},
            http_errors=totals.http_errors,
            telemetry_lines=totals.lines,
            telemetry_dropped_bytes=totals.dropped_bytes,
            telemetry_unattributed=totals.unattributed_connections,
            cpu_seconds=_own_cpu_seconds(),
        )

    def progress(self) -> Progress:
        """A progress line's figures; rates are since the line before."""
        swarm = self._swarm
        totals, record = swarm.totals, swarm.record
        now = asyncio.get_running_loop().time()
        then, segments_then, bytes_then = self._last_line
        segments, received = totals.segments.finished, totals.segments.bytes
        self._last_line = (now, segments, received)
        seconds = max(now - then, 1e-3)
        buffering = [
            (client.number, client.seconds_without_segment(now) or 0.0, client.telemetry.last_error)
            for client in swarm.clients
            if client.state(now, record.stall_after) is ClientState.BUFFERING
        ]
        errors = tuple(record.recent_errors)
        record.recent_errors.clear()
        return Progress(
            elapsed_seconds=now - self._began,
            target=swarm.plan.clients,
            states=count_states(swarm.clients, now, record.stall_after),
            restarts=record.restarts,
            segments=segments,
            segments_per_second=(segments - segments_then) / seconds,
            bytes_per_second=(received - bytes_then) / seconds,
            http_errors=totals.http_errors.total(),
            buffering=buffering,
            errors=errors,
        )

    def moment(self) -> Moment:
        """Totals of now."""
        kinds = self._swarm.totals.kinds
        return Moment(
            at=asyncio.get_running_loop().time(),
            received_bytes=sum(measure.bytes for measure in kinds.values()),
            requests={kind: measure.requests for kind, measure in kinds.items()},
            failed=sum(measure.failed for measure in kinds.values()),
            cpu_seconds=_own_cpu_seconds(),
        )

    def live(self) -> LiveFigures:
        """What the live screen shows; to be called about once a second."""
        swarm, record, totals = self._swarm, self._swarm.record, self._swarm.totals
        self._history.add(self.moment())
        now = asyncio.get_running_loop().time()
        sessions = totals.measured.sessions
        return LiveFigures(
            run=swarm.run,
            url=swarm.plan.client.url,
            elapsed_seconds=now - self._began,
            duration_seconds=swarm.plan.duration_seconds,
            target=swarm.plan.clients,
            started=record.started,
            states=count_states(swarm.clients, now, record.stall_after),
            restarts=record.restarts,
            rates=self._history.rates(),
            totals={kind: measure.requests for kind, measure in totals.kinds.items()},
            bytes_total=self._history.moments[-1].received_bytes,
            throughput=self._history.throughput(),
            segment_times=_times(totals.segments.durations),
            playlist_times=_times(totals.playlists.durations),
            stalls=sessions.stalls,
            stalled_seconds=sessions.stalled_seconds,
            sessions_failed=sessions.failed,
            http_errors=totals.http_errors,
            errors=tuple(record.recent_errors),
            lateness_p99_seconds=model.percentile(record.lateness_seconds, 0.99),
            controller_cpu_share=self._history.cpu_share(),
            dropped_bytes=totals.dropped_bytes,
        )

    def summary(self, *, interrupted: bool, broken: str | None) -> model.Summary:
        """The whole run; call it when all clients are gone and heard to the end."""
        swarm, totals, record = self._swarm, self._swarm.totals, self._swarm.record
        plan = swarm.plan
        schedule = plan.schedule()
        planned = schedule[-1].due_seconds - schedule[0].due_seconds
        lateness = model.percentile(record.lateness_seconds, 0.99)
        evidence = Evidence(
            target=plan.clients,
            started=record.started,
            ever_streamed=ever_streamed(swarm.clients),
            finished=finished(swarm.clients),
            streaming_seconds=record.streaming_seconds,
            lost_seconds=record.lost_seconds,
            restarts=record.restarts,
            segment_requests=totals.segments.requests,
            segment_failures=totals.segments.failed,
            ramp_planned_seconds=planned,
            ramp_lateness_p99_seconds=lateness,
            telemetry_lines=totals.lines,
            recognised_lines=totals.recognised_lines,
            dropped_bytes=totals.dropped_bytes,
            own_failures=record.own_failures,
            interrupted=interrupted,
            broken=broken,
        )
        verdict, reasons = judge(evidence)
        first, last = record.first_start_at, record.last_start_at
        return model.Summary(
            run=swarm.run,
            url=plan.client.url,
            started_at=self._began_wall.isoformat(timespec="seconds"),
            duration_seconds=(self._ended or self._began) - (first or self._began),
            interrupted=interrupted,
            systemd=model.Systemd(self._manager.kind, self._version, self._abilities.lacks()),
            ffmpeg=model.FFmpeg(self._program.version.text),
            measure=plan.client.measure,
            clients=model.Clients(
                target=plan.clients,
                started=record.started,
                streamed=evidence.ever_streamed,
                finished=evidence.finished,
                peak_active=record.peak_active,
                restarts=record.restarts,
                exits=dict(record.exits),
            ),
            playlists=model.Playlists(
                totals.playlists.requests, totals.playlists.failed, totals.playlists.bytes
            ),
            segments=model.Segments(
                totals.segments.requests, totals.segments.failed, totals.segments.bytes
            ),
            http_errors=dict(totals.http_errors),
            ramp=model.Ramp(
                planned_seconds=planned,
                actual_seconds=(last - first) if first is not None and last is not None else 0.0,
                lateness_p99_seconds=lateness,
            ),
            resources=self._resources(record.started),
            controller=model.Controller(
                cpu_seconds=_own_cpu_seconds(),
                max_rss_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIBIBYTE,
                dbus_calls=self._own.dbus_calls,
                dbus_seconds=self._own.dbus_seconds,
                telemetry_lines=totals.lines,
                telemetry_dropped_bytes=totals.dropped_bytes,
                telemetry_unattributed=totals.unattributed_connections,
            ),
            verdict=str(verdict),
            reasons=reasons,
        )

    def _resources(self, started: int) -> model.Resources:
        cpu, memory = self._usage.cpu_seconds, self._usage.memory_peak_bytes
        peak = max(1, self._swarm.record.peak_active)
        return model.Resources(
            cpu_seconds=cpu,
            memory_peak_bytes=memory,
            per_client=model.PerClient(
                cpu_seconds=None if cpu is None else cpu / max(1, started),
                memory_peak_bytes=None if memory is None else memory // peak,
            ),
        )
