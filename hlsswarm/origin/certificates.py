"""Makes the certificate of a test origin, with the `openssl` program.

Knows which files there are in a run's directory: `ca.pem`, by which clients check, is for everybody
to read; keys are not, and the authority's is not kept. What openssl is told: core.certificates.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from hlsswarm.core.certificates import certificate_commands, openssl_configuration, subject_names
from hlsswarm.core.nginx import Tls
from hlsswarm.errors import PreflightError
from hlsswarm.programs import find_program

__all__ = ["CA_FILE", "find_openssl", "make_certificate"]

CA_FILE = "ca.pem"
"""In the run's directory: the certificate by which clients check the server's."""


def find_openssl() -> Path:
    """The openssl program. Raises PreflightError."""
    return find_program("openssl", package="openssl")


def make_certificate(directory: Path, listen: str, names: Iterable[str]) -> Tls:
    """Certificate and key in `directory`, for an origin that listens on this address.

    Raises PreflightError when openssl cannot make them.
    """
    configuration = directory / "openssl.cnf"
    wanted = subject_names(listen, names)
    configuration.write_text(openssl_configuration(wanted))
    ca = (directory / CA_FILE, directory / "ca.key")
    server = (directory / "server.pem", directory / "server.key")
    commands = certificate_commands(
        find_openssl(), configuration, ca=ca, server=server, host=wanted[0]
    )
    try:
        for key in (ca[1], server[1]):
            # Private before openssl writes into it, whatever its version does by itself.
            os.close(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        for command in commands:
            _run(command)
    finally:
        ca[1].unlink(missing_ok=True)
        configuration.unlink(missing_ok=True)
    return Tls(certificate=server[0], key=server[1])


def _run(command: list[str]) -> None:
    made = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=30
    )
    if made.returncode != 0:
        said = made.stderr.decode(errors="replace").strip().splitlines()
        raise PreflightError(
            f"openssl made no certificate: {said[-1] if said else '?'}",
            hint="OpenSSL 3.0 or later is needed.",
        )
