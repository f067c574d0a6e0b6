"""How fast systemd starts, tells and stops units over D-Bus, with hlsswarm's own way to it.

    python -m bench.dbus_probe UNITS        in a process of its own; prints JSON

The units are /bin/sleep with the properties of a plain service: what a client adds (sandbox,
ffmpeg) is measured elsewhere. Times are in seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from bench import proc
from bench.compare import percentile
from hlsswarm.controller.services import Services, opened_services
from hlsswarm.core import names
from hlsswarm.core.unit_specs import UNLIMITED, UnitSpec, exec_start, service_properties, slice_spec
from hlsswarm.units.runtime_directory import runtime_directory
from hlsswarm.units.states import JobRemoved

_RUN = "benchdbus"
_DEADLINE_SECONDS = 60.0
_LISTS = 10
_STOP_SECONDS = 60.0
_UNHEARD_SECONDS = 2.0


def _unit(number: int) -> UnitSpec:
    command = exec_start(("/bin/sleep", "600"))
    properties = service_properties("hlsswarm bench", names.clients_slice(_RUN), command)
    return UnitSpec(names.client_unit(_RUN, number), tuple(properties))


class _Ends:
    """Counts the ends of jobs."""

    def __init__(self) -> None:
        self.count = 0
        self.failed = 0

    def heard(self, job: JobRemoved) -> None:
        self.count += 1
        self.failed += job.result != "done"

    async def reach(self, count: int) -> None:
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while self.count < count:
            if time.monotonic() > deadline:
                raise SystemExit(f"{count - self.count} jobs of {count} did not end")
            await asyncio.sleep(0.001)


def _systemd() -> int:
    """The systemd that is asked: a private one, or that of the machine."""
    mark = f"embedded_keeper {runtime_directory()}"
    for pid, parent in proc.parents().items():
        if mark in proc.command(parent) and "systemd" in proc.command(pid):
            return pid
    return 1


async def _paced(services: Services, units: Sequence[UnitSpec], ends: _Ends) -> dict[str, Any]:
    """Start units as a ramp does: what has come in is looked at between two calls."""
    systemd = _systemd()
    systemd_before, own_before = proc.cpu_seconds(systemd), time.process_time()
    target, calls, began = ends.count + len(units), [], time.perf_counter()
    for unit in units:
        called = time.perf_counter()
        services.manager.start(unit)
        calls.append(time.perf_counter() - called)
        await asyncio.sleep(0)
    await ends.reach(target)
    seconds = time.perf_counter() - began
    return {
        "starts_per_second": len(units) / seconds,
        "start_call_p50_seconds": percentile(calls, 0.5),
        "start_call_p99_seconds": percentile(calls, 0.99),
        "start_cpu_seconds": (time.process_time() - own_before) / len(units),
        "systemd_start_cpu_seconds": (proc.cpu_seconds(systemd) - systemd_before) / len(units),
    }


async def _burst(services: Services, units: Sequence[UnitSpec], ends: _Ends) -> dict[str, Any]:
    """Start units without listening, then take in what they have to tell all at once."""
    target = ends.count + len(units)
    for unit in units:
        services.manager.start(unit)
    time.sleep(_UNHEARD_SECONDS)  # the whole loop stands still: systemd tells, nobody listens
    own_before, began = time.process_time(), time.perf_counter()
    await ends.reach(target)
    return {
        "event_cpu_seconds": (time.process_time() - own_before) / len(units),
        "events_per_second": len(units) / (time.perf_counter() - began),
    }


def _fastest(action: Callable[[], object]) -> float:
    times = []
    for _ in range(_LISTS):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return percentile(times, 0.5)


async def _probe(count: int) -> dict[str, Any]:
    async with opened_services(_RUN, "bench", manager="auto", keep=False) as services:
        manager, ends = services.manager, _Ends()
        await manager.start_and_wait(slice_spec(names.clients_slice(_RUN), "bench", UNLIMITED))
        manager.listen(ends.heard)
        units = [_unit(number) for number in range(1, 2 * count + 1)]
        found = {"units": count} | await _paced(services, units[:count], ends)
        pattern = names.run_pattern(_RUN)
        found["list_seconds"] = _fastest(lambda: manager.list_units(pattern))
        found["state_seconds"] = _fastest(lambda: manager.service_state(units[0].name))
        found |= await _burst(services, units[count:], ends)
        began = time.perf_counter()
        left = await manager.stop_run(_RUN, timeout_seconds=_STOP_SECONDS)
        found["stop_seconds"] = time.perf_counter() - began
        found["stopped_units"] = 2 * count - len(left)
        found["failed_jobs"] = ends.failed
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_probe(int(sys.argv[1])))))
