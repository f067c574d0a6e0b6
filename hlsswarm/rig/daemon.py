"""The daemon's process: reads the configuration, keeps the rig, and answers its service manager.

SIGHUP: reload    SIGTERM: see `_ends_the_rig`    each second: save, publish, feed the watchdog
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from hlsswarm.controller.log_bounds import bound_logs
from hlsswarm.core.plan import Address
from hlsswarm.core.rig import RigConfig
from hlsswarm.errors import ConfigurationError, ExitStatus, HlsSwarmError, PreflightError
from hlsswarm.metrics.rig import rig_registries
from hlsswarm.metrics.server import MetricsServer, Registries, bind
from hlsswarm.places import state_directory
from hlsswarm.rig import journal
from hlsswarm.rig.rig import Rig
from hlsswarm.rig.service_manager import KeptSockets, ServiceManager
from hlsswarm.rig.state import StateStore
from hlsswarm.rig.steering import Steering
from hlsswarm.units.connect import connect, stopping_job
from hlsswarm.units.runtime_directory import locked, runtime_directory

SAVE_SECONDS = 1.0
_END_SECONDS = 45.0
_LOGS_SECONDS = 5.0
_LOCK = "rig.lock"

Say = Callable[[str], None]
ReadConfig = Callable[[], RigConfig]


@dataclass(frozen=True)
class Controls:
    """What those who steer a rig are given."""

    steering: Steering
    reload: Callable[[], Awaitable[list[str]]]
    """Read the file again; what was done, a line each. Raises ConfigurationError."""
    registries: Registries


ServeApi = Callable[[RigConfig, Controls], AbstractAsyncContextManager[str]]
"""Serves an API meanwhile; gives where, in words. Raises PreflightError."""


@dataclass(frozen=True)
class DaemonOptions:
    """What a daemon is started with."""

    read_config: ReadConfig
    """Raises ConfigurationError."""
    manager: str
    say: Say
    serve_api: ServeApi


def serve(options: DaemonOptions) -> ExitStatus:
    """Keep a rig until a signal ends it. Raises HlsSwarmError when it cannot begin."""
    config = options.read_config()
    with _alone():
        return asyncio.run(_Daemon(options, config).live())


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One daemon for a runtime directory. Raises PreflightError that names the other."""
    with locked() as parent, (parent / _LOCK).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise PreflightError(
                f"A rig is kept here already, by process {file.read().strip() or '?'}.",
                hint="`hlsswarm rig` shows it; `systemctl restart hlsswarm` starts it anew.",
            ) from None
        ours = os.dup(file.fileno())  # the lock goes with the last copy
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
    try:
        yield
    finally:
        with locked() as parent:
            (parent / _LOCK).unlink(missing_ok=True)
            os.close(ours)


class _Daemon:
    """One process's life."""

    def __init__(self, options: DaemonOptions, config: RigConfig) -> None:
        self._options = options
        self._config = config
        self._manager = ServiceManager()
        self._kept = KeptSockets.received()
        self._asked = asyncio.Event()
        self._reload = asyncio.Event()

    async def live(self) -> ExitStatus:
        """From READY to the end."""
        self._take_signals()
        with contextlib.suppress(OSError):
            state_directory().mkdir(mode=0o750, parents=True, exist_ok=True)
        kind = self._which_manager()
        store = StateStore([state_directory(), runtime_directory()])
        rig = Rig(
            store,
            self._manager,
            self._kept,
            manager_kind=kind,
            tell=journal.writer(self._options.say),
        )
        steering = Steering(rig, self._config, self._options.read_config)
        registries = rig_registries(rig.figures, rig.own)
        controls = Controls(steering, lambda: self._reloaded(steering), registries)
        async with (
            _logs_bounded(),
            _metrics_served(self._config, registries) as metrics,
            self._options.serve_api(self._config, controls) as api,
        ):
            await steering.begin()
            self._kept.close()
            self._manager.ready(rig.status())
            where = "".join(f" {words}" for words in (metrics, api) if words)
            self._options.say(f"The rig is kept: {rig.status()}.{where}")
            await self._kept_going(steering)
            return await self._ended(rig)

    def _which_manager(self) -> str:
        """The manager of all that the rig has. Raises ManagerError."""
        with locked():
            manager = connect(self._options.manager)
        manager.close()  # not released: it may be about to be ours alone
        return manager.kind

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._asked.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)

    async def _kept_going(self, steering: Steering) -> None:
        """Save and tell each second, until a signal, or a bug."""
        rig = steering.rig
        while not self._asked.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), SAVE_SECONDS)
            rig.save()
            rig.events.tell_left_out()
            self._manager.alive(rig.status())
            if rig.failed is not None:
                raise rig.failed
            if self._reload.is_set():
                self._reload.clear()
                with contextlib.suppress(HlsSwarmError):
                    await self._reloaded(steering)

    async def _reloaded(self, steering: Steering) -> list[str]:
        """Do what has changed in the file; one that cannot be meant changes nothing.

        Raises ConfigurationError for such a file, HlsSwarmError for what cannot be done now.
        """
        self._manager.reloading()
        events = steering.rig.events
        try:
            lines = await steering.reload()
        except ConfigurationError as error:
            words = f"the configuration stays as it was: {error.message}"
            events.add("reload-refused", "rig", words, role="rig")
            raise
        except HlsSwarmError as error:
            events.add("reload-refused", "rig", error.message, role="rig")
            raise
        finally:
            self._manager.ready(steering.rig.status())
        words = "; ".join(lines) or "nothing has changed"
        events.add("reloaded", "rig", words, role="rig")
        return lines

    async def _ended(self, rig: Rig) -> ExitStatus:
        """Leave the rig to the next daemon, or end it."""
        if self._ends_the_rig(rig):
            self._manager.stopping("ending the rig")
            self._manager.longer(_END_SECONDS)
            await rig.end()
        else:
            self._manager.stopping("the rig goes on")
            await rig.leave()
        return ExitStatus.OK

    def _ends_the_rig(self, rig: Rig) -> bool:
        """Whether this end is the rig's: an order to stop the service, or Ctrl+C without one.

        A restart, and a signal that no order of systemd's sent, are the daemon's alone.
        """
        if not self._manager.is_there:
            return True
        try:
            return stopping_job(rig.manager_kind) == "stop"
        except HlsSwarmError:
            return False


@contextlib.asynccontextmanager
async def _logs_bounded() -> AsyncIterator[None]:
    """Keep the logs of services small meanwhile."""

    async def follow() -> None:
        while True:
            await asyncio.to_thread(bound_logs, runtime_directory())
            await asyncio.sleep(_LOGS_SECONDS)

    task = asyncio.create_task(follow())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def _metrics_served(config: RigConfig, registries: Registries) -> AsyncIterator[str]:
    """Serve /metrics and /healthz; where, in words."""
    address = config.metrics.get("listen")
    if not isinstance(address, Address):
        yield ""
        return
    listener: socket.socket = bind(address)
    server = MetricsServer(listener, registries, healthy=lambda: True)
    await server.start()
    try:
        yield f"Metrics: http://{server.address}/metrics"
    finally:
        await server.close()


def configuration_of(path: Path, read: Callable[[Path], RigConfig]) -> ReadConfig:
    """Reads a file anew at each call."""
    return lambda: read(path)
