"""Limits of units that run: what systemd and the kernel have, and changing them.

Asks systemd and reads cgroups, whoever started the unit. Changes are for as long as the unit lives:
nothing is written that outlives it, unless the unit is one of the machine's own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hlsswarm.core import names
from hlsswarm.core.limits import LIMIT_KINDS, LimitKind
from hlsswarm.core.unit_specs import Limits, Property, slice_spec
from hlsswarm.core.usage import Usage
from hlsswarm.errors import PreflightError, UnitError, UsageError
from hlsswarm.units.accounting import KernelLimit
from hlsswarm.units.bus import UnitExistsError
from hlsswarm.units.connect import running_managers
from hlsswarm.units.manager import SystemdManager

_HOLD_SECONDS = 2.0
_LOOK_SECONDS = 0.02
_ALL = "all that hlsswarm runs"


@dataclass(frozen=True)
class LimitState:
    """One limit of a unit: systemd's value (None: none), and the kernel's (None: not enforced)."""

    kind: LimitKind
    systemd: Any
    kernel: KernelLimit | None

    @property
    def holds(self) -> bool:
        """Whether the kernel enforces what systemd has.

        Without a limit that is so, too, where the kernel has no file for it: on cgroup v2 systemd
        takes a controller away with the last limit that needs it.
        """
        if self.kernel is None:
            return self.systemd is None
        return self.kind.is_same(self.systemd, self.kernel.value)


@dataclass(frozen=True)
class UnitLimits:
    """A unit's limits and use.

    `is_transient`: what was set on it goes with it. `waits`: it is between two starts, and the
    kernel has nothing to hold; what is set on it holds from the next on.
    """

    unit: str
    manager: str
    is_transient: bool
    states: tuple[LimitState, ...]
    usage: Usage
    waits: bool = False


@contextmanager
def _manager_of(kind: str, unit: str) -> Iterator[SystemdManager]:
    """The manager in which a unit is, also between two starts. Raises UsageError without one."""
    for manager in running_managers(kind):
        try:
            status = manager.status(unit)
            if status is not None and status.is_there:
                yield manager
                return
        finally:
            manager.close()
    raise UsageError(f"{unit} does not run.", hint="`hlsswarm status --units` shows what runs.")


def limits_now(kind: str, unit: str) -> UnitLimits:
    """The limits and the use of a unit that runs. Raises UsageError."""
    with _manager_of(kind, unit) as manager:
        return _read(manager, unit)


def change_limits(kind: str, unit: str, values: Mapping[LimitKind, Any]) -> UnitLimits:
    """Change limits of a unit (None lifts one), and see that the kernel has them if it runs.

    Raises UsageError when it does not run, PreflightError for what cannot be enforced here, and
    then nothing is changed; UnitError when systemd has taken a limit and the kernel has not.
    """
    with _manager_of(kind, unit) as manager:
        _refuse_what_nothing_enforces(manager, values)
        properties = [
            Property(one.bus_name, one.signature, one.encoded(value))
            for one, value in values.items()
        ]
        manager.set_properties(unit, tuple(properties))
        return _held(manager, unit, list(values))


def _refuse_what_nothing_enforces(manager: SystemdManager, values: Mapping[LimitKind, Any]) -> None:
    for one in values:
        if not manager.accounting.can_hold(one):
            raise PreflightError(
                f"--{one.name} cannot be enforced here: {one.systemd_name} needs cgroup v2, and "
                f"the {one.controller} controller of this machine is cgroup v1.",
                hint="--memory-max is enforced on both." if one.controller == "memory" else None,
            )


def _held(manager: SystemdManager, unit: str, kinds: Sequence[LimitKind]) -> UnitLimits:
    """Wait until the kernel has these limits: systemd writes them after it has answered."""
    deadline = time.monotonic() + _HOLD_SECONDS
    while True:
        found = _read(manager, unit)
        missing = [state for state in found.states if state.kind in kinds and not state.holds]
        if not missing or found.waits:
            return found
        if time.monotonic() > deadline:
            raise _not_held(unit, missing[0])
        time.sleep(_LOOK_SECONDS)


def _not_held(unit: str, state: LimitState) -> UnitError:
    kind = state.kind
    wanted = f"{kind.systemd_name} {kind.shown(state.systemd)} of {unit}"
    if state.kernel is None:
        return UnitError(
            f"systemd has taken {wanted}, and nothing enforces it: the {kind.controller} "
            "controller is not there for this manager's units.",
            hint="Another manager may have it: --manager system, or embedded.",
        )
    has = kind.shown(state.kernel.value)
    hint = None
    if kind.controller == "memory" and state.kernel.files[0].name in kind.v1_files:
        hint = (
            "cgroup v1 takes no limit below what is in use. It begins when the unit starts again; "
            "`--memory-max none` lifts it."
        )
    return UnitError(f"systemd has taken {wanted}, and the kernel still has {has}.", hint=hint)


def _read(manager: SystemdManager, unit: str) -> UnitLimits:
    status = manager.status(unit)
    waits = status is not None and status.waits
    cgroup = "" if waits else manager.control_group(unit)
    kernel = manager.accounting.limit_of
    states = tuple(
        LimitState(kind, manager.limit(unit, kind), kernel(cgroup, kind) if cgroup else None)
        for kind in LIMIT_KINDS
        if not (unit.endswith(".slice") and kind.signature == "s")
    )
    usage = manager.accounting.usage(cgroup) if cgroup else Usage()
    transient = manager.is_transient(unit)
    return UnitLimits(unit, manager.kind, transient, states, usage, waits=waits)


def limit_all(kind: str, limits: Limits, before: Limits) -> None:
    """Limit all that hlsswarm runs on a manager together; what is not limited any more is lifted.

    Raises UnitError, ManagerError.
    """
    for manager in running_managers(kind):
        try:
            if manager.is_active(names.ROOT_SLICE):
                manager.set_properties(names.ROOT_SLICE, tuple(limits.changes(before)))
            else:
                manager.start(slice_spec(names.ROOT_SLICE, _ALL, limits))
        except UnitExistsError:  # the machine has a file for it, and it is not loaded
            manager.set_properties(names.ROOT_SLICE, tuple(limits.changes(before)))
        finally:
            manager.close()
