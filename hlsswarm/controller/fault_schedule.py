"""The faults of a plan: begun and ended at the test origin while the run goes.

    run     0 ───────── at ═══════════ at + for ─────────── end
    origin              fault in force

Knows when. How an origin comes to have a fault is given to it (Injector): origins are above the
controller.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol
from urllib.parse import urlsplit

from hlsswarm.core.faults import Fault
from hlsswarm.core.plan import Plan
from hlsswarm.core.quantities import format_duration
from hlsswarm.errors import ConfigurationError, HlsSwarmError, UsageError

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Injector(Protocol):
    """Gives a test origin of this machine, by its port, faults and takes them away."""

    def check(self, port: int, faults: Iterable[Fault]) -> None:
        """Raise PreflightError when no test origin of ours is there, UsageError for faults that
        can meet nothing there.
        """

    async def start(self, port: int, fault: Fault, *, run: str) -> int:
        """Put a fault in force, at most until the run ends; its number. Raises HlsSwarmError."""

    async def end(self, port: int, number: int) -> None:
        """Take it away, if it is still there. Raises HlsSwarmError."""


def origin_port(plan: Plan) -> int:
    """The port of the origin that is to have the plan's faults.

    Raises UsageError where the stream is not on this machine, and for a fault after the end.
    """
    parts = urlsplit(plan.client.url)
    if not _is_here(plan.resolve_address or parts.hostname or ""):
        raise UsageError(
            "--fault is for a test origin on this machine, and the URL is not there.",
            hint="`hlsswarm origin start`, and its URL.",
        )
    for fault in plan.faults:
        if plan.duration_seconds and fault.at_seconds >= plan.duration_seconds:
            raise UsageError(
                f"A fault at {format_duration(fault.at_seconds)} comes after the end of a run of "
                f"{format_duration(plan.duration_seconds)}.",
                hint="Give a smaller at=, or a longer --duration.",
            )
    return parts.port or _DEFAULT_PORTS[parts.scheme]


def _is_here(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_faults(plan: Plan, injector: Injector | None) -> None:
    """Raise HlsSwarmError when the plan's faults cannot be."""
    if not plan.faults:
        return
    if injector is None:
        raise ConfigurationError("This command has no faults.", hint="Use `hlsswarm run`.")
    injector.check(origin_port(plan), plan.faults)


class FaultSchedule:
    """Carries out the faults of a plan for the run `run`; `say` hears of each."""

    def __init__(self, plan: Plan, run: str, injector: Injector, say: Callable[[str], None]):
        self._faults = plan.faults
        self._port = origin_port(plan)
        self._run = run
        self._injector = injector
        self._say = say

    async def follow(self) -> None:
        """Begin and end them until cancelled; those in force are ended then.

        Raises HlsSwarmError when one cannot be had: the run is not what its plan says.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for fault in self._faults:
                    group.create_task(self._carried_out(fault))
                # For as long as the run goes, though nothing is left to be done.
                group.create_task(_for_ever())
        except* HlsSwarmError as errors:
            first = next(_single(errors))
        raise first

    async def _carried_out(self, fault: Fault) -> None:
        await asyncio.sleep(fault.at_seconds)
        number = await self._injector.start(self._port, fault, run=self._run)
        self._say(f"Fault {number} begins: {fault}")
        try:
            if fault.for_seconds is None:
                await _for_ever()
            else:
                await asyncio.sleep(fault.for_seconds)
        finally:
            await self._injector.end(self._port, number)
            self._say(f"Fault {number} has ended.")


def _single(error: BaseException) -> Iterator[BaseException]:
    """The exceptions in a group, one by one."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _single(inner)
    else:
        yield error


async def _for_ever() -> None:
    await asyncio.Event().wait()
