"""Which systemd: finds, chooses and opens a manager.

`auto` takes the first that there is: the system's (as root), the user's, an embedded one. A
further kind of manager (a remote host) is one more `Endpoint` here and nothing elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from hlsswarm.core import names
from hlsswarm.core.managers import remote_host
from hlsswarm.errors import ManagerError
from hlsswarm.units import cgroups, embedded
from hlsswarm.units.accounting import Accounting, machine_accounting
from hlsswarm.units.bus import BusLostError, Endpoint
from hlsswarm.units.manager import SystemdManager
from hlsswarm.units.runtime_directory import locked, remove_runs_of, runtime_directory
from hlsswarm.units.states import UnitStatus

_BOOTED = Path("/run/systemd/system")  # sd_booted(3)

OnCall = Callable[[float], None]


def _open(endpoint: Endpoint, on_call: OnCall | None) -> SystemdManager:
    if endpoint.kind == "embedded":
        accounting = embedded.accounting(embedded.directory_in(runtime_directory()))
    else:
        accounting = machine_accounting()
    return SystemdManager(endpoint, accounting, on_call=on_call)


def _system(on_call: OnCall | None) -> SystemdManager:
    if not _BOOTED.is_dir():
        raise ManagerError(
            "systemd does not run here as PID 1.", hint="Use --manager embedded or auto."
        )
    if os.geteuid() != 0:
        raise ManagerError(
            "The system's manager starts units for root only.",
            hint="Run as root, or use --manager user.",
        )
    return _answering(_open(Endpoint("system"), on_call))


def _user(on_call: OnCall | None) -> SystemdManager:
    if not os.environ.get("XDG_RUNTIME_DIR"):
        raise ManagerError(
            "There is no systemd --user for this session: XDG_RUNTIME_DIR is not set.",
            hint="Log in through a session manager (loginctl enable-linger USER), or be root.",
        )
    return _answering(_open(Endpoint("user"), on_call))


def _embedded_endpoint(directory: Path) -> Endpoint:
    return Endpoint("embedded", str(embedded.private_socket(directory)))


def _embedded(on_call: OnCall | None) -> SystemdManager:
    """The embedded manager, started if it does not run. The caller holds the lock."""
    directory = embedded.directory_in(runtime_directory())
    embedded.start(directory)
    return _answering(_open(_embedded_endpoint(directory), on_call))


def _answering(manager: SystemdManager) -> SystemdManager:
    """The manager, once it has answered a call. Raises ManagerError."""
    try:
        manager.version()
    except Exception:
        manager.close()
        raise
    return manager


_OPENERS: dict[str, Callable[[OnCall | None], SystemdManager]] = {
    "system": _system,
    "user": _user,
    "embedded": _embedded,
}


def _remote(kind: str) -> SystemdManager:
    """The system's manager of another host. Cgroups there cannot be read: it is asked instead."""
    manager = SystemdManager(Endpoint(kind), Accounting(()))
    try:
        return _answering(manager)
    except BusLostError as error:
        host = remote_host(kind)
        raise ManagerError(
            f"systemd on {host} cannot be reached by ssh.",
            hint=f"This has to work: ssh {host} systemd-stdio-bridge   (as root there)",
        ) from error


def connect(kind: str, *, on_call: OnCall | None = None) -> SystemdManager:
    """Open the manager of this kind. The caller holds the runtime directory's lock, because an
    embedded manager may have to be started. Raises ManagerError.
    """
    if remote_host(kind) is not None:
        return _remote(kind)
    if kind != "auto":
        return _OPENERS[kind](on_call)
    reasons = []
    for opener in _OPENERS.values():
        try:
            return opener(on_call)
        except ManagerError as error:
            reasons.append(error)
    last = reasons[-1]
    if os.geteuid() == 0:  # for whom an embedded one would do: only that has to be put right
        raise last
    raise ManagerError(
        "No systemd manager can be used: " + " ".join(reason.message for reason in reasons),
        hint=last.hint,
    )


def running_managers(kind: str, *, needed: bool = True) -> Iterator[SystemdManager]:
    """Open, one after the other, each manager of this kind (`auto`: all) that runs already.

    A manager that was named and is not there is a ManagerError, unless it is not `needed`.

    The leftovers of an embedded manager that was killed are removed on the way.
    """
    if remote_host(kind) is not None:
        yield _remote(kind)
        return
    if kind in {"auto", "embedded"}:
        directory = embedded.directory_in(runtime_directory())
        if embedded.is_running(directory):
            yield _open(_embedded_endpoint(directory), None)
        elif directory.parent.exists():
            with locked():  # removes the runtime directory, too, when nothing is left in it
                if not embedded.is_running(directory):
                    embedded.sweep(directory)
    for other in ("system", "user"):
        if kind in {"auto", other}:
            try:
                manager = _OPENERS[other](None)
            except ManagerError:
                if kind == other and needed:
                    raise
                continue
            yield manager


def _belongs_to_run(unit: UnitStatus) -> bool:
    is_run = names.parse_unit(unit.name) is not None or names.run_of_slice(unit.name) is not None
    return is_run and unit.active != "inactive"


def stopping_job(kind: str) -> str:
    """What systemd has ordered for the service that this process is: `stop`, `restart`, or
    nothing, when a signal came from elsewhere. Raises HlsSwarmError when it cannot be asked.
    """
    manager = connect(kind)
    try:
        return manager.job_type(cgroups.own_unit())
    finally:
        manager.close()


def release(manager: SystemdManager) -> None:
    """Close the manager; when nothing of ours is left in it, end our slice or the manager."""
    with locked() as parent:
        try:
            in_use = any(_belongs_to_run(unit) for unit in manager.list_units())
            if not in_use and manager.kind == "embedded":
                manager.exit()
            elif not in_use:
                manager.stop(names.ROOT_SLICE)
        except BusLostError:
            in_use = False
        manager.close()
        if not in_use:
            # What controllers that were killed before their first unit have left.
            remove_runs_of(parent, manager.kind)
        directory = embedded.directory_in(parent)
        ended = manager.kind == "embedded" and not in_use
        if ended and not embedded.wait_until_gone(directory):
            embedded.sweep(directory)
