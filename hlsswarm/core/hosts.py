"""Which hosts a plan names, and which others a playlist leads to. Resolves nothing.

A swarm is to load what its plan names and nothing else, whatever a playlist says: the host of its
URL, the address of `--resolve`, and each `--allow-host`:

    cdn.example       this name
    *.cdn.example     every name below it (of those, playlists that were looked at tell which)
    192.0.2.7         this address
    192.0.2.0/24      these addresses
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from hlsswarm.core.unit_specs import Property
from hlsswarm.errors import UsageError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAME = re.compile(
    r"(?:\*\.)?(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*"
)
# What ffmpeg's hls demuxer fetches: plain lines, and URI of these tags (libavformat/hls.c).
_FETCHED = re.compile(
    r'^[ \t]*(?:[^#\s].*)$|^#EXT-X-(?:KEY|MAP|MEDIA):(?:.*[,:])?URI="([^"]*)"', re.MULTILINE
)
_FAMILY_4, _FAMILY_6 = 2, 10  # AF_INET and AF_INET6 on Linux
EVERYWHERE: tuple[Network, ...] = (
    ipaddress.IPv4Network("0.0.0.0/0"),
    ipaddress.IPv6Network("::/0"),
)


@dataclass(frozen=True)
class Hosts:
    """Host names (lower case; one that begins with `*.` is all below it) and addresses."""

    names: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()

    def __add__(self, other: Hosts) -> Hosts:
        """Both."""
        return Hosts(
            tuple(dict.fromkeys(self.names + other.names)),
            tuple(dict.fromkeys(self.networks + other.networks)),
        )

    def covers(self, host: str) -> bool:
        """Whether a URL's host, a name or an address, is one of them."""
        wanted = _plain_name(host)
        address = _network(wanted)
        if address is not None:
            return any(_within(address, network) for network in self.networks)
        return any(
            wanted.endswith(name[1:]) if name.startswith("*.") else wanted == name
            for name in self.names
        )

    def to_resolve(self, seen: Iterable[str] = ()) -> tuple[str, ...]:
        """Names whose addresses are wanted: those that are named, and of those `seen` in playlists
        the ones below a `*.`.
        """
        named = [name for name in self.names if not name.startswith("*.")]
        below = [_plain_name(name) for name in seen if self.covers(name)]
        return tuple(dict.fromkeys(n for n in [*named, *below] if _network(n) is None))


NO_HOSTS = Hosts()


def parse_hosts(text: str) -> Hosts:
    """`--allow-host`'s value: one host or several with commas. Raises UsageError."""
    names, networks = [], []
    for word in text.split(","):
        bare = word.strip().removeprefix("[").removesuffix("]")
        network = _network(bare)
        if network is not None:
            networks.append(network)
        elif _NAME.fullmatch(_plain_name(bare)) and not _looks_numeric(bare):
            names.append(_plain_name(bare))
        else:
            raise UsageError(
                f"--allow-host {word.strip()!r} is no host.",
                hint="Give a name, *.name, an address or a network: cdn.example, 192.0.2.0/24.",
            )
    return Hosts(tuple(names), tuple(networks))


def plan_hosts(url: str, resolve_address: str | None, allowed: Hosts) -> Hosts:
    """The hosts that a plan names."""
    host = _plain_name(urlsplit(url).hostname or "")
    network = _network(host)
    own = Hosts((), (network,)) if network is not None else Hosts((host,))
    there = _network(resolve_address) if resolve_address is not None else None
    return own + Hosts((), (there,) if there is not None else ()) + allowed


def fetched_urls(playlist: str, base_url: str) -> Iterator[str]:
    """The URLs that a client fetches because of a playlist: Variant Streams, Renditions, Media
    Segments, their keys and initialization sections.
    """
    for match in _FETCHED.finditer(playlist):
        uri = match[1] if match[1] is not None else match[0]
        try:
            yield urljoin(base_url, uri.strip())
        except ValueError:
            yield uri.strip()


def host_of(url: str) -> str | None:
    """The host of an http URL; None for another one, which no client opens."""
    try:
        parts = urlsplit(url)
        return (parts.hostname or None) if parts.scheme in {"http", "https"} else None
    except ValueError:
        return None


def foreign_hosts(urls: Iterable[str], hosts: Hosts) -> tuple[str, ...]:
    """Hosts of URLs that are not among `hosts`, each once, in their order."""
    found = (host_of(url) for url in urls)
    return tuple(dict.fromkeys(host for host in found if host and not hosts.covers(host)))


def nameservers(resolv_conf: str) -> tuple[Network, ...]:
    """The servers of an /etc/resolv.conf (resolv.conf(5)): without one, this machine."""
    words = re.findall(r"^nameserver[ \t]+([^\s%]+)", resolv_conf, re.MULTILINE)
    found = [network for network in map(_network, words) if network is not None]
    return tuple(found) or (ipaddress.IPv4Network("127.0.0.1/32"),)


def deny_all() -> Property:
    """No address may be reached but those that are allowed (systemd.resource-control(5))."""
    return _address_property("IPAddressDeny", EVERYWHERE)


def allow(networks: Iterable[Network]) -> Property:
    """These addresses may be reached."""
    return _address_property("IPAddressAllow", networks)


def network_of(address: str) -> Network | None:
    """An address, or a network, as a network; None for a name. A zone is left out."""
    return _network(address.partition("%")[0])


def _address_property(name: str, networks: Iterable[Network]) -> Property:
    rows = [
        (
            _FAMILY_4 if network.version == 4 else _FAMILY_6,
            list(network.network_address.packed),
            network.prefixlen,
        )
        for network in networks
    ]
    return Property(name, "a(iayu)", rows)


def _plain_name(host: str) -> str:
    return host.lower().removesuffix(".")


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _within(one: Network, other: Network) -> bool:
    return (
        one.version == other.version
        and one.network_address in other
        and one.prefixlen >= other.prefixlen
    )


def _looks_numeric(text: str) -> bool:
    """A mistyped address: `192.0.2.300` and `10.0.0.0/99` are no names."""
    return re.fullmatch(r"[0-9.:/]+", text) is not None
