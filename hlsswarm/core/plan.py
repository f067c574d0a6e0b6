"""What one run is to do: the plan, checked, and nothing about how it goes.

Made from flags (and later TOML) by `cli`; read by `controller`. Pure.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from hlsswarm.core import names
from hlsswarm.core.backoff import Backoff
from hlsswarm.core.commands import ClientOptions
from hlsswarm.core.faults import Fault
from hlsswarm.core.hosts import NO_HOSTS, Hosts
from hlsswarm.core.ramp import Start, ramp_schedule
from hlsswarm.core.sandbox import Level
from hlsswarm.core.segment import WHOLE, Segment
from hlsswarm.core.selection import ProbeFailure, VariantWish
from hlsswarm.core.thresholds import Threshold
from hlsswarm.core.unit_specs import CLIENT_LIMITS, Limits
from hlsswarm.errors import UsageError

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NOT_UTF8 = re.compile("[\ud800-\udfff]")
"""What Python makes of bytes of a command line that are not UTF-8; D-Bus carries no such text."""
CLIENTS_MAX = 100_000
"""Of one machine."""
ALL_CLIENTS_MAX = 10_000_000
"""Of a plan that is cut into segments."""


@dataclass(frozen=True)
class Address:
    """Where a server of ours listens."""

    host: str
    port: int

    def __str__(self) -> str:
        """`host:port`, IPv6 in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """`HOST:PORT`, `:PORT` (all interfaces) or `[IPv6]:PORT`. Raises ValueError."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]\s]*)):(\d{1,5})", text)
    if match is None or not 0 <= int(match[3]) <= 65535:
        raise ValueError(f"{text!r} is not HOST:PORT")
    return Address(match[1] or match[2] or "0.0.0.0", int(match[3]))


def check_url(url: str) -> str:
    """The URL, if a client can be sent there. Raises UsageError."""
    hint = "A playlist's URL looks like http://127.0.0.1:8080/stream.m3u8"
    if _CONTROL.search(url):
        raise UsageError("The URL holds a control character.", hint=hint)
    if _NOT_UTF8.search(url):
        raise UsageError("The URL is not UTF-8.", hint="Write other bytes as %XX.")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{url!r} is not a URL: {error}.", hint=hint) from None
    if parts.scheme not in {"http", "https"} or not host:
        raise UsageError(f"{url!r} is not an http or https URL.", hint=hint)
    return url


@dataclass(frozen=True)
class Plan:
    """A run: which stream, how many clients, how fast they come, and for how long."""

    client: ClientOptions
    clients: int = 10
    """Of all segments together, as the ramp's rate is."""
    ramp_rate_per_second: float = 5.0
    ramp_jitter_seconds: float = 0.2
    duration_seconds: float = 0.0
    """Since the first start; 0 goes on until stopped."""
    seed: int = 1
    run_id: str | None = None
    manager: str = "auto"
    ffmpeg: str | None = None
    """A program's name or path; None looks for `ffmpeg` in PATH."""
    metrics: Address | None = field(default_factory=lambda: Address("127.0.0.1", 9090))
    summary_interval_seconds: float = 5.0
    json_file: Path | None = None
    out_directory: Path | None = None
    verbose: bool = False
    skip_preflight: bool = False
    variant: VariantWish = "all"
    probe_failure: ProbeFailure = "fallback"
    wait_for_stream_seconds: float = 0.0
    """How long to ask again for a stream that is not there yet; 0 looks once."""
    resolve_address: str | None = None
    """What the URL's host name stands for, for the clients."""
    dangerous: bool = False
    thresholds: tuple[Threshold, ...] = ()
    per_client_metrics: bool = False
    nginx_metrics_url: str | None = None
    """The origin's stub_status page."""
    origin_metrics_url: str | None = None
    """A node exporter on the origin."""
    allow_hosts: Hosts = NO_HOSTS
    """What the stream may lead to, besides its own host."""
    ip_filter: bool = True
    """Whether clients can reach the plan's hosts alone, where the manager can see to that."""
    sandbox: Level = "strict"
    """How much of core.sandbox's profile a client has."""
    faults: tuple[Fault, ...] = ()
    """What a test origin on this machine is to do wrong, and when."""
    swarm_limits: Limits = field(default_factory=Limits)
    client_limits: Limits = CLIENT_LIMITS
    backoff: Backoff = field(default_factory=Backoff)
    segment: Segment = WHOLE
    """This machine's share of the clients."""
    network_namespaces: tuple[str, ...] = ()
    """Paths of those that clients are spread over, in turn; none is the manager's own."""
    start_at: float | None = None
    """When the first client of all segments is to start, in seconds since 1970; None is now."""

    def __post_init__(self) -> None:
        """Raise UsageError for a plan that cannot be meant."""
        check_url(self.client.url)
        self._check_clients()
        if not math.isfinite(self.ramp_rate_per_second) or self.ramp_rate_per_second < 0:
            raise UsageError(
                f"--ramp-rate {self.ramp_rate_per_second:g} is not a rate.",
                hint="Give the clients to start per second, or 0 to start all at once.",
            )
        if self.run_id is not None and not names.is_run_id(self.run_id):
            raise UsageError(
                f"--run-id {self.run_id!r} cannot name a run.", hint=f"Use {names.RUN_ID_HELP}."
            )
        agent = self.client.user_agent
        if _CONTROL.search(agent) or _NOT_UTF8.search(agent):
            raise UsageError(
                "--user-agent holds characters that no HTTP header can have.",
                hint="Give, say, hlsswarm/1.0.",
            )
        if self.summary_interval_seconds <= 0:
            raise UsageError("--summary-interval must be above 0.", hint="Give, say, 5s.")
        if self.client.timeout_seconds <= 0:
            raise UsageError("--timeout must be above 0.", hint="Give, say, 15s.")
        if self.wait_for_stream_seconds and self.skip_preflight:
            raise UsageError(
                "--wait-for-stream looks at the stream, and --skip-preflight does not.",
                hint="Give one of the two.",
            )

    def _check_clients(self) -> None:
        most = CLIENTS_MAX if self.segment.is_whole else ALL_CLIENTS_MAX
        if not 1 <= self.clients <= most:
            raise UsageError(
                f"--clients {self.clients} makes no swarm.", hint=f"Give a number from 1 to {most}."
            )
        if self.own_clients > CLIENTS_MAX:
            raise UsageError(
                f"--segment {self.segment} of {self.clients} clients is {self.own_clients}, "
                "too many for one machine.",
                hint=f"Cut the plan into {math.ceil(self.clients / CLIENTS_MAX)} segments or more.",
            )
        if not self.own_clients:
            raise UsageError(
                f"--segment {self.segment} of {self.clients} clients is nobody.",
                hint=f"Cut the plan into {self.clients} segments at most.",
            )

    @property
    def client_numbers(self) -> range:
        """The clients that this machine has, by their numbers in the whole plan."""
        return self.segment.numbers(self.clients)

    @property
    def own_clients(self) -> int:
        """How many clients this machine has."""
        return len(self.client_numbers)

    def schedule(self, clients: int | None = None) -> tuple[Start, ...]:
        """When each own client is to start; of `clients` that are still to be started, if given."""
        return ramp_schedule(
            self.own_clients if clients is None else clients,
            rate_per_second=self.ramp_rate_per_second,
            jitter_seconds=self.ramp_jitter_seconds,
            seed=self.seed,
            segment=self.segment,
        )
