"""Which certificates the clients accept: `--tls-verify`, `--ca-file FILE`.

ffmpeg checks by `-tls_verify 1` and `-ca_file` (ffmpeg-protocols(1), tls), and hls.c hands neither
down to what a playlist leads to (5.1, 7.1, 9.0):

    ffmpeg      the URL itself       Media Playlists behind it, segments, keys
    before 8    checked              not checked
    8 and on    checked              checked by the machine's store of authorities alone

So that the newer ones accept an authority of the user's, their units get a store with it in the
place of the machine's (systemd.exec(5), BindReadOnlyPaths=; SSL_CERT_FILE for OpenSSL). Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from hlsswarm.core.unit_specs import Property
from hlsswarm.errors import UsageError

STORES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Arch, NixOS
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora
    "/etc/ssl/ca-bundle.pem",  # openSUSE
)
"""Where machines keep the authorities that they trust."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whether certificates are checked, and by which further authority (a PEM file)."""

    verify: bool = False
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        """Raise UsageError for an authority that nobody would ask."""
        if self.ca_file is not None and not self.verify:
            raise UsageError("--ca-file says nothing without --tls-verify.", hint="Give both.")

    def check(self, url: str) -> None:
        """Raise UsageError where there is no certificate to check."""
        if self.verify and urlsplit(url).scheme != "https":
            raise UsageError(
                "--tls-verify is for https, and the URL is http.",
                hint="Give an https URL, or leave --tls-verify out.",
            )

    def options(self, url: str, *, name: str | None = None) -> list[tuple[str, str]]:
        """ffmpeg's options for an input; `name` is whose certificate it is to be, where the URL
        holds an address instead.
        """
        if not self.verify or urlsplit(url).scheme != "https":
            return []
        found = [("tls_verify", "1")]
        if self.ca_file is not None:
            found.append(("ca_file", str(self.ca_file)))
        if name is not None:
            found.append(("verifyhost", name))
        return found


UNCHECKED = Trust()
"""No certificate is looked at."""


def unit_properties(store: Path, machine_store: str) -> tuple[Property, ...]:
    """What gives a unit `store` in the place of the machine's."""
    return (
        Property("BindReadOnlyPaths", "a(ssbt)", [(str(store), machine_store, False, 0)]),
        Property("Environment", "as", [f"SSL_CERT_FILE={machine_store}"]),
    )
