"""The swarm: starts the clients as the schedule says, follows them, and stops them.

    schedule ──► unit spec ──► StartTransientUnit ──► process connects its stderr ──► telemetry
                                                        connection ends ──► Restarts looks why

systemd holds the truth: a list of the units is compared with what the telemetry tells every
few seconds. One loop, no threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from hlsswarm.controller.client import Client
from hlsswarm.controller.oom_kills import OomKills
from hlsswarm.controller.preflight import Stream
from hlsswarm.controller.record import RunRecord
from hlsswarm.controller.remade import Remade
from hlsswarm.controller.restarts import Restarts
from hlsswarm.controller.walls import OPEN, Walls
from hlsswarm.core import names, network_namespaces
from hlsswarm.core.commands import client_command, client_scripts
from hlsswarm.core.plan import Plan
from hlsswarm.core.states import Phase
from hlsswarm.core.unit_specs import (
    UNLIMITED,
    Abilities,
    Property,
    RestartPolicy,
    UnitSpec,
    client_spec,
    slice_spec,
)
from hlsswarm.errors import UnitError
from hlsswarm.telemetry.client import ClientTelemetry, TelemetryTotals
from hlsswarm.telemetry.ffmpeg_program import FFmpegProgram
from hlsswarm.telemetry.process_socket import Keeper
from hlsswarm.telemetry.server import TelemetryServer
from hlsswarm.units.bus import BusLostError
from hlsswarm.units.machine_paths import path_for_units
from hlsswarm.units.manager import SystemdManager
from hlsswarm.units.states import JobRemoved

SAMPLE_SECONDS = 1.0
_RECONCILE_EVERY_SAMPLES = 3
STOP_TIMEOUT_SECONDS = 2.0
_GONE_TIMEOUT_SECONDS = 10.0
TELEMETRY_SOCKET = "telemetry.sock"
SCRIPTS = "scripts"


class Swarm:
    """One run's clients on one manager."""

    def __init__(
        self,
        plan: Plan,
        run: str,
        *,
        program: FFmpegProgram,
        stream: Stream,
        manager: SystemdManager,
        abilities: Abilities,
        directory: Path,
        more: Sequence[Property] = (),
        walls: Walls = OPEN,
        on_lateness: Callable[[float], None] = lambda _: None,
        keeper: Keeper | None = None,
    ) -> None:
        self.plan = plan
        self.run = run
        self.manager = manager
        self._program = program
        self._abilities = abilities
        self.totals = TelemetryTotals(
            media_seconds=stream.segment_seconds / max(1, stream.playlists),
            timed=plan.client.measure == "exact",
            unix_offset=time.time() - asyncio.get_running_loop().time(),
        )
        self.record = RunRecord()
        self.clients: list[Client] = []
        self._by_unit: dict[str, Client] = {}
        self._add_clients()
        self._policy = RestartPolicy(
            plan.backoff, plan.seed, when="always" if stream.is_live else "on-failure"
        )
        self.telemetry = TelemetryServer(
            directory / TELEMETRY_SOCKET,
            self.totals,
            self,
            measure=plan.client.measure,
            keeper=keeper,
        )
        self.restarts = Restarts(
            manager,
            abilities,
            self._policy,
            self.record,
            self._start,
            oom=OomKills.of(abilities, plan.client_limits),
            remade=Remade(directory),
        )
        self._due: dict[str, float] = {}
        self._on_lateness = on_lateness
        self._more = more
        self.walls = walls
        self._scripts = directory / SCRIPTS
        self._namespaces = [path_for_units(manager, path) for path in plan.network_namespaces]
        self.going = asyncio.Event()
        """Cleared, the ramp stands still."""
        self.going.set()
        self._grown = asyncio.Event()

    def _add_clients(self) -> None:
        for number in self.plan.client_numbers[len(self.clients) :]:
            unit = names.client_unit(self.run, number)
            client = Client(number, unit, ClientTelemetry(self.totals))
            self.clients.append(client)
            self._by_unit[unit] = client

    # --- Observer of telemetry ---------------------------------------------------------------

    def telemetry_of(self, unit: str) -> ClientTelemetry | None:
        """Where a unit's lines belong."""
        client = self._by_unit.get(unit)
        return client.telemetry if client else None

    def process_started(self, unit: str, pid: int) -> None:
        """A client's process has connected its stderr."""
        client = self._by_unit[unit]
        self.process_goes_on(unit, pid)
        client.counter_reset = False
        if client.telemetry.processes > 1:
            client.restarts += 1
            self.record.restarts += 1

    def process_goes_on(self, unit: str, pid: int) -> None:
        """A client's process is there, whoever saw its start."""
        client = self._by_unit[unit]
        client.pid = pid
        client.phase = Phase.RUNNING
        self.record.process_up()

    def process_ended(self, unit: str, pid: int) -> None:
        """A client's process has closed its stderr."""
        client = self._by_unit[unit]
        if client.pid == pid:
            client.pid = None
        self.record.process_down()
        if client.phase is not Phase.WAITING:  # else it was another's, who has left
            self.restarts.process_ended(client, pid)

    # --- start -------------------------------------------------------------------------------

    def spec(self, client: Client) -> UnitSpec:
        """The unit of a client, with the wait that is due after its failures."""
        command = client_command(
            self._program.path,
            self._program.version,
            self.plan.client,
            client=client.number,
            scripts=self._scripts,
        )
        return client_spec(
            self.run,
            client.number,
            command,
            abilities=self._abilities,
            telemetry_socket=self.telemetry.path,
            restart=self._policy,
            failures=max(1, client.failures),
            limits=self.plan.client_limits,
            stop_timeout_seconds=STOP_TIMEOUT_SECONDS,
            more=(*self._more, *self.walls.properties, *self._network(client)),
        )

    def _network(self, client: Client) -> tuple[Property, ...]:
        place = self.plan.client_numbers.index(client.number)
        path = network_namespaces.namespace_of(place, self._namespaces)
        return network_namespaces.properties(path)

    def _start(self, client: Client) -> None:
        client.wait_in_unit_seconds = self._policy.backoff.delay_seconds(
            max(1, client.failures), client.number, self._policy.seed
        )
        self._write_scripts(client)
        self.manager.start(self.spec(client))

    def _write_scripts(self, client: Client) -> None:
        """What keeps a client's secret headers out of its command line; mostly nothing."""
        options = self.plan.client
        for name, text in client_scripts(
            self._program.version, options, client=client.number
        ).items():
            self._scripts.mkdir(mode=0o700, exist_ok=True)
            path = self._scripts / name
            path.touch(mode=0o600)
            path.write_text(text)

    async def open(self) -> None:
        """Start the slices and listen for telemetry, before any client."""
        self.listen()
        host = urlsplit(self.plan.client.url).hostname
        # The whole URL may hold a token, and a unit's description is for everybody to read.
        what = f"{self.plan.own_clients} clients of {host}"
        own = slice_spec(names.run_slice(self.run), what, self.plan.swarm_limits)
        await self.manager.start_and_wait(own)
        # By name: limits that somebody sets on a slice that was only referenced outlive it.
        clients = slice_spec(names.clients_slice(self.run), f"clients of run {self.run}", UNLIMITED)
        if self.walls.reach is not None:
            allowed = (*clients.properties, self.walls.reach.allowed)
            clients = dataclasses.replace(clients, properties=allowed)
        await self.manager.start_and_wait(clients)
        self.telemetry.start()

    def listen(self) -> None:
        """Take in the ends of start jobs."""
        self.manager.listen(self._job_removed)

    def relisted(self) -> None:
        """Go on after the connection to systemd was lost: ends of start jobs may have been missed.

        Raises BusLostError.
        """
        self.listen()
        self.restarts.failure = None
        units = self.manager.list_units(names.run_pattern(self.run))
        there = {unit.name for unit in units if unit.active == "active"}
        for name in tuple(self._due):
            if name in there:
                self._job_removed(JobRemoved(name, "done"))
            else:
                del self._due[name]
        self._grown.set()

    def _job_removed(self, job: JobRemoved) -> None:
        """A start job of ours has ended: from now on the client's process runs."""
        due = self._due.pop(job.unit, None)
        if due is not None:
            client = self._by_unit[job.unit]
            if client.phase is Phase.WAITING and not client.leaving:
                client.phase = Phase.RUNNING
            now = asyncio.get_running_loop().time()
            self.record.start_done(due, now)
            self._on_lateness(max(0.0, now - due))

    async def ramp(self, *, patient: bool = False) -> None:
        """Start every client that waits when it is due.

        Raises UnitError when systemd refuses one, unless `patient`: it is tried again then.
        """
        loop = asyncio.get_running_loop()
        waiting = [client for client in self.clients if client.phase is Phase.WAITING]
        schedule = self.plan.schedule(len(waiting))
        in_turn = dict(zip(sorted(start.client for start in schedule), waiting, strict=True))
        began = loop.time()
        for start in schedule:
            wait = began + start.due_seconds - loop.time()
            # Even a late start gives way to what has come in meanwhile.
            await asyncio.sleep(max(0.0, wait))
            if not self.going.is_set():
                stood = loop.time()
                await self.going.wait()
                began += loop.time() - stood
            client = in_turn[start.client]
            if client.leaving:
                continue
            self._due[client.unit] = began + start.due_seconds
            try:
                self._start(client)
            except UnitError as error:
                if not patient or isinstance(error, BusLostError):
                    raise
                self._due.pop(client.unit)
                self.restarts.refused(client, error)

    async def keep_ramping(self) -> None:
        """Ramp, and again whenever the swarm has grown."""
        while True:
            self._grown.clear()
            await self.ramp(patient=True)
            await self._grown.wait()

    def resize(self, clients: int) -> None:
        """Make the swarm so large from now on: new clients ramp up, the last ones are stopped.

        `clients` are those of all segments. Raises UsageError for a number that makes no swarm.
        """
        self.plan = dataclasses.replace(self.plan, clients=clients)
        for client in self.clients[self.plan.own_clients :]:
            client.leaving = True
            self.restarts.forget(client)
            self._due.pop(client.unit, None)
            self.manager.kill(client.unit, signal.SIGINT)  # two signals: see stop_run()
            self.manager.stop(client.unit)
        del self.clients[self.plan.own_clients :]
        self._add_clients()
        self._grown.set()

    # --- follow ------------------------------------------------------------------------------

    async def follow(self) -> None:
        """Sample states each second, and compare with systemd's list every few."""
        loop = asyncio.get_running_loop()
        samples = 0
        next_sample = loop.time()
        while True:
            now = loop.time()
            self.record.sample(self.clients, now)
            self.restarts.oom.look()
            for client in self.clients:
                if client.restarts and client.is_stable(now):
                    self.restarts.good_stretch(client)
            samples += 1
            if samples % _RECONCILE_EVERY_SAMPLES == 0:
                self._reconcile()
            if self.restarts.failure is not None:
                raise self.restarts.failure
            next_sample = max(next_sample + SAMPLE_SECONDS, now)
            await asyncio.sleep(next_sample - loop.time())

    def _reconcile(self) -> None:
        """Find units whose end no process has told: failed before stderr (203, 222), or gone.

        systemd is asked only when there is a client that nobody hears.
        """
        unheard = [
            client
            for client in self.clients
            if client.pid is None
            and client.phase in {Phase.RUNNING, Phase.FINISHED}
            and client.unit not in self._due
        ]
        if not unheard:
            return
        units = self.manager.list_units(names.run_pattern(self.run))
        known = {unit.name: unit.sub for unit in units}
        for client in unheard:
            sub = known.get(client.unit)
            waits = sub == "auto-restart" and client.phase is not Phase.BACKOFF
            if waits or (sub is None and client.phase is Phase.RUNNING):
                self.restarts.process_ended(client, None)

    async def all_finished(self) -> None:
        """Wait until every client has played to the end, or was stopped from outside."""
        while not all(client.phase is Phase.FINISHED for client in self.clients):
            await asyncio.sleep(SAMPLE_SECONDS / 4)

    # --- stop --------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Stop the run's slice, and wait until systemd says that all is gone."""
        await self.restarts.stop()
        # What clients have asked for up to now has got out, and counts; nothing after it does. So
        # they are held first: none asks for anything between what is heard and its signal to end.
        self.manager.hold_clients(self.run)
        self.telemetry.hear_all()
        self.totals.ended = True
        left = await self.manager.stop_run(self.run, timeout_seconds=_GONE_TIMEOUT_SECONDS)
        if left:
            raise UnitError(
                f"Units of run {self.run} are still there: {', '.join(left[:3])}",
                hint=f"hlsswarm stop {self.run}",
            )
        await self.telemetry.drained(timeout_seconds=1.0)
        for client in self.clients:
            if client.phase is not Phase.FINISHED:
                client.phase = Phase.STOPPED

    def kill(self) -> None:
        """End all clients at once (a second Ctrl+C); stop() has been called before."""
        with contextlib.suppress(UnitError):
            self.manager.kill(names.clients_slice(self.run), 9)

    def close(self) -> None:
        """Stop to listen."""
        self.telemetry.close()
