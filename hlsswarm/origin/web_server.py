"""The origin's web server as a unit: nginx with a configuration of its own.

    server = WebServer(run="origin8080", port=8080, …)
    server.check(); server.check_port()          before anything is started
    await services.start(server.service(services, document_root))

Knows which files nginx needs in a run's directory, how it is checked and bounded. Must not know
what is served, nor who writes it: a directory, the duration of its Media Segments and a few lines
about it are all it is told.
"""

from __future__ import annotations

import ipaddress
import os
import resource
import socket
import ssl
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from hlsswarm.controller.services import Services
from hlsswarm.controller.walled import walled
from hlsswarm.core import names
from hlsswarm.core.nginx import (
    TEMPORARY_DIRECTORIES,
    Site,
    nginx_command,
    nginx_configuration,
)
from hlsswarm.core.service_specs import Service
from hlsswarm.core.unit_specs import Limits
from hlsswarm.errors import PreflightError, UsageError
from hlsswarm.origin.certificates import CA_FILE, find_openssl, make_certificate
from hlsswarm.origin.fault_files import fault_paths, open_faults
from hlsswarm.programs import find_program
from hlsswarm.units.runtime_directory import runtime_directory

__all__ = ["WebServer", "ca_file", "fetched"]

_OPEN_FILES_MAX = 65_536
_MEMORY_BYTES = 1 << 30


def ca_file(run: str) -> Path:
    """The certificate by which clients check that of an origin with TLS, once it runs."""
    return runtime_directory() / run / CA_FILE


def fetched(url: str, *, bytes_max: int = 1 << 20, timeout_seconds: float = 2.0) -> bytes:
    """What an origin on this machine serves at `url`. Raises OSError, HTTP statuses included.

    Its certificate is not checked: whether it serves is asked, not who it is.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with opener.open(url, timeout=timeout_seconds) as answer:
        body: bytes = answer.read(bytes_max)
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class WebServer:
    """A web server of the run `run`.

    `title` and `status_lines` are what its status page says of the stream, `segment_seconds` is
    the duration of the Media Segments (playlists may be cached for half of it). With `multivariant`
    a playlist in the document root itself is a Multivariant Playlist. `nginx` is the
    program, by name or path, None for the one in PATH. With `tls` it speaks HTTP/1.1 over TLS, and
    its certificate is also good for `tls_names`.
    """

    run: str
    listen: str
    port: int
    title: str
    status_lines: tuple[str, ...] = ()
    segment_seconds: int = 2
    multivariant: bool = False
    nginx: str | None = None
    access_log: Path | None = None
    tls: bool = False
    tls_names: tuple[str, ...] = ()

    def check(self) -> Path:
        """The nginx program. Raises UsageError or PreflightError for what cannot work."""
        try:
            ipaddress.ip_address(self.listen)
        except ValueError:
            raise UsageError(
                f"--listen {self.listen!r} is not an IP address.", hint="Give, say, 127.0.0.1."
            ) from None
        if self.access_log is not None and not self.access_log.parent.is_dir():
            raise PreflightError(f"The directory {self.access_log.parent} does not exist.")
        if self.tls:
            find_openssl()
        return find_program(self.nginx or "nginx", package="nginx-light")

    def check_port(self) -> None:
        """Raise PreflightError when something else has the port."""
        family = socket.AF_INET6 if ":" in self.listen else socket.AF_INET
        try:
            socket.create_server((self.listen, self.port), family=family).close()
        except OSError as error:
            reason = os.strerror(error.errno or 0)  # its own text repeats the address
            raise PreflightError(
                f"Port {self.port} of {self.listen} cannot be used: {reason}.",
                hint="Choose another with --port, or stop what has it.",
            ) from None

    def service(self, services: Services, document_root: Path) -> Service:
        """The unit that serves `document_root`; its configuration is written here.

        nginx checks it as it starts, and as whom it is then to run.
        """
        nginx, directory = self.check(), services.directory
        remove = str(find_program("rm", package="coreutils"))
        unit = names.nginx_unit(self.run)
        configuration = directory / "nginx.conf"
        site = self._site(directory, document_root)
        open_faults(directory, nginx, site)
        paths = fault_paths(directory, site)
        configuration.write_text(nginx_configuration(site, paths=paths))
        service = Service(
            name=unit,
            slice_name=names.origin_slice(self.run),
            description=f"hlsswarm nginx on port {self.port}",
            command=nginx_command(nginx, configuration, directory),
            log=services.log(unit),
            limits=Limits(memory_max_bytes=_MEMORY_BYTES),
            # nginx does not bind a socket that a killed one has left.
            before=((remove, "-f", str(paths.control)),),
            # The workers': who removes the run's directory may not be allowed to.
            after=((remove, "-rf", *(str(directory / name) for name in TEMPORARY_DIRECTORIES)),),
        )
        logs = [] if site.access_log is None else [site.access_log.parent]
        return walled(service, "server", writable=[directory, *logs], readable=[document_root])

    def _site(self, directory: Path, document_root: Path) -> Site:
        log = self.access_log
        tls = make_certificate(directory, self.listen, self.tls_names) if self.tls else None
        return Site(
            title=self.title,
            status_lines=self.status_lines,
            segment_seconds=self.segment_seconds,
            listen_address=self.listen,
            port=self.port,
            tls=tls,
            multivariant=self.multivariant,
            document_root=document_root,
            run_directory=directory,
            access_log=None if log is None else Path(os.path.abspath(log)),  # noqa: PTH100
            max_open_files=_open_files(),
            workers=1,
        )


def _open_files() -> int:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES_MAX)
