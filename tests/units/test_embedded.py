"""The embedded manager's beginning and end, as its callers see them."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hlsswarm.core import names
from hlsswarm.core.unit_specs import Limits, slice_spec
from hlsswarm.errors import ManagerError, UnitError
from hlsswarm.units import cgroups, embedded, embedded_needs
from hlsswarm.units.abilities import by_properties
from hlsswarm.units.bus import BusLostError
from hlsswarm.units.connect import connect, release, running_managers
from hlsswarm.units.embedded_keeper import IDLE_LOOK_SECONDS
from hlsswarm.units.manager import SystemdManager
from hlsswarm.units.runtime_directory import ENVIRONMENT, locked
from tests.support import wait_for
from tests.units.live import Live, gone, short_directory


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with short_directory() as root:
        monkeypatch.setenv(ENVIRONMENT, str(root / "r"))
        yield embedded.directory_in(root / "r")
        assert not (root / "r").exists()


def opened() -> SystemdManager:
    with locked():
        return connect("embedded")


def manager_pid(directory: Path) -> int:
    """The manager's own process: in its cgroups there is no other yet."""
    [pid] = cgroups.members(embedded.recorded_cgroups(directory))
    return pid


def start_slice(manager: SystemdManager, run: str) -> None:
    spec = slice_spec(names.run_slice(run), "a test", Limits())
    Live(manager, by_properties(manager)).play(lambda: manager.start_and_wait(spec))


def stop_slice(manager: SystemdManager, run: str) -> None:
    live = Live(manager, by_properties(manager))
    assert live.play(lambda: manager.stop_run(run, timeout_seconds=10)) == []


def test_it_is_started_once_and_ends_with_the_last_who_uses_it(directory: Path) -> None:
    first, second = opened(), opened()
    assert embedded.is_running(directory)
    assert embedded.keeper_lives(directory)
    pid = manager_pid(directory)
    start_slice(second, "mine")
    release(first)
    assert manager_pid(directory) == pid
    stop_slice(second, "mine")
    release(second)
    assert gone(pid)
    assert not directory.exists()


def test_it_ends_when_it_has_no_run_to_keep(directory: Path) -> None:
    manager = opened()
    pid = manager_pid(directory)
    manager.close()
    wait_for("its end", lambda: gone(pid) and not directory.exists(), timeout_seconds=30)


def test_it_stays_while_a_command_is_about_to_use_it(directory: Path) -> None:
    with locked():
        manager = connect("embedded")
        time.sleep(3 * IDLE_LOOK_SECONDS)
        assert manager.version()
    release(manager)


def test_its_end_is_told_to_those_who_wait(directory: Path) -> None:
    manager = opened()

    async def scenario() -> None:
        manager.listen()
        job = manager.job(manager.start(slice_spec(names.run_slice("mine"), "", Limits())))
        assert (await job).result == "done"
        waiting = manager.job("/org/freedesktop/systemd1/job/99999")
        os.kill(manager_pid(directory), signal.SIGKILL)
        with pytest.raises(BusLostError):
            await asyncio.wait_for(manager.lost(), 10)
        with pytest.raises(BusLostError):
            await waiting
        with pytest.raises(BusLostError):
            manager.version()
        with pytest.raises(BusLostError):
            await manager.job("/org/freedesktop/systemd1/job/99998")

    asyncio.run(scenario())
    release(manager)


def test_nobody_is_taken_for_a_keeper(directory: Path) -> None:
    assert not embedded.keeper_lives(directory)
    assert embedded.recorded_cgroups(directory) == ()
    assert list(running_managers("embedded")) == []
    assert embedded.wait_until_gone(directory)


def test_what_it_cannot_be_is_a_sentence(
    directory: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv(embedded.SYSTEMD_ENVIRONMENT, "/no/such/systemd")
        with pytest.raises(ManagerError, match="no systemd program at /no/such/systemd"):
            opened()
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: 1000)
        with pytest.raises(ManagerError, match="needs root"):
            opened()
    (tmp_path / "status").write_text("Name:\tx\nCapEff:\t00000000a80425fb\n")  # an engine's usual
    with monkeypatch.context() as patch:
        patch.setattr(embedded_needs, "STATUS", tmp_path / "status")
        with pytest.raises(
            ManagerError, match=r"lacks the capability SYS_ADMIN .* and the capability SYS_P"
        ):
            opened()
    for mountinfo, sentence in (
        ("", "No cgroup tree is mounted"),
        ("1 2 0:3 / /m rw - cgroup cgroup rw,memory\n", "no name=systemd tree"),
    ):
        (tmp_path / "mountinfo").write_text(mountinfo)
        with monkeypatch.context() as patch:
            patch.setattr(cgroups, "MOUNTINFO", tmp_path / "mountinfo")
            with pytest.raises(ManagerError, match=sentence):
                opened()


def test_a_manager_that_says_why_it_ends_is_quoted(
    directory: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "systemd"
    program.write_text("#!/bin/sh\necho first >&2; echo last words >&2; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv(embedded.SYSTEMD_ENVIRONMENT, str(program))
    with pytest.raises(ManagerError, match="did not start: last words"):
        opened()


def test_other_kinds_that_are_not_here_say_so(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    with locked(), pytest.raises(ManagerError, match="XDG_RUNTIME_DIR is not set"):
        connect("user")
    with pytest.raises(ManagerError, match="XDG_RUNTIME_DIR is not set"):
        list(running_managers("user"))
    assert list(running_managers("user", needed=False)) == []
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/nowhere")
    with locked(), pytest.raises(ManagerError, match="user manager of systemd cannot be reached"):
        connect("user")


def test_when_nothing_can_be_had_all_reasons_are_told(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setenv(embedded.SYSTEMD_ENVIRONMENT, "/no/such/systemd")
    with locked(), pytest.raises(ManagerError, match=r"^There is no systemd program"):
        connect("auto")  # as root, for whom that is all there is to put right
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with locked(), pytest.raises(ManagerError, match=r"PID 1.*XDG_RUNTIME_DIR.*no systemd program"):
        connect("auto")


def test_a_refused_unit_leaves_nothing_waiting(directory: Path) -> None:
    manager = opened()
    start_slice(manager, "mine")
    with pytest.raises(UnitError, match="already"):
        start_slice(manager, "mine")
    stop_slice(manager, "mine")
    release(manager)
