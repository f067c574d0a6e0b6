"""One swarm of a rig: opened or taken over, kept at its size, until it is told to end.

waiting ──► running ◄──► paused          ended by a person, or by its duration:
   ▲          │                          stopped, finished
   └──────────┘ the stream cannot be played, systemd does not answer
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

from hlsswarm.controller.adoption import Keeping, saved, stopped_in
from hlsswarm.controller.conclusion import Conclusion, Ending
from hlsswarm.controller.figures import RunFigures
from hlsswarm.controller.opening import OpenRun, allow_files, opened
from hlsswarm.controller.preflight import Look, Stream, look_at, select_unseen
from hlsswarm.controller.record import ProcessEnd
from hlsswarm.controller.recorder import Recorder
from hlsswarm.controller.run import edge_followed, plan_for
from hlsswarm.controller.swarm import Swarm
from hlsswarm.core import names
from hlsswarm.core.exits import OOM_KILL
from hlsswarm.core.headers import redact
from hlsswarm.core.plan import Plan
from hlsswarm.core.summary import Summary
from hlsswarm.core.thresholds import Outcome
from hlsswarm.core.timeseries import Row
from hlsswarm.core.verdict import judge
from hlsswarm.errors import HlsSwarmError, PreflightError
from hlsswarm.metrics.own import OwnMetrics
from hlsswarm.metrics.swarm import SwarmFigures
from hlsswarm.rig.events import Events
from hlsswarm.rig.swarm_watch import SwarmWatch
from hlsswarm.telemetry.ffmpeg_program import find_client_ffmpeg
from hlsswarm.units.bus import BusLostError

State = Literal["waiting", "running", "paused", "stopped", "finished"]
_ROWS_KEPT = 900
_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 30.0
_RECONNECT_SECONDS = 0.5


class RowKeeper:
    """The last rows of a swarm, for plots."""

    def __init__(self) -> None:
        self.rows: deque[Row] = deque(maxlen=_ROWS_KEPT)

    def row(self, row: Row) -> None:
        """One more."""
        self.rows.append(row)


class RigSwarm:
    """A swarm that outlives its controller; `plan.run_id` is its name."""

    def __init__(self, plan: Plan, keeping: Keeping, events: Events, own: OwnMetrics) -> None:
        self._own = own
        self.plan = plan
        self.name = plan.run_id or ""
        self.state: State = "waiting"
        self.reason = "it has not begun yet"
        self.kept_rows = RowKeeper()
        self.summary: Summary | None = None
        self.paused = False
        """Whether somebody has the ramp stand still; also of one that is not open yet."""
        self._keeping = keeping
        self._events = events
        self._ending = asyncio.Event()
        self._swarm: Swarm | None = None
        self._figures: RunFigures | None = None
        self._conclusion: Conclusion | None = None

    async def live(self) -> None:
        """Keep the swarm until end() is called, or this is cancelled: then its units go on."""
        wait = _FIRST_WAIT_SECONDS
        while not self._ending.is_set():
            try:
                await self._opened_and_followed()
                return
            except HlsSwarmError as error:
                self._waits(error)
            self._keeping.kept = {}
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), wait)
            wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
        self.state = "stopped"

    def _waits(self, error: HlsSwarmError) -> None:
        if self.reason != error.message:
            self._event("waiting", error.message)
        self.state, self.reason = "waiting", error.message

    async def _opened_and_followed(self) -> None:
        plan = self.plan
        program = await asyncio.to_thread(find_client_ffmpeg, plan.ffmpeg)
        stream = await asyncio.to_thread(self._looked_at, Look.of(plan, program.path))
        plan = plan_for(plan, stream)
        allow_files(plan.own_clients)
        whole = self._own
        async with opened(plan, program, stream, keeping=self._keeping, whole=whole) as open_run:
            try:
                await self._followed(open_run)
            finally:
                self._swarm = None

    def _looked_at(self, look: Look) -> Stream:
        """The stream; when it cannot be played just now and clients run, without a look."""
        try:
            return look_at(look)
        except PreflightError:
            if self._keeping.saved is None and not self.plan.skip_preflight:
                raise
            return select_unseen(look)

    async def _followed(self, open_run: OpenRun) -> None:
        swarm = self._swarm = open_run.swarm
        conclusion = self._conclusion = Conclusion(open_run)
        self._figures = RunFigures(open_run)
        recorder = Recorder(swarm, conclusion, self.kept_rows, None)
        swarm.record.tell = self._tell
        self.state, self.reason = "running", ""
        self._event("running", f"{swarm.plan.own_clients} clients")
        if self.paused:
            self.pause(paused=True)
        jobs: list[Callable[[], Awaitable[None]]] = [
            swarm.keep_ramping,
            swarm.follow,
            recorder.follow,
            self._watch(swarm, conclusion).follow,
            swarm.manager.lost,
        ]
        if open_run.stream.dated_url is not None:
            jobs.append(edge_followed(swarm, open_run.stream))
        ends = await self._until_the_end(swarm, jobs)
        if not ends:
            return
        self._keeping.ends = True
        conclusion.about_to_stop(manager_answers=True)
        await swarm.stop()
        ending = Ending(interrupted=self._ending.is_set())
        evidence = conclusion.evidence(ending)
        self.summary = conclusion.summary(ending, evidence, conclusion.outcomes(ending))
        self.state = "stopped" if self._ending.is_set() else "finished"
        self._event("verdict", self.summary.verdict)

    def _watch(self, swarm: Swarm, conclusion: Conclusion) -> SwarmWatch:
        return SwarmWatch(
            swarm,
            conclusion.outcomes,
            self._event,
            stopped_before=stopped_in(self._keeping.saved or {}),
        )

    def _tell(self, end: ProcessEnd) -> None:
        kind = "over-limit" if end.label == OOM_KILL else "failure"
        self._event(kind, end.words, client=end.client)

    def _event(self, kind: str, message: str, *, client: int | None = None) -> None:
        self._events.add(kind, self.name, message, role="swarm", client=client)

    async def _until_the_end(
        self, swarm: Swarm, jobs: Sequence[Callable[[], Awaitable[None]]]
    ) -> bool:
        """Follow until the swarm is to end; goes on over a lost connection to systemd."""
        while True:
            waits: list[Awaitable[Any]] = [self._ending.wait(), *(job() for job in jobs)]
            if self.plan.duration_seconds:
                waits.append(asyncio.sleep(self.plan.duration_seconds))
            tasks = [asyncio.ensure_future(wait) for wait in waits]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                return True
            except BusLostError as error:
                self._event("systemd-lost", error.message)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            await self._reconnected(swarm)

    async def _reconnected(self, swarm: Swarm) -> None:
        """Wait until systemd answers again (daemon-reexec closes all connections)."""
        while not self._ending.is_set():
            try:
                swarm.manager.reconnect()
                swarm.relisted()
            except HlsSwarmError:
                await asyncio.sleep(_RECONNECT_SECONDS)
            else:
                self._event("systemd-back", "systemd answers again")
                return

    # --- steering ----------------------------------------------------------------------------

    def end(self) -> None:
        """End the swarm, its clients included."""
        self._ending.set()

    def resize(self, clients: int) -> None:
        """Make the swarm so large. Raises PreflightError, and then it stays as it is."""
        plan = dataclasses.replace(self.plan, clients=clients)
        if self._swarm is not None:
            allow_files(plan.own_clients)
        self.plan = plan
        if self._swarm is not None:
            self._swarm.resize(clients)
        self._event("resized", f"{clients} clients")

    def change(self, plan: Plan) -> None:
        """Go on by another plan, which differs in what can be changed as the swarm runs.

        Raises PreflightError when the machine cannot have so many, and nothing is changed then.
        """
        if self._swarm is not None:
            allow_files(plan.own_clients)
        self.plan = dataclasses.replace(plan, manager=self.plan.manager)
        swarm = self._swarm
        if swarm is None:
            return
        limits = plan.swarm_limits.changes(swarm.plan.swarm_limits)
        swarm.plan = dataclasses.replace(
            swarm.plan,
            ramp_rate_per_second=plan.ramp_rate_per_second,
            ramp_jitter_seconds=plan.ramp_jitter_seconds,
            thresholds=plan.thresholds,
            swarm_limits=plan.swarm_limits,
        )
        if limits:
            swarm.manager.set_properties(names.run_slice(swarm.run), tuple(limits))
        if plan.own_clients != len(swarm.clients):
            self.resize(plan.clients)

    def pause(self, *, paused: bool) -> None:
        """Have the ramp stand still, or go on; clients that play go on in any case."""
        self.paused = paused
        if self._swarm is None:
            return
        (self._swarm.going.clear if paused else self._swarm.going.set)()
        self.state = "paused" if paused else "running"
        self._event(self.state, "the ramp stands still" if paused else "")

    def resume_stopped(self) -> int:
        """Start the clients whose units somebody stopped; how many."""
        if self._swarm is None:
            return 0
        stopped = [client for client in self._swarm.clients if client.stopped_outside]
        for client in stopped:
            self._swarm.restarts.resume(client)
        return len(stopped)

    # --- what is known -----------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether its clients are followed just now."""
        return self._swarm is not None

    @property
    def saved_before(self) -> Mapping[str, Any] | None:
        """What was saved of the swarm when it was open last."""
        return self._keeping.saved

    def document(self) -> dict[str, Any] | None:
        """What the next controller needs, None while the swarm is not open."""
        if self._swarm is None:
            return None
        document = saved(self._swarm)
        self._keeping.saved = document  # should it have to be opened once more
        return document

    def overview(self) -> dict[str, Any]:
        """The swarm as JSON, for people and programs that steer it."""
        figures = self.figures()
        totals = None if self._swarm is None else self._swarm.totals
        verdict, reasons = self._judged()
        return {
            "name": self.name,
            "state": self.state,
            "reason": self.reason,
            "url": redact(self.plan.client.url),
            "clients": {
                "target": self.plan.own_clients,
                "active": 0 if figures is None else figures.active,
                "started": 0 if figures is None else figures.started,
                "states": {} if figures is None else dict(figures.states),
                "stopped_outside": self.stopped_units(),
            },
            "restarts": 0 if figures is None else figures.restarted,
            "requests": {} if figures is None else dict(figures.requests),
            "failed_requests": {} if figures is None else dict(figures.failed_requests),
            "received_bytes": {} if figures is None else dict(figures.received_bytes),
            "stalls": 0 if totals is None else totals.measured.sessions.stalls,
            "thresholds": [outcome.as_dict() for outcome in self._outcomes()],
            "verdict": verdict,
            "reasons": list(reasons),
        }

    def _outcomes(self) -> tuple[Outcome, ...]:
        open_now = self._swarm is not None and self._conclusion is not None
        return self._conclusion.outcomes() if open_now and self._conclusion else ()

    def _judged(self) -> tuple[str | None, tuple[str, ...]]:
        """How the swarm would be judged now, and why; of an ended one, how it was."""
        if self.summary is not None:
            return self.summary.verdict, self.summary.reasons
        if self._swarm is None or self._conclusion is None:
            return None, ()
        verdict, reasons = judge(self._conclusion.evidence(Ending()))
        return str(verdict), reasons

    def figures(self) -> SwarmFigures | None:
        """Figures for metrics, None while the swarm is not open."""
        return None if self._figures is None or self._swarm is None else self._figures.metrics()

    def stopped_units(self) -> list[str]:
        """Units that somebody stopped."""
        clients = self._swarm.clients if self._swarm else ()
        return [client.unit for client in clients if client.stopped_outside]
