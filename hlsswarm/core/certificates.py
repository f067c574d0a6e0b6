"""The certificate of a test origin: for which names, and how the `openssl` program makes it.

A certification authority of its own signs the server's certificate, so that a client can check it
by the authority's alone, as it would in earnest (RFC 5280; `openssl req`, `x509v3_config`). Knows
openssl's words. Must not know where files lie, nor start anything.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from hlsswarm.errors import UsageError

__all__ = ["certificate_commands", "openssl_configuration", "parse_name", "subject_names"]

_DAYS: Final = "397"  # what browsers accept at most
_CURVE: Final = "ec_paramgen_curve:prime256v1"
_NAME: Final = re.compile(
    r"(?=.{1,253}$)(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_-]{1,63})*"
)


def parse_name(text: str) -> str:
    """`--tls-name`'s value: a host name (`*.example.org` too) or an address. Raises UsageError."""
    name = text.strip().removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        if _NAME.fullmatch(name):
            return name.lower()
    raise UsageError(
        f"--tls-name {text!r} is neither a host name nor an address.",
        hint="Give, say, cdn.example.org or 192.0.2.7.",
    )


def subject_names(listen: str, names: Iterable[str]) -> tuple[str, ...]:
    """The names that a certificate is for: this machine's own, and `names` (of parse_name)."""
    address = ipaddress.ip_address(listen)
    found = ["localhost", "127.0.0.1", "::1"]
    if not address.is_unspecified:
        found.append(str(address))
    return tuple(dict.fromkeys([*found, *names]))


def openssl_configuration(names: Iterable[str]) -> str:
    """openssl's configuration file for both certificates; none of the machine's own is read."""
    alternatives = ", ".join(map(_alternative, names))
    return f"""\
[req]
distinguished_name = subject
prompt = no
[subject]
[ca]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {alternatives}
"""


def certificate_commands(
    openssl: Path,
    configuration: Path,
    *,
    ca: tuple[Path, Path],
    server: tuple[Path, Path],
    host: str,
) -> list[list[str]]:
    """Commands that make both certificates, in this order; `ca` and `server` are certificate, key.

    Works with OpenSSL 3.0 and later (`req -CA`).
    """
    new = [str(openssl), "req", "-x509", "-config", str(configuration), "-days", _DAYS]
    new += ["-newkey", "ec", "-pkeyopt", _CURVE, "-nodes", "-sha256"]
    signed = ["-CA", str(ca[0]), "-CAkey", str(ca[1])]
    return [
        [*new, *_made(ca), "-extensions", "ca", "-subj", f"/CN=hlsswarm test origin CA for {host}"],
        [*new, *_made(server), "-extensions", "server", *signed, "-subj", f"/CN={host}"],
    ]


def _made(files: tuple[Path, Path]) -> list[str]:
    certificate, key = files
    return ["-out", str(certificate), "-keyout", str(key)]


def _alternative(name: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"
