"""A rig's daemon where it is no service yet: made one, watched, and ended with this command.

As a unit it is restarted when it dies, and its sockets are kept meanwhile, as hlsswarm.service has
it on a machine that boots with systemd.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from hlsswarm.controller.services import Services, opened_services
from hlsswarm.core import names
from hlsswarm.core.backoff import Backoff
from hlsswarm.core.service_specs import PlainStop, Service, ServiceRestart
from hlsswarm.core.unit_specs import Property, usec
from hlsswarm.errors import ExitStatus, UnitError
from hlsswarm.programs import package_environment

RUN = "rig"
UNIT = names.service_unit(RUN, "controller")
DESCRIPTORS_KEPT = 24_000
_STOP_SECONDS = 60.0
_WATCHDOG_SECONDS = 30.0
_LOOK_SECONDS = 0.3
_PASSED_ON = ("HLSSWARM_", "XDG_", "PATH", "HOME", "LANG")

Say = Callable[[str], None]


def serve_as_unit(configuration: Path, *, manager: str, say: Say) -> ExitStatus:
    """Run the daemon as a unit until a signal comes; it and all that it keeps are ended then.

    Raises PreflightError when a rig is kept here already, UnitError when it does not start.
    """
    return asyncio.run(_serve(configuration, manager, say))


async def _serve(configuration: Path, manager: str, say: Say) -> ExitStatus:
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    async with opened_services(
        RUN,
        f"the rig of {configuration}",
        manager=manager,
        keep=False,
        taken="A rig is kept here already.",
        taken_hint="`hlsswarm rig` shows it; `hlsswarm stop rig` ends it.",
    ) as services:
        log = services.log(UNIT)
        told = _Tail(log, say)
        try:
            await services.start(_service(configuration, services))
        except UnitError:
            told.pass_on()
            raise UnitError("The rig's daemon did not start.", hint=f"{log} may say why.") from None
        while not asked.is_set() and _goes_on(services):
            told.pass_on()
            await asyncio.sleep(_LOOK_SECONDS)
        say("Ending the rig …")
        await services.manager.stop_and_wait([UNIT], timeout_seconds=_STOP_SECONDS)
        told.pass_on()
    return ExitStatus.OK


def _goes_on(services: Services) -> bool:
    """Whether the daemon runs, or systemd is about to start it again."""
    units = services.manager.list_units(UNIT)
    return any(unit.active not in {"inactive", "failed"} for unit in units)


def _service(configuration: Path, services: Services) -> Service:
    words = ("serve", "--config", str(configuration), "--manager", services.manager.kind)
    passed = [f"{key}={value}" for key, value in os.environ.items() if key.startswith(_PASSED_ON)]
    return Service(
        name=UNIT,
        slice_name=names.part_slice(RUN, "control"),
        description="hlsswarm: keeps the rig",
        command=(sys.executable, "-m", "hlsswarm", *words),
        log=services.log(UNIT),
        environment=(*passed, package_environment()),
        stop=PlainStop(seconds=_STOP_SECONDS),
        restart=ServiceRestart("always", Backoff(1.0, 1.0)),
        notifies=True,
        more=(
            Property("FileDescriptorStoreMax", "u", DESCRIPTORS_KEPT),
            Property("RestartPreventExitStatus", "(aiai)", ([2, 104], [])),
            usec("WatchdogUSec", _WATCHDOG_SECONDS),
        ),
    )


class _Tail:
    """Passes on what is written to a file."""

    def __init__(self, path: Path, say: Say) -> None:
        self._path = path
        self._say = say
        self._at = 0

    def pass_on(self) -> None:
        """What is new since the last call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                new = file.read()
        except OSError:
            return
        self._at += len(new)
        for line in new.decode(errors="replace").splitlines():
            self._say(line)
