"""Faults of test origins as units: started, listed, ended.

    hlsswarm-origin8080-fault-3.service
        before it runs    fault_files apply     nginx takes the fault on
        while it runs     sleep                 systemd keeps the time
        after it ran      fault_files remove    however it ended

So a fault is in force exactly while its unit runs, whatever becomes of the command that began it,
and it ends with its origin. Knows these units. What a fault does to nginx: fault_files.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hlsswarm.controller import runs
from hlsswarm.controller.services import Services, opened_services
from hlsswarm.core import names
from hlsswarm.core.faults import Fault
from hlsswarm.core.service_specs import PlainStop, Service, ServiceRestart
from hlsswarm.core.unit_specs import Limits, Property
from hlsswarm.errors import HlsSwarmError, PreflightError, UnitError, UsageError
from hlsswarm.origin.fault_files import (
    SITE_FILE,
    check_variant,
    fault_paths,
    reserved_number,
    site_of,
)
from hlsswarm.programs import find_program, package_environment
from hlsswarm.units.connect import release, running_managers
from hlsswarm.units.runtime_directory import runtime_directory

__all__ = ["OriginFaults", "RunningFault", "check_origin", "listed", "start", "stop"]

_HELPER = "faults"
_HELPER_MEMORY_BYTES = 512 << 20
_FAULT_MEMORY_BYTES = 256 << 20
_STOP_SECONDS = 12.0
_DESCRIPTION = "fault: "


@dataclass(frozen=True)
class RunningFault:
    """A fault in force: its number at the origin on `port`, its words, and when it began (seconds
    since 1970; None where that is not known).
    """

    port: int
    number: int
    words: str
    began_at: float | None

    @property
    def unit(self) -> str:
        """The unit that it is."""
        return _unit(self.port, self.number)


def _run(port: int) -> str:
    return f"origin{port}"


def _unit(port: int, number: int) -> str:
    return names.service_unit(_run(port), "fault", str(number))


def check_origin(kind: str, port: int) -> str:
    """Which kind of manager has the test origin on this port; PreflightError when none has."""
    there = {run.run: run.manager for run in runs.status(kind) if run.counts("nginx")}
    if _run(port) not in there:
        others = ", ".join(run.removeprefix("origin") for run in there)
        raise PreflightError(
            f"No test origin runs on port {port}.",
            hint=f"There is one on port {others}: --port."
            if others
            else "`hlsswarm origin start` starts one.",
        )
    return there[_run(port)]


async def start(kind: str, port: int, fault: Fault, *, run: str | None = None) -> int:
    """Put a fault in force; its number, once nginx serves by it.

    With `run` it ends with that run, too, if the same manager has it. Raises HlsSwarmError, and
    the fault is not in force then.
    """
    kind = check_origin(kind, port)
    async with opened_services(_run(port), "", manager=kind, join=True) as services:
        if not (services.directory / SITE_FILE).exists():
            raise PreflightError(
                f"The test origin on port {port} cannot have faults.",
                hint="It was started by another version: stop it, and start it again.",
            )
        check_variant(services.directory, fault)
        if fault.needs_server:
            await _start_server(port, services)
        number = reserved_number(services.directory)
        tied_to = run if run is not None and runs.is_active(services.manager, run) else None
        service = _service(port, number, fault, services, tied_to)
        try:
            await services.start(service)
        except UnitError as error:
            raise UnitError(_why(services.log(service.name)) or error.message) from None
        return number


def _service(
    port: int, number: int, fault: Fault, services: Services, tied_to: str | None
) -> Service:
    directory = services.directory
    files = (sys.executable, "-m", "hlsswarm.origin.fault_files")
    seconds = "infinity" if fault.for_seconds is None else f"{fault.for_seconds:.3f}"
    tie = [names.run_slice(tied_to)] if tied_to is not None else []
    return Service(
        name=_unit(port, number),
        slice_name=names.origin_slice(_run(port)),
        description=f"hlsswarm {_DESCRIPTION}{fault}",
        command=(str(find_program("sleep", package="coreutils")), seconds),
        log=services.log(_unit(port, number)),
        limits=Limits(memory_max_bytes=_FAULT_MEMORY_BYTES),
        before=((*files, "apply", str(directory), str(number), *fault.words),),
        after=((*files, "remove", str(directory), str(number)),),
        environment=(package_environment(),),
        stop=PlainStop(seconds=_STOP_SECONDS),
        restart=ServiceRestart(when="no"),
        more=[Property(name, "as", tie) for name in ("BindsTo", "After") if tie],
    )


async def _start_server(port: int, services: Services) -> None:
    """Have the fault server run; it stays until the origin ends."""
    unit = names.service_unit(_run(port), "helper", _HELPER)
    if services.manager.list_units(unit):
        return
    _, site = site_of(services.directory)
    socket = fault_paths(services.directory, site).server
    await services.start(
        Service(
            name=unit,
            slice_name=names.origin_slice(_run(port)),
            description=f"hlsswarm fault server of port {port}",
            command=(
                sys.executable,
                *("-m", "hlsswarm.origin.fault_server", str(socket), str(site.document_root)),
            ),
            log=services.log(unit),
            limits=Limits(memory_max_bytes=_HELPER_MEMORY_BYTES),
            environment=(package_environment(),),
        )
    )


def _why(log: Path) -> str:
    """What the program that applies a fault said last."""
    with contextlib.suppress(OSError):
        lines = log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else ""
    return ""


def listed(kind: str) -> list[RunningFault]:
    """All faults in force, by port and number, as systemd has them."""
    found = []
    for manager in running_managers(kind, needed=False):
        try:
            for unit in manager.list_units("hlsswarm-origin*-fault-*.service"):
                name = names.parse_unit(unit.name)
                if name is None or not unit.is_running or not name.member.isdecimal():
                    continue
                port = int(name.run.removeprefix("origin"))
                words = unit.description.partition(_DESCRIPTION)[2]
                began = None
                with contextlib.suppress(UnitError):  # it may end meanwhile
                    began = manager.service_history(unit.name).since
                found.append(RunningFault(port, int(name.member), words, began))
        finally:
            manager.close()
    return sorted(found, key=lambda fault: (fault.port, fault.number))


def stop(kind: str, port: int, numbers: Sequence[int]) -> None:
    """End these faults of an origin, or raise UsageError when one of them is not there."""
    there = {fault.number for fault in listed(kind) if fault.port == port}
    missing = [str(number) for number in numbers if number not in there]
    if missing:
        raise UsageError(
            f"There is no fault {', '.join(missing)} on port {port}.",
            hint="`hlsswarm fault list` shows what there is.",
        )
    runs.stop_units(kind, _run(port), [_unit(port, number) for number in numbers])


async def end(kind: str, port: int, number: int) -> None:
    """End one fault, within an event loop; none when it has ended by itself."""
    for manager in running_managers(kind, needed=False):
        try:
            unit = _unit(port, number)
            if manager.list_units(unit):
                manager.listen()
                await manager.stop_and_wait([unit], timeout_seconds=math.ceil(_STOP_SECONDS))
                manager.unlisten()
        finally:
            with contextlib.suppress(HlsSwarmError):
                release(manager)


@dataclass(frozen=True)
class OriginFaults:
    """Faults of the test origins that a kind of manager has, for runs (fault_schedule.Injector)."""

    kind: str

    def check(self, port: int, faults: Iterable[Fault]) -> None:
        """Raise PreflightError when no test origin runs on this port, UsageError for a fault that
        can meet nothing there.
        """
        check_origin(self.kind, port)
        with contextlib.suppress(OSError):  # it ends meanwhile: the start will tell
            for fault in faults:
                check_variant(runtime_directory() / _run(port), fault)

    async def start(self, port: int, fault: Fault, *, run: str) -> int:
        """Put a fault in force until the run ends; its number."""
        return await start(self.kind, port, fault, run=run)

    async def end(self, port: int, number: int) -> None:
        """End it, if it is still in force."""
        await end(self.kind, port, number)
