"""A run's figures while it goes, as metrics, progress lines and the live screen need them."""

from __future__ import annotations

import asyncio

from hlsswarm.controller.conclusion import own_cpu_seconds
from hlsswarm.controller.history import History, Moment
from hlsswarm.controller.opening import OpenRun
from hlsswarm.controller.record import count_states
from hlsswarm.controller.slice_gauge import SliceGauge
from hlsswarm.core import names
from hlsswarm.core import summary as model
from hlsswarm.core.headers import redact
from hlsswarm.core.histogram import LogHistogram
from hlsswarm.core.origin_load import OriginLoad
from hlsswarm.core.plan import Plan
from hlsswarm.core.quantities import format_size
from hlsswarm.core.states import ClientState
from hlsswarm.metrics.measured import MeasuredFigures
from hlsswarm.metrics.swarm import SwarmFigures
from hlsswarm.report.live_figures import LiveFigures
from hlsswarm.report.terminal import Progress

_SHOWN_QUANTILES = {"p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99, "max": 1.0}


def _times(durations: LogHistogram) -> dict[str, float]:
    """Quantiles for the live screen; empty of nothing."""
    if not durations.count:
        return {}
    return {name: durations.quantile(share) for name, share in _SHOWN_QUANTILES.items()}


class RunFigures:
    """Reads a swarm; changes nothing in it."""

    def __init__(self, opened_run: OpenRun, origin: OriginLoad | None = None) -> None:
        self._swarm = opened_run.swarm
        self._origin = origin
        self._clients = SliceGauge(opened_run.swarm.manager, names.run_slice(opened_run.swarm.run))
        self._began = asyncio.get_running_loop().time()
        self._last_line = (self._began, 0, 0)
        self._history = History()
        self.manager_answers = True

    @property
    def plan(self) -> Plan:
        """What the run is to do."""
        return self._swarm.plan

    def metrics(self) -> SwarmFigures:
        """Figures of this moment for the collector."""
        swarm, totals = self._swarm, self._swarm.totals
        record = swarm.record
        now = asyncio.get_running_loop().time()
        states = count_states(swarm.clients, now)
        kinds = totals.kinds
        return SwarmFigures(
            target=swarm.plan.own_clients,
            active=record.active,
            started=record.started,
            restarted=record.restarts,
            states={str(state): count for state, count in states.items()},
            exits=record.exits,
            oom_kills=record.oom_kills,
            requests={str(kind): count.requests for kind, count in kinds.items()},
            failed_requests={str(kind): count.failed for kind, count in kinds.items()},
            received_bytes={str(kind): count.bytes for kind, count in kinds.items()},
            http_errors=totals.http_errors,
            telemetry_lines=totals.lines,
            telemetry_dropped_bytes=totals.dropped_bytes,
            telemetry_unattributed=totals.unattributed_connections,
            cpu_seconds=own_cpu_seconds(),
            used=self._clients.usage(),
        )

    def measured(self) -> MeasuredFigures:
        """Measurements of this moment for the collector."""
        swarm = self._swarm
        now = asyncio.get_running_loop().time()
        clients = {
            str(client.number): {
                "up": float(client.state(now) is ClientState.STREAMING),
                "segments": float(client.telemetry.segments),
                "restarts": float(client.restarts),
            }
            for client in (swarm.clients if swarm.plan.per_client_metrics else ())
        }
        return MeasuredFigures(
            measured=swarm.totals.measured,
            origin={} if self._origin is None else self._origin.figures(),
            clients=clients if swarm.plan.per_client_metrics else None,
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
            (client.number, client.seconds_without_segment(now), client.telemetry.last_error)
            for client in swarm.clients
            if client.state(now) is ClientState.BUFFERING
        ]
        errors = tuple(record.recent_errors)
        record.recent_errors.clear()
        return Progress(
            elapsed_seconds=now - self._began,
            target=swarm.plan.own_clients,
            states=count_states(swarm.clients, now),
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
            cpu_seconds=own_cpu_seconds(),
        )

    def live(self) -> LiveFigures:
        """What the live screen shows; to be called about once a second."""
        swarm, record, totals = self._swarm, self._swarm.record, self._swarm.totals
        self._history.add(self.moment())
        now = asyncio.get_running_loop().time()
        sessions = totals.measured.sessions
        return LiveFigures(
            run=swarm.run,
            url=redact(swarm.plan.client.url),
            elapsed_seconds=now - self._began,
            duration_seconds=swarm.plan.duration_seconds,
            target=swarm.plan.own_clients,
            started=record.started,
            states=count_states(swarm.clients, now),
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
            origin=_origin_texts(self._origin),
        )


def _origin_texts(load: OriginLoad | None) -> dict[str, str]:
    """What is known of the origin, ready to be shown."""
    if load is None:
        return {}
    sent = load.sent_bytes_per_second
    texts = {
        "connections": None if load.connections is None else str(load.connections),
        "requests": _or_none(load.requests_per_second, "{:.0f}/s"),
        "CPU": _or_none(load.cpu_share, "{:.0%}"),
        "memory": None if load.memory_used_bytes is None else format_size(load.memory_used_bytes),
        "sent": None if sent is None else f"{sent * 8 / 1e6:.3g} Mbit/s",
        "problem": load.problem,
    }
    return {name: text for name, text in texts.items() if text is not None}


def _or_none(value: float | None, form: str) -> str | None:
    return None if value is None else form.format(value)
