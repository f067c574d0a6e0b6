"""systemd as hlsswarm uses it: start, stop, list and look at units, and wait for jobs.

Everything above speaks to this class and never to a bus. Calls are made on one connection and
signals arrive on another: what comes in during a synchronous call is queued inside sd-bus, where
no poll on the descriptor would see it.
"""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Callable, Iterable
from typing import Any

from hlsswarm.core import names
from hlsswarm.core.limits import LimitKind
from hlsswarm.core.managers import remote_host
from hlsswarm.core.unit_specs import MICROSECONDS, Property, UnitSpec
from hlsswarm.core.usage import Usage
from hlsswarm.errors import UnitError
from hlsswarm.units.accounting import Accounting
from hlsswarm.units.bus import (
    JOB_INTERFACE,
    MANAGER_INTERFACE,
    MANAGER_PATH,
    SERVICE_INTERFACE,
    SLICE_INTERFACE,
    UNIT_INTERFACE,
    Bus,
    BusLostError,
    Endpoint,
    NoSuchUnitError,
    UnknownPropertyError,
    unit_path,
)
from hlsswarm.units.states import JobRemoved, ServiceHistory, ServiceState, UnitStatus

_REMEMBERED_JOBS = 10_000
_NOT_ACCOUNTED = 2**64 - 1


def _interface(unit: str) -> bytes:
    return SLICE_INTERFACE if unit.endswith(".slice") else SERVICE_INTERFACE


class SystemdManager:
    """A systemd manager: the system's, the user's or an embedded one; the same for all."""

    def __init__(
        self,
        endpoint: Endpoint,
        accounting: Accounting,
        *,
        on_call: Callable[[float], None] | None = None,
    ) -> None:
        """Connect. Raises ManagerError."""
        self.endpoint = endpoint
        self.accounting = accounting
        self._calls: Bus = endpoint.open()
        self._calls.on_call = on_call
        self._signals: Bus | None = None
        self._waiting: dict[str, asyncio.Future[JobRemoved]] = {}
        self._removed: dict[str, JobRemoved] = {}
        self._listeners: list[Callable[[JobRemoved], None]] = []
        self._lost: asyncio.Future[None] | None = None

    @property
    def kind(self) -> str:
        """`system`, `user`, `embedded` or `ssh:HOST`."""
        return self.endpoint.kind

    def version(self) -> str:
        """systemd's version, as `252.38-1~deb12u1`."""
        text = self._calls.get(MANAGER_PATH, MANAGER_INTERFACE, "Version", "s")
        return str(text.decode())

    def close(self) -> None:
        """Close both connections; units go on."""
        if self._signals is not None:
            self.unlisten()
        self._calls.close()

    def reconnect(self) -> None:
        """Open both connections anew, as after systemd's daemon-reexec. Raises ManagerError.

        Who listened has to listen() again.
        """
        on_call = self._calls.on_call
        if self._signals is not None:
            self.unlisten()
        self._calls.close()
        self._calls = self.endpoint.open()
        self._calls.on_call = on_call
        self._listeners.clear()
        self.version()

    # --- units -------------------------------------------------------------------------------

    def start(self, spec: UnitSpec) -> str:
        """Queue the start of a new unit; the job's path. Raises UnitError."""
        return self._calls.start_transient(spec.name, spec.properties)

    def stop(self, name: str) -> str | None:
        """Queue the stop of a unit; the job's path, None when systemd does not know it."""
        try:
            body = self._calls.call("StopUnit", "ss", name.encode(), b"replace")
        except NoSuchUnitError:
            return None
        return str(body.decode())

    def kill(self, name: str, signal_number: int) -> None:
        """Send a signal to all processes of a unit; nothing when it is gone."""
        try:
            self._calls.call("KillUnit", "ssi", name.encode(), b"all", signal_number)
        except UnitError as error:
            if isinstance(error, BusLostError):
                raise

    def exit(self) -> None:
        """Ask a user or embedded manager to end."""
        self._calls.call("Exit")

    def reset_failed(self, name: str) -> None:
        """Forget failures and the restart counter, so that the short wait comes first again."""
        try:
            self._calls.call("ResetFailedUnit", "s", name.encode())
        except NoSuchUnitError:
            return

    def set_properties(self, name: str, properties: tuple[Property, ...]) -> None:
        """Change properties of a unit that runs. Raises UnitError."""
        self._calls.set_properties(name, properties)

    def list_units(self, pattern: str = names.UNIT_PATTERN) -> list[UnitStatus]:
        """Units that systemd has loaded and whose name matches the glob."""
        body = self._calls.call("ListUnitsByPatterns", "asas", [], [pattern.encode()])
        rows = body if isinstance(body, list) else []
        return [
            UnitStatus(*(str(field.decode(errors="replace")) for field in row[:5]))
            for row in rows
            if row[2] == b"loaded" or row[3] != b"inactive"
        ]

    def is_active(self, name: str) -> bool:
        """Whether a unit of this very name is active."""
        status = self.status(name)
        return status is not None and status.is_running

    def status(self, name: str) -> UnitStatus | None:
        """The unit of this very name; None when systemd has not loaded it."""
        return next(iter(self.list_units(name)), None)

    def service_state(self, name: str) -> ServiceState:
        """What systemd says of a service; one that it does not know is `dead`."""
        before = self._sub_and_pid(name)
        while True:
            path = unit_path(name)
            result = self._calls.get(path, SERVICE_INTERFACE, "Result", "s")
            code = self._calls.get(path, SERVICE_INTERFACE, "ExecMainCode", "i")
            status = self._calls.get(path, SERVICE_INTERFACE, "ExecMainStatus", "i")
            after = self._sub_and_pid(name)
            if after == before:  # else the values are of two different moments
                return ServiceState(after[0], str(result.decode()), after[1], code, status)
            before = after

    def _sub_and_pid(self, name: str) -> tuple[str, int]:
        path = unit_path(name)
        sub = self._calls.get(path, UNIT_INTERFACE, "SubState", "s")
        return str(sub.decode()), int(self._calls.get(path, SERVICE_INTERFACE, "MainPID", "u"))

    def service_history(self, name: str) -> ServiceHistory:
        """Restarts of a service and the time of its last change; none of one that is not there."""
        path = unit_path(name)
        restarts = self._calls.get(path, SERVICE_INTERFACE, "NRestarts", "u")
        changed = self._calls.get(path, UNIT_INTERFACE, "StateChangeTimestamp", "t")
        return ServiceHistory(int(restarts), int(changed) / MICROSECONDS or None)

    def limit(self, name: str, kind: LimitKind) -> Any:
        """A limit as systemd has it; None where none is set, or a slice has no such limit."""
        try:
            raw = self._calls.get(unit_path(name), _interface(name), kind.bus_name, kind.signature)
        except UnknownPropertyError:
            return None
        return kind.decoded(raw)

    def is_transient(self, name: str) -> bool:
        """Whether a unit goes, with all that was set on it, when it ends."""
        return bool(self._calls.get(unit_path(name), UNIT_INTERFACE, "Transient", "b"))

    def job_type(self, name: str) -> str:
        """The kind of job that waits or runs for a unit (`start`, `stop`, `restart`, …), or ``."""
        _, path = self._calls.get(unit_path(name), UNIT_INTERFACE, "Job", "(uo)")
        if path == b"/":
            return ""
        word = self._calls.get(path, JOB_INTERFACE, "JobType", "s")
        return str(word.decode())

    def control_group(self, name: str) -> str:
        """The cgroup path of a unit as its manager names it; empty when it has none."""
        try:
            text = self._calls.get(unit_path(name), _interface(name), "ControlGroup", "s")
        except UnitError as error:
            if isinstance(error, BusLostError):
                raise
            return ""
        return str(text.decode())

    def usage(self, name: str) -> Usage:
        """CPU, memory and tasks of a unit from its cgroup; of another host's, as systemd says."""
        if remote_host(self.kind) is not None:
            return self._told_usage(name)
        cgroup = self.control_group(name)
        return self.accounting.usage(cgroup) if cgroup else Usage()

    def _told_usage(self, name: str) -> Usage:
        told: dict[str, int | None] = {}
        for figure in ("CPUUsageNSec", "MemoryCurrent", "TasksCurrent"):
            try:
                value = int(self._calls.get(unit_path(name), _interface(name), figure, "t"))
            except (NoSuchUnitError, UnknownPropertyError):
                return Usage()
            told[figure] = None if value == _NOT_ACCOUNTED else value
        nanoseconds = told["CPUUsageNSec"]
        return Usage(
            cpu_seconds=None if nanoseconds is None else nanoseconds / 1e9,
            memory_bytes=told["MemoryCurrent"],
            tasks=told["TasksCurrent"],
        )

    def service_property_names(self) -> frozenset[str]:
        """The properties that this systemd's services have, by its own introspection."""
        document = self._calls.introspect(unit_path("hlsswarm-probe.service"))
        return frozenset(re.findall(r'<property name="(\w+)"', document))

    # --- jobs --------------------------------------------------------------------------------

    def listen(self, listener: Callable[[JobRemoved], None] | None = None) -> None:
        """Take in job signals in the running event loop; `listener` hears of all of them."""
        if listener is not None:
            self._listeners.append(listener)
        if self._signals is not None:
            return
        loop = asyncio.get_running_loop()
        self._lost = loop.create_future()
        self._signals = self.endpoint.open()
        self._signals.on_signal("JobRemoved", self._job_removed)
        self._signals.call("Subscribe")
        self._signals.process()
        loop.add_reader(self._signals.fileno(), self._process)

    def unlisten(self) -> None:
        """Take in no more signals; in the loop that listen() was called in."""
        if self._signals is not None:
            asyncio.get_running_loop().remove_reader(self._signals.fileno())
            self._signals.close()
            self._signals = None

    def _process(self) -> None:
        signals = self._signals
        if signals is None:
            return
        try:
            signals.process()
        except BusLostError as error:
            asyncio.get_running_loop().remove_reader(signals.fileno())
            signals.close()
            self._signals = None
            if self._lost is not None and not self._lost.done():
                self._lost.set_exception(error)
                self._lost.exception()  # who does not wait for it shall not be told at the end
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(error)

    def _job_removed(self, body: tuple[Any, ...]) -> None:
        job, unit, result = body[1].decode(), body[2].decode(), body[3].decode()
        event = JobRemoved(unit, result)
        future = self._waiting.pop(job, None)
        if future is None:
            # The start call may not have come back yet with the path of this very job.
            self._removed[job] = event
            if len(self._removed) > _REMEMBERED_JOBS:
                del self._removed[next(iter(self._removed))]
        elif not future.done():
            future.set_result(event)
        for listener in self._listeners:
            listener(event)

    async def lost(self) -> None:
        """Wait until the connection breaks; raises BusLostError then. Needs listen()."""
        if self._lost is not None:
            await asyncio.shield(self._lost)

    def job(self, job: str) -> asyncio.Future[JobRemoved]:
        """A future of the end of a job that this process queued. Needs listen()."""
        future: asyncio.Future[JobRemoved] = asyncio.get_running_loop().create_future()
        if job in self._removed:
            future.set_result(self._removed.pop(job))
        elif self._signals is None:
            future.set_exception(BusLostError("The connection to systemd broke."))
        else:
            self._waiting[job] = future
        return future

    async def start_and_wait(self, spec: UnitSpec) -> None:
        """Start a unit and wait until its job is done. Raises UnitError when it fails."""
        ended = await self.job(self.start(spec))
        if ended.result != "done":
            raise UnitError(f"{spec.name} did not start: job {ended.result}.")

    def hold_clients(self, run: str) -> None:
        """Let no client of a run do anything more until it is stopped.

        Each stop job sends SIGCONT after its signal (systemd.kill(5)), so nothing stays held.
        """
        self.kill(names.clients_slice(run), signal.SIGSTOP)

    async def stop_run(self, run: str, *, timeout_seconds: float) -> list[str]:
        """End a run by its slice, and wait until nothing of it is loaded; what is left then.

        One signal lets ffmpeg finish what it reads, for a live stream the wait for the next
        segment; a second, other one makes it leave at once (fftools/ffmpeg.c). So all clients
        get SIGINT before the stop job sends each its SIGTERM.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        self.kill(names.clients_slice(run), signal.SIGINT)
        await self.stop_and_wait([names.run_slice(run)], timeout_seconds=timeout_seconds)
        while (left := self._loaded_of(run)) and loop.time() < deadline:
            await asyncio.sleep(0.01)
        return left

    def _loaded_of(self, run: str) -> list[str]:
        units = self.list_units(names.run_pattern(run))
        return [unit.name for unit in units if unit.active != "inactive"]

    async def stop_and_wait(self, unit_names: Iterable[str], *, timeout_seconds: float) -> bool:
        """Stop units and wait for their jobs; True when all ended in time."""
        jobs = [job for job in map(self.stop, unit_names) if job is not None]
        if not jobs:
            return True
        _, pending = await asyncio.wait([self.job(job) for job in jobs], timeout=timeout_seconds)
        return not pending
