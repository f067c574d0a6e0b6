"""Checks certificates as the clients do, and gives their units the authorities for it.

Knows files of authorities. What clients are told: core.trust.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from hlsswarm.core.trust import STORES, Trust, unit_properties
from hlsswarm.core.unit_specs import Property
from hlsswarm.errors import ConfigurationError, UsageError

_STORE = "authorities.pem"


def tls_context(trust: Trust) -> ssl.SSLContext:
    """What the controller's own requests accept: the same as the clients'.

    Raises UsageError when there is no certificate in the authority's file.
    """
    context = ssl.create_default_context()
    if not trust.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif trust.ca_file is not None:
        try:
            context.load_verify_locations(trust.ca_file)
        except ssl.SSLError:
            raise _unreadable(trust.ca_file, "there is no certificate in it") from None
        except OSError as error:
            raise _unreadable(trust.ca_file, error.strerror or "it cannot be opened") from None
    return context


def _unreadable(file: Path, why: str) -> UsageError:
    return UsageError(
        f"--ca-file {file} cannot be used: {why}.",
        hint="Give a PEM file with the certificate of the authority.",
    )


def store_properties(
    trust: Trust, directory: Path, *, mount_namespaces: bool
) -> tuple[Property, ...]:
    """Properties of the clients' units so that an ffmpeg that checks every connection accepts the
    authority; the store is written into `directory`. Raises ConfigurationError where it cannot be.
    """
    if trust.ca_file is None:
        return ()
    if not mount_namespaces:
        raise ConfigurationError(
            "This ffmpeg checks the certificates of segments by the machine's authorities, and "
            "this manager cannot give its clients others: --ca-file is of no use.",
            hint="Use --manager system or embedded, or an ffmpeg older than 8.",
        )
    machine = next((path for path in STORES if Path(path).is_file()), None)
    if machine is None:
        raise ConfigurationError(
            "This machine has no store of authorities that --ca-file could be added to.",
            hint="apt-get install ca-certificates",
        )
    store = directory / _STORE
    store.write_bytes(Path(machine).read_bytes() + b"\n" + trust.ca_file.read_bytes())
    store.chmod(0o644)  # clients have a user of their own
    return unit_properties(store, machine)
