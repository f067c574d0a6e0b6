"""An origin that misbehaves as told: a live encoder and an nginx with a log of every request.

    encoder ─► segments ◄─ nginx ─┬─ normal     as fast as it goes
                                  ├─ throttled  a segment takes about a second (limit_rate)
                                  ├─ failing    404 for each fifth segment, 503 for some playlists
                                  └─ outage     as normal, until somebody stops nginx

Knows processes, nginx's configuration and the kernel's table of sockets. Nothing of hlsswarm is in
here: what it logs is the second source.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

SCENARIOS: Final = ("normal", "throttled", "failing", "outage")
SEGMENT_SECONDS: Final = 2
OUTAGE_SECONDS: Final = 15.0

# Of 2 s in MPEG-TS, 850 kbit/s of video make a segment of about 240 kB.
_VIDEO_KBPS: Final = 850
_READY_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.01

_ESTABLISHED, _CLOSE_WAIT = 0x01, 0x08  # include/net/tcp_states.h

_CONFIGURATION: Final = """\
daemon off;
master_process off;
pid "{root}/nginx.pid";
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    client_body_temp_path "{root}/t1"; proxy_temp_path "{root}/t2"; fastcgi_temp_path "{root}/t3";
    uwsgi_temp_path "{root}/t4"; scgi_temp_path "{root}/t5";
    types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}
    log_not_found off;
    sendfile on;
    # limit_rate waits after each chunk: small ones make it even.
    sendfile_max_chunk 16k;
    log_format truth escape=json '{{"msec":$msec,"request_time":$request_time,"status":"$status",'
        '"body_bytes":$body_bytes_sent,"complete":"$request_completion","uri":"$request_uri",'
        '"remote_port":$remote_port,"user_agent":"$http_user_agent"}}';
    # By the segment's number, so that the percentiles lie apart.
    map $uri $rate {{
        "~[0-4]\\.ts$" 240k;
        "~[5-8]\\.ts$" 320k;
        "~9\\.ts$"     150k;
        default        0;
    }}
    # Every tenth connection of a client; a preflight is no client.
    map "$connection $http_user_agent" $unavailable {{ "~^\\d*7 .*/client-" 1; default ""; }}
{servers}
}}
"""
_SERVER: Final = """\
    server {{
        # A small buffer: what nginx calls sent is then, but for a little, what has arrived.
        listen 127.0.0.1:{port} backlog=4096 sndbuf=16k;
        root "{root}/media";
        access_log "{root}/{name}.log" truth;
        {rules}
    }}
"""
_RULES: Final = {
    "normal": "",
    "throttled": "limit_rate $rate;",
    "failing": (
        'location ~ "[05]\\.ts$" { return 404; }\n'
        '        location ~ "\\.m3u8$" { if ($unavailable) { return 503; } }'
    ),
    "outage": "",
}


class OriginError(Exception):
    """The origin does not work; the message says why."""


def free_port() -> int:
    """A port that nobody had a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass
class Outage:
    """What the kernel's table of sockets told while nginx stood still; times are wall clock."""

    stopped_at: float = 0.0
    continued_at: float = 0.0
    connected_at: dict[int, float] = field(default_factory=dict)
    """When each connection was there first, by the client's port."""
    given_up: set[int] = field(default_factory=set)
    """Ports of clients that had closed their connection before nginx went on."""


@dataclass(frozen=True)
class Origin:
    """An origin that runs."""

    root: Path
    ports: dict[str, int]
    nginx: subprocess.Popen[bytes]

    def url(self, scenario: str) -> str:
        """The stream, misbehaving as in a scenario."""
        return f"http://127.0.0.1:{self.ports[scenario]}/stream.m3u8"

    def log(self, scenario: str) -> Path:
        """nginx's log of a scenario, one JSON object for each request."""
        return self.root / f"{scenario}.log"

    def stand_still(self, scenario: str, seconds: float = OUTAGE_SECONDS) -> Outage:
        """Stop nginx for so long: connections are taken by the kernel, nothing is answered."""
        outage, port = Outage(stopped_at=time.time()), self.ports[scenario]
        before = set(sockets(port))
        self.nginx.send_signal(signal.SIGSTOP)
        try:
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                for client, state in sockets(port).items():
                    if client not in before:
                        outage.connected_at.setdefault(client, time.time())
                    if state == _CLOSE_WAIT:
                        outage.given_up.add(client)
                time.sleep(_POLL_SECONDS)
        finally:
            outage.continued_at = time.time()
            self.nginx.send_signal(signal.SIGCONT)
        return outage


def sockets(port: int) -> dict[int, int]:
    """A server's connections from Linux' /proc/net/tcp: state by the client's port."""
    found = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, *_ = line.split()
        if int(local.rpartition(":")[2], 16) == port and int(state, 16) in {
            _ESTABLISHED,
            _CLOSE_WAIT,
        }:
            found[int(remote.rpartition(":")[2], 16)] = int(state, 16)
    return found


@contextlib.contextmanager
def origin(root: Path, ports: dict[str, int], *, ffmpeg: str = "ffmpeg") -> Iterator[Origin]:
    """An origin in an empty directory, with a port for each scenario; ended afterwards."""
    media, configuration = root / "media", root / "nginx.conf"
    media.mkdir()
    servers = "".join(
        _SERVER.format(port=port, root=root, name=name, rules=_RULES[name])
        for name, port in ports.items()
    )
    configuration.write_text(_CONFIGURATION.format(root=root, servers=servers))
    with contextlib.ExitStack() as stack:
        _process(stack, root / "encoder.err", _encoder(ffmpeg, media))
        nginx = _process(
            stack,
            root / "nginx.err",
            [_nginx(), "-e", "stderr", "-p", f"{root}/", "-c", str(configuration)],
        )
        made = Origin(root, ports, nginx)
        _wait_until_ready(made)
        yield made


def _nginx() -> str:
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin") or "nginx"


def _encoder(ffmpeg: str, media: Path) -> list[str]:
    frames = str(25 * SEGMENT_SECONDS)
    return [
        *(ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", "-re", "-f", "lavfi"),
        *("-i", "testsrc2=size=320x180:rate=25,format=yuv420p[out0];sine=frequency=440[out1]"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-threads", "1"),
        *("-b:v", f"{_VIDEO_KBPS}k", "-minrate", f"{_VIDEO_KBPS}k", "-maxrate", f"{_VIDEO_KBPS}k"),
        *("-bufsize", f"{_VIDEO_KBPS}k", "-x264-params", "nal-hrd=cbr", "-g", frames),
        *("-keyint_min", frames, "-sc_threshold", "0", "-c:a", "aac", "-b:a", "64k"),
        *("-f", "hls", "-hls_time", str(SEGMENT_SECONDS), "-hls_list_size", "6"),
        *("-hls_delete_threshold", "8", "-hls_flags", "delete_segments+omit_endlist+temp_file"),
        *("-hls_segment_filename", str(media / "segment-%d.ts"), str(media / "stream.m3u8")),
    ]


def _process(
    stack: contextlib.ExitStack, errors: Path, command: list[str]
) -> subprocess.Popen[bytes]:
    """A process that ends with the stack; what it says goes into a file."""
    with errors.open("wb") as file:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=file
        )
    stack.callback(process.wait)
    stack.callback(process.kill)  # nothing of it is worth a farewell, and it may be stopped
    return process


def _wait_until_ready(made: Origin) -> None:
    """Wait for three segments, which a client starts with."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        with (
            contextlib.suppress(OSError),
            opener.open(made.url(next(iter(made.ports))), timeout=2) as answer,
        ):
            if answer.read().count(b"#EXTINF") > 3:
                return
        if made.nginx.poll() is not None or time.monotonic() > deadline:
            said = [(made.root / f"{name}.err").read_text() for name in ("nginx", "encoder")]
            raise OriginError(f"The stream does not play: {' '.join(said).strip()[-300:]}")
        time.sleep(0.1)
