"""`--resolve IP`: a stream's host name stands for another address, for the clients alone.

    way      needs                         name, SNI, certificate  reaches the address
    hosts    mount namespaces              intact                  all URLs of that name
    proxy    an http URL                   intact (no TLS)         all http URLs of any name
    rewrite  https, --dangerous, an        SNI lost, certificate   relative URLs only: playlists,
             ffmpeg that does not verify   not checked             segments and keys

hosts: the unit has an /etc/hosts of its own (systemd.exec(5), BindReadOnlyPaths). The C library
asks it first only if nothing is asked before: a switch file of our own goes along
(nsswitch.conf(5)), and nscd, which answers from outside the namespace, is put out of reach.

proxy: ffmpeg sends `GET http://name/path` to the IP, which every server has to accept
(RFC 9112, 3.2.2). hls.c hands `http_proxy` and `headers` down to nested playlists, segments and
keys; `tls_verify` and `ca_file` it does not (5.1, 7.1, 9.0), so where verification is on by default
(9.0), it cannot be turned off for them, and `rewrite` is impossible.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urljoin, urlsplit, urlunsplit

from hlsswarm.core.unit_specs import Property
from hlsswarm.errors import ConfigurationError, UsageError

Way = Literal["hosts", "proxy", "rewrite"]

HOSTS_PATH = "/etc/hosts"
NSSWITCH_PATH = "/etc/nsswitch.conf"
NSCD_DIRECTORIES = ("-/run/nscd", "-/var/run/nscd")
"""Where a name service cache answers; the dash lets them be missing."""

_HOST_NAME = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_-]+)*"
)
_URI = re.compile(r'^(?:[^#\s].*)$|URI="([^"]*)"', re.MULTILINE)
_HOSTS_LINE = re.compile(r"^[ \t]*hosts:.*$", re.MULTILINE)
_TLS_VERIFIES = re.compile(r"^\s*-tls_verify\b.*\(default (?:true|1)\)", re.MULTILINE)


@dataclass(frozen=True)
class Resolution:
    """How the clients come to reach `host` at `address`."""

    way: Way
    host: str
    address: str

    @property
    def sentence(self) -> str:
        """What is done, and what is given up by it."""
        to = f"{self.host} is {self.address} for the clients"
        if self.way == "hosts":
            return f"{to}, by an /etc/hosts of their own; names and certificates stay as they are."
        if self.way == "proxy":
            return (
                f"{to}: every http request goes to that address, whatever its host, in the form "
                "for a proxy (RFC 9112, 3.2.2)."
            )
        return (
            f"{to}, by other URLs and a Host header: certificates are not checked, the server is "
            "told no name (SNI), and absolute URLs in playlists still go where DNS says."
        )


def parse_address(text: str) -> str:
    """`--resolve`'s value. Raises UsageError."""
    try:
        address = ipaddress.ip_address(text.strip().removeprefix("[").removesuffix("]"))
    except ValueError:
        raise UsageError(
            f"--resolve {text!r} is not an IP address.", hint="Give, say, 192.0.2.7 or 2001:db8::7."
        ) from None
    if "%" in str(address):
        raise UsageError("--resolve takes no address with a zone.", hint="Give a global address.")
    return str(address)


def host_to_resolve(url: str) -> str:
    """The URL's host name. Raises UsageError where it is an address already."""
    host = urlsplit(url).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if _HOST_NAME.fullmatch(host):
            return host
        raise UsageError(
            f"--resolve cannot be used for the host {host!r}.",
            hint="Write an international name in its ASCII form (xn--…).",
        ) from None
    raise UsageError(
        f"--resolve has nothing to do: the URL's host is the address {host} already.",
        hint="Put the wanted address into the URL, or the name of the host.",
    )


def choose_way(
    url: str,
    address: str,
    *,
    mount_namespaces: bool,
    dangerous: bool,
    tls_verifies_by_default: bool,
) -> Resolution:
    """The best way that there is. Raises UsageError or ConfigurationError when there is none."""
    host = host_to_resolve(url)
    if mount_namespaces:
        return Resolution("hosts", host, address)
    if urlsplit(url).scheme == "http":
        return Resolution("proxy", host, address)
    if tls_verifies_by_default:
        raise ConfigurationError(
            "--resolve for https needs mount namespaces here: this manager gives none, and this "
            "ffmpeg cannot be kept from checking certificates.",
            hint="Use --manager system or embedded, or an ffmpeg older than 8.",
        )
    if not dangerous:
        raise UsageError(
            "This manager gives no mount namespaces: --resolve for https would have to turn off "
            "the check of certificates.",
            hint="Use --manager system or embedded, or allow it with --dangerous.",
        )
    return Resolution("rewrite", host, address)


def tls_verifies_by_default(help_text: str) -> bool:
    """Whether an ffmpeg checks certificates unasked, by its `-h protocol=tls`."""
    return _TLS_VERIFIES.search(help_text) is not None


# --- hosts ----------------------------------------------------------------------------------------


def hosts_text(machine_text: str, resolution: Resolution) -> str:
    """An /etc/hosts whose first line is ours; other lines for the name are left out.

    glibc gives all addresses that the file has for a name, not only the first (hosts(5)).
    """
    wanted = resolution.host.lower()
    lines = [f"{resolution.address} {resolution.host}"]
    for line in machine_text.splitlines():
        fields = line.partition("#")[0].split()
        names = [name for name in fields[1:] if name.lower() != wanted]
        if len(names) == len(fields[1:]):
            lines.append(line)
        elif names:
            lines.append(f"{fields[0]} {' '.join(names)}")
    return "\n".join(lines) + "\n"


def nsswitch_text(machine_text: str) -> str:
    """A switch file that asks /etc/hosts first, and then DNS.

    systemd-resolved (`resolve`) would answer by the machine's own /etc/hosts.
    """
    ours = "hosts: files dns"
    if _HOSTS_LINE.search(machine_text):
        return _HOSTS_LINE.sub(ours, machine_text)
    return f"{machine_text.rstrip()}\n{ours}\n".lstrip("\n")


def unit_properties(hosts_file: Path, nsswitch_file: Path | None) -> tuple[Property, ...]:
    """What gives a unit the two files; `nsswitch_file` only where the machine has one."""
    binds = [(str(hosts_file), HOSTS_PATH, False, 0)]
    if nsswitch_file is not None:
        binds.append((str(nsswitch_file), NSSWITCH_PATH, False, 0))
    return (
        Property("BindReadOnlyPaths", "a(ssbt)", binds),
        Property("InaccessiblePaths", "as", list(NSCD_DIRECTORIES)),
    )


# --- without mount namespaces ---------------------------------------------------------------------


def proxy_url(resolution: Resolution, url: str) -> str:
    """ffmpeg's `-http_proxy`: the address, on the URL's port."""
    return f"http://{_bracketed(resolution.address)}:{urlsplit(url).port or 80}"


def rewritten_url(resolution: Resolution, url: str) -> str:
    """The URL with the address for its host; another host's URL stays as it is."""
    parts = urlsplit(url)
    if (parts.hostname or "") != resolution.host:
        return url
    user, at, _ = parts.netloc.rpartition("@")
    port = f":{parts.port}" if parts.port is not None else ""
    return urlunsplit(parts._replace(netloc=f"{user}{at}{_bracketed(resolution.address)}{port}"))


def host_header_value(url: str) -> str:
    """What the Host header of the URL is (RFC 9110, 7.2)."""
    return urlsplit(url).netloc.rpartition("@")[2]


def not_covered(playlist: str, base_url: str, resolution: Resolution) -> tuple[str, ...]:
    """URLs in a playlist that `rewrite` does not send to the address: absolute ones of the host."""
    found = []
    for match in _URI.finditer(playlist):
        uri = (match[1] if match[1] is not None else match[0]).strip()
        is_absolute = urlsplit(uri).netloc != ""
        if is_absolute and urlsplit(urljoin(base_url, uri)).hostname == resolution.host:
            found.append(uri)
    return tuple(found)


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
