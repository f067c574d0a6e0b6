"""What happens after a client's process has ended: how it ended, and when it comes back.

systemd restarts; this only asks it how the process ended. On a manager without restart steps
(before 254) it also makes the waits grow: a unit whose next wait is due to be another than the
one it was made with is stopped and made anew after that wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hlsswarm.controller.client import Client
from hlsswarm.controller.record import RunRecord
from hlsswarm.core.exits import exit_label, explain_exit, is_our_side
from hlsswarm.core.states import Phase
from hlsswarm.core.unit_specs import Abilities, RestartPolicy
from hlsswarm.errors import UnitError
from hlsswarm.units.bus import BusLostError, NoSuchUnitError
from hlsswarm.units.manager import ServiceState, SystemdManager

_FIRST_LOOK_SECONDS = 0.01
_LAST_LOOK_SECONDS = 3.0
_STOP_TIMEOUT_SECONDS = 5.0


class Restarts:
    """Looks into ended processes of clients, and keeps their waits growing."""

    def __init__(
        self,
        manager: SystemdManager,
        abilities: Abilities,
        policy: RestartPolicy,
        record: RunRecord,
        start: Callable[[Client], None],
    ) -> None:
        self._manager = manager
        self._abilities = abilities
        self._policy = policy
        self._record = record
        self._start = start
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._looking: set[int] = set()
        self.stopping = False
        self.failure: BaseException | None = None

    def process_ended(self, client: Client, pid: int | None) -> None:
        """A client's process is gone, or about to be; find out how, once systemd knows."""
        if self.stopping or client.number in self._looking:
            return
        self._looking.add(client.number)
        stable = client.is_stable(asyncio.get_running_loop().time())
        task = asyncio.get_running_loop().create_task(self._look(client, pid, stable=stable))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look(self, client: Client, pid: int | None, *, stable: bool) -> None:
        try:
            state = await self._settled(client.unit, pid)
            if not self.stopping:
                await self._judge(client, state, pid, stable=stable)
        except BusLostError as error:
            self.failure = error
        finally:
            self._looking.discard(client.number)

    async def _settled(self, unit: str, pid: int | None) -> ServiceState | None:
        """The unit's state once systemd has noticed the end of `pid`; None when it is gone.

        ffmpeg's stderr closes a moment before systemd has reaped the process.
        """
        delay = _FIRST_LOOK_SECONDS
        while True:
            await asyncio.sleep(delay)
            try:
                state = self._manager.service_state(unit)
            except NoSuchUnitError:
                return None
            ended = state.main_pid == 0 if pid is None else state.main_pid != pid
            if ended or delay > _LAST_LOOK_SECONDS:
                return state
            delay *= 2

    async def _judge(
        self, client: Client, state: ServiceState | None, pid: int | None, *, stable: bool
    ) -> None:
        if state is None or state.sub in {"dead", "failed"}:
            # Somebody stopped the unit, and it stays stopped.
            client.phase = Phase.FINISHED
            client.last_end = "was stopped from outside"
            return
        if state.main_pid == pid and pid is not None:
            return  # it closed its stderr and goes on
        if state.sub == "exited":
            client.phase = Phase.FINISHED
            self._record.process_ended(client, "0", "played to the end")
            return
        code, status = state.exit_code, state.exit_status
        if state.main_pid:
            code, status = 0, 0  # restarted already: systemd speaks of the new process
        self._record.process_ended(
            client, exit_label(code, status), explain_exit(code, status, result=state.result)
        )
        self._record.own_failures += is_our_side(code, status)
        client.failures = 1 if stable else client.failures + 1
        if state.main_pid:
            return
        client.phase = Phase.BACKOFF
        if not self._abilities.restart_steps:
            await self._grow(client)

    async def _grow(self, client: Client) -> None:
        """Make the unit anew after the wait that is due, unless it was made with that wait."""
        wait = self._policy.backoff.delay_seconds(client.failures, client.number, self._policy.seed)
        if abs(wait - client.wait_in_unit_seconds) < 1e-6:
            return
        began = asyncio.get_running_loop().time()
        await self._manager.stop_and_wait([client.unit], timeout_seconds=_STOP_TIMEOUT_SECONDS)
        if self.stopping:
            return
        loop = asyncio.get_running_loop()
        self._timers[client.number] = loop.call_at(began + wait, self._again, client)

    def _again(self, client: Client) -> None:
        self._timers.pop(client.number, None)
        if self.stopping:
            return
        try:
            self._start(client)
        except BusLostError as error:
            self.failure = error
        except UnitError as error:
            client.last_end = error.message
            self._record.own_failures += 1

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
