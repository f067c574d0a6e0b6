"""What the clients may reach: the addresses of the plan's hosts, kept up to date.

    plan's hosts ── DNS ──► addresses ──► IPAddressAllow= of the clients' slice
                                          IPAddressDeny=any of each client

systemd gives each client the rules of the slices that it is in, so one change of the slice is one
for all. Addresses are only ever added: a client may still hold a connection to an old one.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

from hlsswarm.core import names
from hlsswarm.core.hosts import Hosts, Network, allow, nameservers, network_of, plan_hosts
from hlsswarm.core.plan import Plan
from hlsswarm.core.unit_specs import Property
from hlsswarm.errors import UnitError
from hlsswarm.units.bus import BusLostError
from hlsswarm.units.manager import SystemdManager

LOOK_AGAIN_SECONDS = 20.0
"""CDNs give their addresses for 20 s to 60 s as a rule."""
_RESOLVE_SECONDS = 5.0
_RESOLV_CONF = Path("/etc/resolv.conf")


class Reach:
    """The addresses that one run's clients may reach."""

    def __init__(self, plan: Plan, run: str, seen: Iterable[str]) -> None:
        """`seen` are hosts that the preflight found in playlists."""
        hosts = plan_hosts(plan.client.url, plan.resolve_address, plan.allow_hosts)
        self._names = hosts.to_resolve(seen)
        if plan.resolve_address is not None:  # for the clients the name is that address alone
            own = plan_hosts(plan.client.url, None, Hosts()).names
            self._names = tuple(name for name in self._names if name not in own)
        self._run = run
        self.networks: set[Network] = set(hosts.networks)
        if hosts.names:
            self.networks |= set(nameservers(_text(_RESOLV_CONF)))

    async def resolve(self) -> tuple[Network, ...]:
        """Ask for all names; the addresses that are new. A name without one is passed over."""
        found = await asyncio.gather(*map(_addresses, self._names))
        new = set().union(*found) - self.networks
        self.networks |= new
        return tuple(sorted(new, key=str))

    @property
    def allowed(self) -> Property:
        """What the clients' slice has of it."""
        return allow(sorted(self.networks, key=str))

    async def follow(self, manager: SystemdManager, say: Callable[[str], None]) -> None:
        """Look again for as long as the run goes; without names there is nothing to look for."""
        while True:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            new = await self.resolve()
            if not new:
                continue
            try:
                manager.set_properties(names.clients_slice(self._run), (allow(new),))
            except UnitError as error:
                if isinstance(error, BusLostError):
                    raise
                say(f"New addresses could not be allowed: {error.message}")


async def _addresses(name: str) -> set[Network]:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError, UnicodeError, TimeoutError):
        async with asyncio.timeout(_RESOLVE_SECONDS):
            rows = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        found = (network_of(str(address[0])) for *_, address in rows)
        return {network for network in found if network is not None}
    return set()


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
