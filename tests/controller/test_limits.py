"""Limits of units that run: changed live, held by the kernel, and told where they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from hlsswarm.controller.limits import LimitState, UnitLimits, change_limits, limits_now
from hlsswarm.core import names
from hlsswarm.core.backoff import Backoff
from hlsswarm.core.limits import LIMIT_KINDS, LimitKind
from hlsswarm.core.unit_specs import UNLIMITED, Limits, slice_spec
from hlsswarm.errors import PreflightError, UnitError, UsageError
from tests.support import wait_for
from tests.units.live import KIND, SLEEP, Live, Run, python, run_in, shell

BUSY = shell("while :; do :; done")
# Takes 24 MiB and keeps them.
HOLDS_MEMORY = """
import signal
kept = b"x" * (24 << 20)
signal.pause()
"""


def kind(name: str) -> LimitKind:
    return next(one for one in LIMIT_KINDS if one.name == name)


def kernel(found: UnitLimits, name: str) -> object:
    [state] = [state for state in found.states if state.kind.name == name]
    assert state.holds
    assert state.kernel is not None
    return state.kernel.value


def test_a_limit_that_is_not_there_holds_also_where_the_kernel_has_no_file_for_it() -> None:
    quota = kind("cpu-quota")
    assert LimitState(quota, None, None).holds
    assert not LimitState(quota, 0.1, None).holds


def enforced(live: Live, unit: str) -> bool:
    """Whether this manager's units have controllers; a user's on v1 has none, and says so."""
    if live.abilities.memory_limit and live.abilities.cpu_limit and live.abilities.tasks_limit:
        return True
    assert live.manager.kind == "user"
    with pytest.raises(UnitError, match="and nothing enforces it: the pids controller is not"):
        change_limits(KIND, unit, {kind("tasks-max"): 5})
    return False


def test_limits_change_while_a_unit_runs_and_a_busy_one_is_throttled(a_run: Run) -> None:
    a_run.start(a_run.spec(1, BUSY))
    unit = a_run.unit(1)
    if not enforced(a_run.live, unit):
        return
    assert not limits_now(KIND, unit).usage.throttled
    found = change_limits(
        KIND,
        unit,
        {
            kind("cpu-quota"): 0.1,
            kind("cpu-weight"): 50,
            kind("tasks-max"): 5,
            kind("memory-max"): 32 << 20,
        },
    )
    assert found.is_transient
    assert kernel(found, "cpu-quota") == pytest.approx(0.1)
    assert kernel(found, "cpu-weight") == 50
    assert kernel(found, "tasks-max") == 5
    assert kernel(found, "memory-max") == 32 << 20
    assert a_run.limit(unit, "pids", "pids.max", "pids.max") == "5"

    def throttled(more_than: int) -> int:
        count = limits_now(KIND, unit).usage.throttled or 0
        return count if count > more_than else 0

    first = wait_for("a busy unit to be throttled", lambda: throttled(0))
    assert wait_for("more of it", lambda: throttled(first)) > first

    lifted = change_limits(KIND, unit, {kind("cpu-quota"): None, kind("tasks-max"): None})
    assert kernel(lifted, "cpu-quota") is None
    assert kernel(lifted, "tasks-max") is None
    assert kernel(lifted, "memory-max") == 32 << 20


def test_limits_of_a_part_hold_all_that_is_in_it(live: Live) -> None:
    with run_in(live) as run:
        run.start(run.spec(1, SLEEP))
        own = names.run_slice(run.run)
        if not enforced(live, own):
            return
        found = change_limits(KIND, own, {kind("memory-max"): 100 << 20})
        assert kernel(found, "memory-max") == 100 << 20
        assert found.usage.tasks is not None
        assert run.limit(own, "memory", "memory.limit_in_bytes", "memory.max") == str(100 << 20)


def test_what_was_set_on_a_part_goes_with_it(live: Live) -> None:
    """systemd keeps what is set on a slice that is only referenced, for the name's next use."""
    own, part = names.run_slice("again"), names.part_slice("again", "encoders")
    manager = live.manager

    async def opened() -> None:
        for name in (own, part):
            await manager.start_and_wait(slice_spec(name, "a test", UNLIMITED))

    async def stopped() -> list[str]:
        return await manager.stop_run("again", timeout_seconds=10)

    live.play(opened)
    assert limits_now(KIND, part).is_transient
    if enforced(live, part):
        change_limits(KIND, part, {kind("tasks-max"): 5})
    live.play(stopped)
    live.play(opened)
    found = {state.kind.name: state.systemd for state in limits_now(KIND, part).states}
    assert found["tasks-max"] is None
    live.play(stopped)


def test_a_limit_below_what_is_used_kills_or_is_told(a_run: Run) -> None:
    """cgroup v2 kills; v1 keeps the old limit, and systemd has the new one for the next start."""
    unit = a_run.unit(1)
    a_run.start(a_run.spec(1, python(HOLDS_MEMORY), limits=Limits(memory_max_bytes=64 << 20)))
    if not enforced(a_run.live, unit):
        return
    wait_for("its memory", lambda: (limits_now(KIND, unit).usage.memory_bytes or 0) > 24 << 20)
    accounting = a_run.live.manager.accounting
    if accounting.is_v2("memory", a_run.live.manager.control_group(unit)):
        change_limits(KIND, unit, {kind("memory-max"): 8 << 20})
        state = a_run.live.manager.service_state
        wait_for("the end", lambda: state(unit).result == "oom-kill")
        return
    with pytest.raises(UnitError) as caught:
        change_limits(KIND, unit, {kind("memory-max"): 8 << 20})
    assert caught.value.message == (
        f"systemd has taken MemoryMax 8M of {unit}, and the kernel still has 64M."
    )
    assert caught.value.hint is not None
    assert "when the unit starts again" in caught.value.hint


def test_what_this_kernel_lacks_is_refused_and_changes_nothing(a_run: Run) -> None:
    a_run.start(a_run.spec(1, SLEEP))
    unit, high = a_run.unit(1), kind("memory-high")
    if not enforced(a_run.live, unit):
        return
    if a_run.live.manager.accounting.can_hold(high):
        assert kernel(change_limits(KIND, unit, {high: 32 << 20}), "memory-high") == 32 << 20
        return
    with pytest.raises(PreflightError, match="MemoryHigh needs cgroup v2"):
        change_limits(KIND, unit, {kind("tasks-max"): 5, high: 32 << 20})
    assert kernel(limits_now(KIND, unit), "tasks-max") == 16


def test_a_unit_that_waits_for_its_next_start_takes_limits_for_it(
    a_run: Run, tmp_path: Path
) -> None:
    unit, flag = a_run.unit(1), tmp_path / "may-run"
    command = shell(f"[ -e {flag} ] && exec sleep 600; exit 1")
    a_run.queue(a_run.spec(1, command, backoff=Backoff(3.0, 3.0)))
    manager = a_run.live.manager
    wait_for("its wait", lambda: manager.service_state(unit).sub == "auto-restart")
    found = change_limits(KIND, unit, {kind("tasks-max"): 5})
    assert found.waits
    flag.touch()
    wait_for("its next start", lambda: manager.service_state(unit).sub == "running")
    if enforced(a_run.live, unit):
        assert kernel(limits_now(KIND, unit), "tasks-max") == 5


def test_a_unit_that_does_not_run(live: Live) -> None:
    with pytest.raises(UsageError, match="does not run"):
        limits_now(KIND, names.run_slice("nosuch"))
