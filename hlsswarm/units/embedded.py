"""The embedded manager: a private systemd where none runs (containers, CI, small machines).

Finds, starts and ends it; what happens inside is embedded_keeper's. There is at most one for
each runtime directory, reached by its private socket without a dbus-daemon, and it outlives the
controller, so that status and stop work later.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import hlsswarm
from hlsswarm.errors import ManagerError
from hlsswarm.units import cgroups
from hlsswarm.units.accounting import Accounting, machine_accounting
from hlsswarm.units.embedded_keeper import CGROUPS_FILE, KIND, LOG_FILE
from hlsswarm.units.embedded_needs import check_possible
from hlsswarm.units.private_directories import remove_private
from hlsswarm.units.runtime_directory import EMBEDDED_DIRECTORY, remove_runs_of

SYSTEMD_ENVIRONMENT = "HLSSWARM_SYSTEMD"
"""Environment variable that names another systemd binary for the embedded manager."""
_SYSTEMD_PLACES = ("/lib/systemd/systemd", "/usr/lib/systemd/systemd")
_START_TIMEOUT_SECONDS = 15.0
_LOOK_SECONDS = 0.005

_keepers: list[subprocess.Popen[bytes]] = []
"""Keepers that this process has started: children of it, which end when their managers do."""


def directory_in(runtime_directory: Path) -> Path:
    """The embedded manager's own directory."""
    return runtime_directory / EMBEDDED_DIRECTORY


def private_socket(directory: Path) -> Path:
    """The manager's private D-Bus socket."""
    return directory / "systemd/private"


def cgroup_name(directory: Path) -> str:
    """Name of the manager's cgroups: one of its own for each directory, the same each time."""
    return f"hlsswarm-{hashlib.sha256(os.fsencode(directory)).hexdigest()[:10]}"


def recorded_cgroups(directory: Path) -> tuple[Path, ...]:
    """The cgroup directories of the manager, as its keeper wrote them down."""
    try:
        lines = (directory / CGROUPS_FILE).read_text().splitlines()
    except OSError:
        return ()
    return tuple(Path(line) for line in lines if line)


def is_running(directory: Path) -> bool:
    """Whether a manager answers on the private socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(private_socket(directory)))
        except OSError:
            return False
    return True


def find_systemd() -> Path:
    """Absolute path of the systemd binary. Raises ManagerError when there is none."""
    chosen = os.environ.get(SYSTEMD_ENVIRONMENT)
    places = (chosen,) if chosen else (*_SYSTEMD_PLACES, shutil.which("systemd") or "")
    for place in places:
        if place and os.access(place, os.X_OK):
            return Path(place).resolve()
    raise ManagerError(
        f"There is no systemd program at {chosen}." if chosen else "systemd is not installed.",
        hint="apt-get install systemd",
    )


def start(directory: Path) -> None:
    """Start the manager unless it runs. The caller holds the runtime directory's lock.

    Raises ManagerError, with the last line of the manager's log, when it does not come up; then
    nothing of it is left.
    """
    if is_running(directory):
        return
    sweep(directory)
    systemd = find_systemd()
    check_possible()
    directory.mkdir(mode=0o700, parents=True)
    log_path = directory / LOG_FILE
    with log_path.open("wb") as log:
        keeper = _start_keeper(directory, systemd, log)
    # The log outlives its directory through this descriptor, to tell why a start failed.
    with log_path.open("rb") as log:
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        while not is_running(directory):
            if keeper.poll() is not None or time.monotonic() > deadline:
                keeper.kill()
                keeper.wait()
                sweep(directory)
                lines = log.read().decode(errors="replace").strip().splitlines()
                raise ManagerError(
                    "The embedded manager did not start" + (f": {lines[-1]}" if lines else "."),
                    hint="It needs root, cgroups of its own, and leave to make mounts.",
                )
            time.sleep(_LOOK_SECONDS)
    _keepers.append(keeper)


def _start_keeper(directory: Path, systemd: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start the keeper, to which the lock on the directory goes over."""
    package_parent = str(Path(hlsswarm.__file__).resolve().parent.parent)
    environment = os.environ | {"PYTHONPATH": package_parent, "PYTHONDONTWRITEBYTECODE": "1"}
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        arguments = [str(directory), str(systemd), cgroup_name(directory), str(lock)]
        return subprocess.Popen(
            [sys.executable, "-m", "hlsswarm.units.embedded_keeper", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,  # Ctrl+C is not for the keeper
            env=environment,
            pass_fds=(lock,),
        )
    finally:
        os.close(lock)


def keeper_lives(directory: Path) -> bool:
    """Whether a keeper is there for this directory: it holds a lock on it."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def wait_until_gone(directory: Path, *, timeout_seconds: float = 5.0) -> bool:
    """Wait for the end of a manager that was asked to; True when its keeper has left nothing.

    False as soon as the manager has ended and there is no keeper to tidy up.
    """
    deadline = time.monotonic() + timeout_seconds
    while directory.exists():
        for keeper in _keepers:
            keeper.poll()  # or it would stay a zombie for as long as this process lives
        orphaned = not keeper_lives(directory) and not is_running(directory)
        if time.monotonic() > deadline or orphaned:
            return not directory.exists()
        time.sleep(_LOOK_SECONDS)
    return True


def sweep(directory: Path, *, timeout_seconds: float = 5.0) -> None:
    """Kill and remove what a dead manager and its keeper have left; nothing when all is well.

    A keeper that still tidies up, or has not come to start its manager, is waited for: what it
    would remove later is what the next manager has made.
    """
    deadline = time.monotonic() + timeout_seconds
    cgroups.sweep(recorded_cgroups(directory))
    while keeper_lives(directory) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        cgroups.sweep(recorded_cgroups(directory))
    remove_private(directory)
    remove_runs_of(directory.parent, KIND)
    shutil.rmtree(directory, ignore_errors=True)


def accounting(directory: Path) -> Accounting:
    """Accounting of the manager's units, read from outside its namespace or from within."""
    name = cgroup_name(directory)
    recorded = set(recorded_cgroups(directory))
    bases = {}
    for tree in cgroups.hierarchies():
        for path in recorded:
            if path.name == name and path.is_relative_to(tree.mount):
                # To the manager's own units (a rig's controller is one) it is the top of the tree.
                bases[tree.controllers] = path if path.is_dir() else tree.mount
    return machine_accounting(bases)
