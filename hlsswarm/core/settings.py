"""The settings of a run, in one table."""

from __future__ import annotations

from pathlib import Path

from hlsswarm.core.faults import parse_planned as parse_fault
from hlsswarm.core.headers import parse_header
from hlsswarm.core.hosts import parse_hosts
from hlsswarm.core.kinds import STRING, described
from hlsswarm.core.limit_settings import CLIENT_KINDS, SWARM_KINDS, limit_setting
from hlsswarm.core.network_namespaces import parse_namespace
from hlsswarm.core.plan import ALL_CLIENTS_MAX, Address, check_url, parse_address
from hlsswarm.core.resolve import parse_address as parse_ip
from hlsswarm.core.sandbox import LEVELS
from hlsswarm.core.segment import parse_segment
from hlsswarm.core.selection import VARIANT_WISHES, parse_wish
from hlsswarm.core.setting import (
    DURATION,
    Setting,
    duration,
    few,
    integer,
    moment,
    one_of,
    switch,
)
from hlsswarm.core.thresholds import parse as parse_threshold


def _metrics(text: str) -> Address | None:
    return None if text in {"off", "none", ""} else parse_address(text)


http_url = described(
    check_url,
    "url",
    types=(STRING,),
    pattern="[Hh][Tt][Tt][Pp][Ss]?://[^ ]+",
    example="http://127.0.0.1:8080/stream.m3u8",
    may_hide_secret=True,
)
"""Reads a URL that clients or we can be sent to."""

RUN_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "clients",
        "swarm",
        "clients to run at the same time",
        described(integer, minimum=1, maximum=ALL_CLIENTS_MAX),
        10,
        "N",
        "a number",
        live=True,
    ),
    Setting(
        "ramp-rate",
        "swarm",
        "clients to start per second; 0: all at once",
        described(float, minimum=0),
        5.0,
        "RATE",
        "a number per second",
        live=True,
    ),
    Setting(
        "ramp-jitter",
        "swarm",
        "spread of each start, within the time between two; it does not lower the rate",
        duration,
        0.2,
        "TIME",
        DURATION,
    ),
    Setting(
        "duration",
        "swarm",
        "length of the run from the first start; 0: until stopped",
        duration,
        0.0,
        "TIME",
        DURATION,
    ),
    Setting(
        "seed",
        "swarm",
        "seed of all jitter: the same seed, the same schedule",
        integer,
        1,
        "N",
        "a whole number",
    ),
    Setting(
        "segment",
        "swarm",
        "this machine's share of a plan that N machines run, such as 2/5; `report` merges them",
        parse_segment,
        None,
        "K/N",
        "K/N with K from 1 to N, such as 2/5",
    ),
    Setting(
        "start-at",
        "swarm",
        "when the first client of all segments starts, so that machines begin together",
        moment,
        None,
        "TIME",
        "a time with its zone, such as 2026-11-21T18:00:00Z, or seconds since 1970",
    ),
    Setting("run-id", "swarm", "name of the run (default: a new one)", str, None, "NAME"),
    Setting("user-agent", "clients", "User-Agent; /client-N is added", str, "hlsswarm/1.0", "TEXT"),
    Setting("timeout", "clients", "network timeout of a client", duration, 15.0, "TIME", DURATION),
    Setting(
        "backoff-min",
        "clients",
        "first wait after a failure",
        duration,
        0.5,
        "TIME",
        DURATION,
    ),
    Setting(
        "backoff-max",
        "clients",
        "longest wait after failures",
        duration,
        30.0,
        "TIME",
        DURATION,
    ),
    Setting(
        "ffmpeg",
        "clients",
        "ffmpeg program (default auto: for clients the minimal one where it was built)",
        str,
        "auto",
        "PATH",
    ),
    Setting(
        "manager",
        "systemd",
        "which systemd: auto, system, user or embedded; for status and stop also ssh:HOST",
        str,
        "auto",
        "KIND",
    ),
    *(limit_setting(kind, "the whole swarm") for kind in SWARM_KINDS),
    *(limit_setting(kind, "one client", prefix="client-") for kind in CLIENT_KINDS),
    Setting(
        "metrics",
        "output",
        "Prometheus address, or `off`",
        _metrics,
        Address("127.0.0.1", 9090),
        "HOST:PORT",
        "HOST:PORT, or off",
    ),
    Setting(
        "per-client-metrics",
        "output",
        "series for each client too: their number grows with the swarm",
        bool,
        False,
        flag=True,
    ),
    Setting(
        "summary-interval",
        "output",
        "time between two lines of progress",
        duration,
        5.0,
        "TIME",
        DURATION,
    ),
    Setting(
        "variant",
        "stream",
        "which Variant Stream is played: all, highest, lowest or first",
        described(parse_wish, "word", types=(STRING,), choices=VARIANT_WISHES),
        "all",
        "WHICH",
    ),
    Setting(
        "probe-failure",
        "stream",
        "when the variant cannot be chosen: fallback (play everything) or fail",
        one_of("fallback", "fail"),
        "fallback",
        "WHAT",
        "fallback or fail",
    ),
    Setting(
        "wait-for-stream",
        "stream",
        "how long to ask again for a stream that is not there yet; 0: look once",
        duration,
        0.0,
        "TIME",
        DURATION,
    ),
    Setting(
        "resolve",
        "stream",
        "address that the URL's host name stands for, for the clients alone",
        described(parse_ip, "IP address", types=(STRING,), example="192.0.2.7"),
        None,
        "IP",
    ),
    Setting(
        "allow-host",
        "stream",
        "host, *.host, address or network that playlists may lead to, besides the URL's own host"
        " (may be repeated)",
        described(parse_hosts, "host", types=(STRING,), example="*.cdn.example"),
        (),
        "HOST",
        repeat=True,
    ),
    Setting(
        "ip-filter",
        "systemd",
        "whether systemd keeps clients from all addresses but those of the named hosts: on or off",
        switch,
        True,
        "on|off",
        "on or off",
    ),
    Setting(
        "network-namespace",
        "systemd",
        "network namespace that clients are put into, in turn with the others (may be repeated)",
        parse_namespace,
        (),
        "NAME",
        "the name or the path of a network namespace",
        repeat=True,
    ),
    Setting(
        "sandbox",
        "systemd",
        "how a client is walled in: strict, basic (cheaper starts, sees the file system) or off",
        one_of(*LEVELS),
        "strict",
        "LEVEL",
        "strict, basic or off",
    ),
    Setting(
        "dangerous",
        "stream",
        "allow --resolve to give up the check of certificates where there is no other way",
        bool,
        False,
        flag=True,
    ),
    Setting(
        "tls-verify",
        "stream",
        "check certificates, as the clients' ffmpeg can",
        bool,
        False,
        flag=True,
    ),
    Setting(
        "ca-file",
        "stream",
        "PEM file of an authority to accept with --tls-verify, besides the machine's",
        Path,
        None,
        "FILE",
    ),
    Setting(
        "header",
        "clients",
        "header of every request, 'Name: value' (may be repeated)",
        described(
            parse_header, "header", types=(STRING,), may_hide_secret=True, example="X-Name: value"
        ),
        (),
        "HEADER",
        repeat=True,
    ),
    Setting(
        "header-file",
        "clients",
        "file with a secret header; it appears in no command line, log or report",
        Path,
        None,
        "FILE",
    ),
    Setting(
        "headers-in-command-line",
        "clients",
        "allow secret headers where everybody on this machine can read them",
        bool,
        False,
        flag=True,
    ),
    Setting("no-cache", "clients", "ask caches to pass requests on", bool, False, flag=True),
    Setting(
        "pace",
        "clients",
        "max: fetch as fast as can be; realtime: as fast as it is played",
        one_of("max", "realtime"),
        "max",
        "HOW",
        "max or realtime",
    ),
    Setting(
        "reconnect",
        "clients",
        "whether ffmpeg itself tries again when a connection breaks: on or off",
        switch,
        True,
        "on|off",
        "on or off",
    ),
    Setting(
        "reconnect-delay",
        "clients",
        "longest wait between such tries, in seconds",
        few,
        5,
        "N",
        "a whole number",
    ),
    Setting(
        "seg-retry",
        "clients",
        "tries for a Media Segment, where ffmpeg has that",
        few,
        3,
        "N",
        "a whole number",
    ),
    Setting(
        "measure",
        "clients",
        "exact: one request a connection, every download timed; light: kept-alive connections",
        one_of("exact", "light"),
        "exact",
        "HOW",
        "exact or light",
    ),
    Setting(
        "threshold",
        "verdict",
        "what has to hold, such as 'segment_seconds: p(95)<0.5' (may be repeated)",
        described(
            parse_threshold, "threshold", types=(STRING,), example="segment_seconds: p(95)<0.5"
        ),
        (),
        "CONDITION",
        repeat=True,
        live=True,
    ),
    Setting(
        "nginx-metrics",
        "origin",
        "the origin's nginx status page (stub_status)",
        http_url,
        None,
        "URL",
    ),
    Setting("origin-metrics", "origin", "a node exporter on the origin", http_url, None, "URL"),
    Setting(
        "fault",
        "origin",
        "what the local test origin is to do wrong, such as 'at=10s for=5s status=503 share=50%%' "
        "(may be repeated; `fault --help`)",
        described(
            parse_fault, "fault", types=(STRING,), example="at=10s for=5s status=503 share=50%"
        ),
        (),
        "WORDS",
        repeat=True,
    ),
    Setting("json", "output", "write the summary as JSON to this file", Path, None, "FILE"),
    Setting("out", "output", "keep the results in this directory", Path, None, "DIR"),
)
"""Every setting of a run that takes a value."""
