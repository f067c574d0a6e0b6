"""The walls around a run's clients: sandbox, addresses, secrets; as properties of their units.

Knows which files of the machine a client needs in its sandbox: its program, an authority's
certificate, scripts with secret headers. What the walls are made of: core.sandbox and core.hosts.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from hlsswarm.controller.reach import Reach
from hlsswarm.core.hosts import deny_all
from hlsswarm.core.plan import Plan
from hlsswarm.core.sandbox import Sandbox, hidden_below, lacking, shown_for_program
from hlsswarm.core.unit_specs import Abilities, Property

_AUTHORITY = "authority.pem"
_WORLD_READABLE = 0o644


@dataclass(frozen=True)
class Walls:
    """What each client's unit has for its walls, and what the run has."""

    properties: tuple[Property, ...] = ()
    reach: Reach | None = None
    """The addresses that the clients may reach; None where nothing keeps them from others."""
    lacks: tuple[str, ...] = ()
    """What was wanted of the sandbox and cannot be had, in words."""


OPEN = Walls()
"""None at all."""


def client_walls(
    plan: Plan,
    abilities: Abilities,
    *,
    program: Path,
    directory: Path,
    scripts: Path,
    reach: Reach | None,
) -> Walls:
    """The walls of a run; `directory` is the run's own, `scripts` where those with secrets lie.

    Scripts are root's alone, and so are clients that read them, or whose program is in a directory
    that is closed to others: they keep all walls but a user of their own. (systemd's credentials
    would do, where systemd can mount them: not everywhere.)
    """
    shown = [*shown_for_program(program), *shown_for_program(program.resolve())]
    if plan.client.needs_scripts:
        shown.append(scripts)
    sandbox = Sandbox(
        profile="client",
        level=plan.sandbox,
        readable=tuple(dict.fromkeys(shown)),
        own_user=not plan.client.needs_scripts and _is_for_everybody(program.resolve()),
    )
    parts = sandbox.parts(abilities.sandbox)
    properties = sandbox.properties(abilities.sandbox)
    if "mounts" in parts:
        properties += _authority(plan, directory)
    if reach is not None:
        properties += (deny_all(),)
    wanted = lacking(abilities.sandbox) if plan.sandbox == "strict" else ()
    return Walls(properties, reach, wanted)


def _is_for_everybody(program: Path) -> bool:
    """Whether another user than root could run it, where it is shown with its directory."""
    modes = (program.stat().st_mode, program.parent.stat().st_mode)
    return all(mode & stat.S_IXOTH for mode in modes)


def _authority(plan: Plan, directory: Path) -> tuple[Property, ...]:
    """--ca-file, where a client would not see it or not be allowed to read it."""
    file = plan.client.trust.ca_file
    if file is None:
        return ()
    if hidden_below(file) is None and file.stat().st_mode & _WORLD_READABLE == _WORLD_READABLE:
        return ()
    copy = directory / _AUTHORITY
    copy.write_bytes(file.read_bytes())
    copy.chmod(_WORLD_READABLE)
    return (Property("BindReadOnlyPaths", "a(ssbt)", [(str(copy), str(file), False, 0)]),)
