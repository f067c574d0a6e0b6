"""What happens after a client's process has ended: how it ended, and when it comes back.

systemd restarts; this only asks it how the process ended. On a manager without restart steps
(before 254) it also makes the waits grow: a unit whose next wait is due to be another than the
one it was made with is stopped and made anew after that wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hlsswarm.controller.client import Client
from hlsswarm.controller.oom_kills import OomKills
from hlsswarm.controller.record import RunRecord
from hlsswarm.controller.remade import Remade
from hlsswarm.core import names
from hlsswarm.core.exits import exit_label, explain_exit, is_our_side
from hlsswarm.core.states import Phase
from hlsswarm.core.unit_specs import Abilities, RestartPolicy
from hlsswarm.errors import UnitError
from hlsswarm.units.bus import BusLostError
from hlsswarm.units.manager import SystemdManager
from hlsswarm.units.states import ServiceState

_GONE = frozenset({"dead", "failed"})
_FIRST_LOOK_SECONDS = 0.01
_LAST_LOOK_SECONDS = 3.0
_STOP_TIMEOUT_SECONDS = 5.0
_OVERDUE_SECONDS = 1.0
"""A process that is so much later than its wait says has failed before it could talk to us."""


class Restarts:
    """Looks into ended processes of clients, and keeps their waits growing."""

    def __init__(
        self,
        manager: SystemdManager,
        abilities: Abilities,
        policy: RestartPolicy,
        record: RunRecord,
        start: Callable[[Client], None],
        *,
        oom: OomKills,
        remade: Remade,
    ) -> None:
        self._manager = manager
        self._abilities = abilities
        self._policy = policy
        self._record = record
        self._start = start
        self.oom = oom
        self.remade = remade
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._looking: set[int] = set()
        self.stopping = False
        self.failure: BaseException | None = None

    def process_ended(self, client: Client, pid: int | None) -> None:
        """A client's process is gone, or about to be; find out how, once systemd knows.

        `pid` is None for a process that never talked to us.
        """
        if self.stopping or client.leaving or client.number in self._looking:
            return
        self._looking.add(client.number)
        task = asyncio.get_running_loop().create_task(self._look(client, pid))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look(self, client: Client, pid: int | None) -> None:
        try:
            state = await self._settled(client.unit, pid)
            if not self.stopping and not client.leaving:
                await self._judge(client, state, pid)
        except BusLostError as error:
            self.failure = error
        except UnitError as error:
            self.refused(client, error)
        finally:
            self._looking.discard(client.number)

    async def _settled(self, unit: str, pid: int | None) -> ServiceState:
        """The unit's state once systemd has done with the end of `pid`.

        ffmpeg's stderr closes a moment before systemd has reaped the process, and what else is
        in its cgroup is stopped before the unit goes on to its next state. A process that never
        talked to us may just be tried once more.
        """
        delay = _FIRST_LOOK_SECONDS
        while True:
            await asyncio.sleep(delay)
            state = self._manager.service_state(unit)
            ended = pid is None or state.main_pid != pid
            if (ended and not state.is_passing) or delay > _LAST_LOOK_SECONDS:
                return state
            delay *= 2

    async def _judge(self, client: Client, state: ServiceState, pid: int | None) -> None:
        if state.sub in _GONE:
            # Somebody stopped the unit, and it stays stopped.
            self._stopped_from_outside(client)
            return
        if state.main_pid and pid in {None, state.main_pid}:
            return  # it closed its stderr, or never used it, and goes on
        if state.sub == "exited":
            client.phase = Phase.FINISHED
            self._record.played_to_end(client)
            return
        code, status, result = state.exit_code, state.exit_status, state.result
        if state.main_pid:
            code, status, result = 0, 0, ""  # restarted: systemd speaks of the new process
        result = self.oom.result(result, code, status)
        self._record.process_ended(
            client,
            exit_label(code, status, result=result),
            explain_exit(code, status, result=result),
        )
        self._record.own_failures += is_our_side(code, status)
        client.failures += 1
        if state.main_pid:
            return
        client.phase = Phase.BACKOFF
        wait = self._wait_seconds(client)
        if self._abilities.restart_steps or abs(wait - client.wait_in_unit_seconds) < 1e-6:
            self._later(client, 1.5 * wait + _OVERDUE_SECONDS, self._overdue)
        else:
            await self._grow(client, wait)

    def _stopped_from_outside(self, client: Client) -> None:
        self.remade.done(client.unit)
        client.phase = Phase.FINISHED
        client.stopped_outside = True
        client.last_end = "was stopped from outside"

    def _wait_seconds(self, client: Client) -> float:
        """The wait that is due after the client's failures in a row."""
        policy = self._policy
        return policy.backoff.delay_seconds(client.failures, client.number, policy.seed)

    async def _grow(self, client: Client, wait: float) -> None:
        """Make the unit anew after `wait` seconds, which is not the wait it was made with."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        if self._manager.service_state(client.unit).sub in _GONE:
            self._stopped_from_outside(client)  # in its wait, a moment ago
            return
        self.remade.begin(client.unit)
        await self._manager.stop_and_wait([client.unit], timeout_seconds=_STOP_TIMEOUT_SECONDS)
        if not self.stopping:
            self._later(client, began + wait - loop.time(), self._again)

    def _later(self, client: Client, seconds: float, action: Callable[[Client], None]) -> None:
        """Have one thing done to a client after a while, instead of what was to be done before."""
        if client.number in self._timers:
            self._timers[client.number].cancel()
        timer = asyncio.get_running_loop().call_later(max(0.0, seconds), action, client)
        self._timers[client.number] = timer

    def _overdue(self, client: Client) -> None:
        """A wait in systemd is over; a process that talks to us is not to be looked into."""
        if client.pid is None and client.phase is Phase.BACKOFF:
            self.process_ended(client, None)

    def _again(self, client: Client) -> None:
        """Start the unit of a client whose wait is over, if the run goes on."""
        try:
            if self.stopping:
                return
            if not self._run_goes_on(client):
                self._stopped_from_outside(client)
                return
            self._start(client)
            client.phase = Phase.RUNNING
            self.remade.done(client.unit)
        except BusLostError as error:
            self.failure = error
        except UnitError as error:
            self.refused(client, error)

    def resume(self, client: Client) -> None:
        """Start a client whose wait another controller had begun, or that somebody stopped."""
        client.stopped_outside = False
        client.phase = Phase.BACKOFF
        self._again(client)

    def renew(self, client: Client) -> None:
        """Make the unit of a client anew, whose process cannot be heard."""
        task = asyncio.get_running_loop().create_task(self._grow(client, 0.0))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def forget(self, client: Client) -> None:
        """Do nothing more about a client that leaves the swarm."""
        self.remade.done(client.unit)
        timer = self._timers.pop(client.number, None)
        if timer is not None:
            timer.cancel()

    def _run_goes_on(self, client: Client) -> bool:
        """Whether the run's slice is there; a new client would bring it back otherwise."""
        unit = names.parse_unit(client.unit)
        return unit is not None and self._manager.is_active(names.run_slice(unit.run))

    def refused(self, client: Client, error: UnitError) -> None:
        """systemd took no order for this client: that is no end for good, try later."""
        self.remade.begin(client.unit)
        client.phase = Phase.BACKOFF
        client.last_end = error.message
        client.failures += 1
        self._record.own_failures += 1
        if not self.stopping:
            self._later(client, self._wait_seconds(client), self._again)

    def good_stretch(self, client: Client) -> None:
        """The present process has streamed for a good stretch: the next wait is the short one."""
        if client.counter_reset or not client.restarts:
            return
        client.counter_reset = True
        client.failures = 0
        self._manager.reset_failed(client.unit)

    async def stop(self) -> None:
        """Look into nothing more and start nothing more."""
        self.stopping = True
        for timer in self._timers.values():
            timer.cancel()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
