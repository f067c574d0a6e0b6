"""The walls around a run's clients: sandbox, addresses, secrets; as properties of their units.

Knows which files of the machine a client needs in its sandbox: its program, an authority's
certificate, scripts with secret headers. What the walls are made of: core.sandbox and core.hosts.
"""

from __future__ import annotations

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
    credentials: Path | None = None
    """Where systemd puts each unit's credentials; None where a client reads its scripts itself."""
    lacks: tuple[str, ...] = ()
    """What was wanted of the sandbox and cannot be had, in words."""

    def script_directory(self, unit: str, scripts: Path) -> Path:
        """Where a client finds the scripts that lie in `scripts`."""
        return scripts if self.credentials is None else self.credentials / unit

    def script_properties(self, scripts: Path, names: list[str]) -> tuple[Property, ...]:
        """What a client needs to read its scripts, which are root's alone (mode 0600)."""
        if self.credentials is None or not names:
            return ()
        pairs = [(name, str(scripts / name)) for name in names]
        return (Property("LoadCredential", "a(ss)", pairs),)


OPEN = Walls()
"""None at all."""


def client_walls(
    plan: Plan,
    abilities: Abilities,
    *,
    program: Path,
    directory: Path,
    credentials: Path,
    reach: Reach | None,
) -> Walls:
    """The walls of a run. `directory` is the run's own, `credentials` where units have theirs."""
    sandbox = Sandbox(
        profile="client",
        level=plan.sandbox,
        readable=tuple(
            dict.fromkeys((*shown_for_program(program), *shown_for_program(program.resolve())))
        ),
    )
    parts = sandbox.parts(abilities.sandbox)
    properties = sandbox.properties(abilities.sandbox)
    if "mounts" in parts:
        properties += _authority(plan, directory)
    if reach is not None:
        properties += (deny_all(),)
    wanted = lacking(abilities.sandbox) if plan.sandbox == "strict" else ()
    return Walls(properties, reach, credentials if "mounts" in parts else None, wanted)


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
