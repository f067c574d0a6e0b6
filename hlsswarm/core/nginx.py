"""The nginx configuration of a test origin, as text.

Knows nginx's directives, what an origin answers to which request, and how a path is quoted. Must
not know units, processes or the file system: whoever starts nginx makes the directories, and says
as whom and with how many open files it runs.

Directives and variables: https://nginx.org/en/docs/ (dirindex, varindex); nginx(8) for the command
line. Works with nginx 1.19.5 and later (`-e`).
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from jinja2 import Environment, StrictUndefined, Template

from hlsswarm.core.nginx_faults import (
    PASSED_ON,
    SERVED,
    ActiveFault,
    FaultPaths,
    first_that_matches,
    uri_pattern,
)

__all__ = [
    "GENERATION_PATH",
    "HEALTH_PATH",
    "NGINX_STATUS_PATH",
    "TEMPORARY_DIRECTORIES",
    "Site",
    "Tls",
    "media_type",
    "nginx_command",
    "nginx_configuration",
    "site_of_json",
]

HEALTH_PATH: Final = "/health"
"""Answers 200 "ok" as long as nginx serves, whether or not there is a stream."""

NGINX_STATUS_PATH: Final = "/nginx_status"
"""ngx_http_stub_status_module's page; only for clients on the same machine."""

GENERATION_PATH: Final = "/generation"
"""On the control socket: which configuration this nginx serves by, as a number."""

TEMPORARY_DIRECTORIES: Final = ("client-body", "proxy", "fastcgi", "uwsgi", "scgi")
"""Directories that nginx makes in its run directory, some of them its workers' alone."""

_METHODS: Final = ("GET", "HEAD", "OPTIONS")

# RFC 8216bis 4 (Playlists), RFC 3555 (video/mp2t), RFC 8216bis 3 (fragmented MP4, packed audio).
_MEDIA_TYPES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "application/vnd.apple.mpegurl": ("m3u8",),
        "video/mp2t": ("ts",),
        "video/iso.segment": ("m4s",),
        "video/mp4": ("mp4", "m4v"),
        "audio/mp4": ("m4a",),
        "audio/aac": ("aac",),
        "text/vtt": ("vtt",),
    }
)
_UNKNOWN_TYPE: Final = "application/octet-stream"
_PLAYLIST_EXTENSION: Final = "m3u8"
_KEY_EXTENSION: Final = "key"
_SEGMENT_MAX_AGE_SECONDS: Final = 60
_MULTIVARIANT_MAX_AGE_SECONDS: Final = 5

# Time that requests in flight get to finish when there is a new configuration.
_SHUTDOWN_SECONDS: Final = 30

# A connection that is being served holds a socket and a file; the rest is for listeners, logs,
# the pipes between master and workers, and epoll.
_DESCRIPTORS_PER_CONNECTION: Final = 2
_DESCRIPTORS_RESERVED: Final = 32
_CONNECTIONS_MIN: Final = 16
_CONNECTIONS_MAX: Final = 16384

# One JSON object per request and line. `time` is seconds since 1970 at the end of the answer,
# `request_time` seconds from the first byte read to the last byte handed to the kernel.
_LOG_FIELDS: Final = (
    ("time", "$msec"),
    ("method", '"$request_method"'),
    ("uri", '"$request_uri"'),
    ("status", "$status_number"),
    ("body_bytes", "$body_bytes_sent"),
    ("request_time", "$request_time"),
    ("connection", "$connection"),
    ("connection_requests", "$connection_requests"),
    ("user_agent", '"$http_user_agent"'),
    ("range", '"$http_range"'),
    ("address", '"$remote_addr"'),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Certificate (with those that it stands on) and key of the server, as PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What an nginx of a test origin serves, and where.

    `document_root` is served as it is: playlists, Media Segments and keys in it and in its
    directories; `segment_seconds` is the duration of the Media Segments. With `multivariant` the
    playlists that lie in the root itself are Multivariant Playlists. `title` and `status_lines`
    are for the page at `/`.

    `listen_address` is an IPv4 or IPv6 address. The port is bound without SO_REUSEPORT, so that
    nginx fails on a port that is taken, even if a second origin holds it (after five attempts in
    2.5 s; its check does not look). With `tls` it takes HTTP over TLS alone. `run_directory` takes
    the pid file and nginx's temporary directories.

    `access_log` is a file for one JSON object per request (fields: time, method, uri, status,
    body_bytes, request_time, connection, connection_requests, user_agent, range, address), or None
    for no log. Bytes of the request that are no UTF-8 are written as they came. With
    `access_log_buffer_bytes` lines are collected and written when that many bytes are there or the
    oldest is `access_log_flush_seconds` old; 0 writes each line at once.

    `max_open_files` is the number of file descriptors that each nginx process may have
    (LimitNOFILE= of its unit, or RLIMIT_NOFILE); connections are bounded by it. `workers` is a
    number of processes, None for one per processor.

    `worker_user` and `worker_group` are for an nginx that is started as root: without them its
    workers run as `nobody`, and need search permission on every directory above `document_root`
    and read permission in it. "root" keeps them root, which is the only way for a root without
    capabilities (it logs a failed initgroups() and goes on). Leave them out for an ordinary user,
    who cannot change to another one (nginx warns and goes on).
    """

    title: str
    status_lines: tuple[str, ...] = ()
    segment_seconds: int
    multivariant: bool = False
    listen_address: str
    port: int
    tls: Tls | None = None
    document_root: Path
    run_directory: Path
    access_log: Path | None
    max_open_files: int
    workers: int | None = None
    worker_user: str | None = None
    worker_group: str | None = None
    access_log_buffer_bytes: int = 0
    access_log_flush_seconds: int = 1

    def __post_init__(self) -> None:
        """Raise ValueError for what nginx could not express or would not accept."""
        _address(self.listen_address)
        if not 1 <= self.port <= 65535:
            raise ValueError(f"port must be between 1 and 65535, not {self.port}")
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"workers must be at least 1, not {self.workers}")
        if self.worker_group is not None and self.worker_user is None:
            raise ValueError("worker_group needs worker_user")
        if self.access_log_buffer_bytes < 0 or self.access_log_flush_seconds < 1:
            raise ValueError("access log: buffer must be at least 0 bytes, flush at least 1 s")
        _worker_connections(self.max_open_files)
        for what, path in (
            ("document_root", self.document_root),
            ("run_directory", self.run_directory),
            ("access_log", self.access_log),
            ("certificate", self.tls.certificate if self.tls else None),
            ("key", self.tls.key if self.tls else None),
        ):
            if path is not None and not path.is_absolute():
                raise ValueError(f"{what} must be an absolute path, not {str(path)!r}")

    @property
    def pid_file(self) -> Path:
        """Where nginx writes its process id."""
        return self.run_directory / "nginx.pid"

    def as_json(self) -> str:
        """As text, which `site_of_json` reads."""
        return json.dumps(asdict(self), default=str, indent=2)


def site_of_json(text: str) -> Site:
    """The site that `as_json` wrote. Raises ValueError for anything else."""
    try:
        values: dict[str, Any] = json.loads(text)
        for name in ("document_root", "run_directory", "access_log"):
            values[name] = None if values[name] is None else Path(values[name])
        if values["tls"] is not None:
            values["tls"] = Tls(**{name: Path(path) for name, path in values["tls"].items()})
        values["status_lines"] = tuple(values["status_lines"])
        return Site(**values)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"this is no site: {error}") from None


def nginx_configuration(
    site: Site,
    *,
    paths: FaultPaths | None = None,
    faults: Sequence[ActiveFault] = (),
    generation: int = 0,
) -> str:
    """The whole configuration file of an nginx that serves `site`.

    With `paths`, nginx tells its `generation` on a socket of its own (GENERATION_PATH), so that
    whoever gave it a new configuration sees when it is in force. `faults` are in force, in the
    order of their numbers: of several that meet a request, the first has it; they need `paths`.

    Raises ValueError for paths with control characters or `$` (nginx takes it for a variable and
    has no escape).
    """
    if faults and paths is None:
        raise ValueError("faults need their paths")
    address = _address(site.listen_address)
    met = [active for active in faults if active.fault.kind != "outage"]
    segments = [
        extension
        for extensions in _MEDIA_TYPES.values()
        for extension in extensions
        if extension != _PLAYLIST_EXTENSION
    ]
    return _template().render(
        site=site,
        listen=f"[{address}]:{site.port}" if address.version == 6 else f"{address}:{site.port}",
        worker_connections=_worker_connections(site.max_open_files),
        shutdown_seconds=_SHUTDOWN_SECONDS,
        temporary_directories=TEMPORARY_DIRECTORIES,
        methods=_METHODS,
        media_types=_MEDIA_TYPES,
        segment_extensions=segments,
        key_extension=_KEY_EXTENSION,
        segment_max_age_seconds=_SEGMENT_MAX_AGE_SECONDS,
        multivariant_max_age_seconds=_MULTIVARIANT_MAX_AGE_SECONDS,
        # Half a segment: a cache may hold a playlist back by that much; 0 would be "do not cache".
        playlist_max_age_seconds=max(1, site.segment_seconds // 2),
        log_format=_log_format(),
        status_page=_status_page(site.title, site.status_lines),
        status_clients=_same_machine(address),
        health_path=HEALTH_PATH,
        nginx_status_path=NGINX_STATUS_PATH,
        paths=paths,
        faults=met,
        outage=len(met) < len(faults),
        patterns={
            active.number: uri_pattern(
                active.fault, segments=segments, playlist=_PLAYLIST_EXTENSION, key=_KEY_EXTENSION
            )
            for active in met
        },
        first_that_matches=first_that_matches(met),
        passed_on=PASSED_ON,
        served=SERVED,
        generation=generation,
        generation_path=GENERATION_PATH,
    )


def nginx_command(
    nginx: Path, configuration: Path, run_directory: Path, *, check_only: bool = False
) -> list[str]:
    """The arguments that run nginx in the foreground, or only check the configuration.

    The check makes the temporary directories and opens the logs, but accepts a port that is taken.
    `-e stderr` and `-p` keep nginx off the log file and prefix that were compiled in (nginx(8)).
    Raises ValueError for relative paths.
    """
    for path in (nginx, configuration, run_directory):
        if not path.is_absolute():
            raise ValueError(f"must be an absolute path: {str(path)!r}")
    command = [str(nginx), "-e", "stderr", "-p", f"{run_directory}/", "-c", str(configuration)]
    return [*command, "-t", "-q"] if check_only else command


def media_type(path: str) -> str:
    """The type that the origin gives a file of this name."""
    extension = path.rpartition(".")[2]
    for found, extensions in _MEDIA_TYPES.items():
        if extension in extensions:
            return found
    return _UNKNOWN_TYPE


@cache
def _template() -> Template:
    environment = Environment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # not HTML; `quoted` is this language's escape
    )
    environment.filters["quoted"] = _quoted
    text = resources.files(__package__).joinpath("nginx.conf.j2").read_text(encoding="utf-8")
    return environment.from_string(text)


def _quoted(value: str | Path) -> str:
    """One argument of a directive, as a double-quoted string; raises ValueError.

    nginx knows `\\"`, `\\\\`, `\\n` in it (ngx_conf_read_token) and expands `$name`.
    """
    text = str(value)
    if "$" in text:
        raise ValueError(f"nginx takes '$' for a variable: {text!r}")
    if re.search(r"[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]", text) or (
        "\n" in text and isinstance(value, Path)
    ):
        raise ValueError(f"cannot stand in an nginx configuration: {text!r}")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        raise ValueError(f"nginx cannot listen on an address with a zone: {text!r}")
    return address


def _same_machine(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[str]:
    """Source addresses of this machine: the loopback, and the address that nginx listens on.

    Who connects to an address of its own machine comes from that same address.
    """
    loopback = ["127.0.0.0/8", "::1"]
    if address.is_loopback or address.is_unspecified:
        return loopback
    return [*loopback, str(address)]


def _worker_connections(max_open_files: int) -> int:
    connections = (max_open_files - _DESCRIPTORS_RESERVED) // _DESCRIPTORS_PER_CONNECTION
    if connections < _CONNECTIONS_MIN:
        least = _DESCRIPTORS_RESERVED + _CONNECTIONS_MIN * _DESCRIPTORS_PER_CONNECTION
        raise ValueError(f"nginx needs at least {least} open files, not {max_open_files}")
    return min(connections, _CONNECTIONS_MAX)


def _log_format() -> list[str]:
    """The log line in pieces, each a single-quoted string: nginx joins them."""
    last = len(_LOG_FIELDS) - 1
    return [
        f"'{'' if index else '{'}\"{name}\":{value}{'}' if index == last else ','}'"
        for index, (name, value) in enumerate(_LOG_FIELDS)
    ]


def _status_page(title: str, status_lines: Sequence[str]) -> str:
    lines = [
        f"hlsswarm test origin: {title}",
        "",
        *status_lines,
        f"{HEALTH_PATH}  ok, while nginx serves",
        f"{NGINX_STATUS_PATH}  connection counts, only from this machine",
        "",
    ]
    return "\n".join(lines)
