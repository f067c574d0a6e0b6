"""Make the golden captures: real ffmpeg clients against a private nginx, with nginx's own count.

Every capture is one client's standard error (`NAME.log`) and, beside it, the truth of exactly that
client out of the access log (`NAME.json`). Everything runs on one loopback port in a temporary
directory, and only processes started here are ended, by pid. Run by hand when a new ffmpeg
version matters; the tests only read the files.

    python tests/telemetry/make_captures.py 5.1=/usr/bin/ffmpeg 9.0=/opt/ffmpeg-9/bin/ffmpeg
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NGINX_CONF = """
daemon off;
pid {root}/nginx.pid;
error_log {root}/error.log;
worker_processes 1;
{user}
events {{ worker_connections 256; }}
http {{
  log_format truth escape=json '{{"agent":"$http_user_agent","uri":"$uri","status":$status,'
    '"bytes":$body_bytes_sent,"complete":"$request_completion"}}';
  access_log {root}/access.log truth;
  client_body_temp_path {root}/t1; proxy_temp_path {root}/t2; fastcgi_temp_path {root}/t3;
  uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;
  types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; video/mp4 mp4 m4s; }}
  keepalive_timeout {keepalive_seconds}s;
  server {{
    listen 127.0.0.1:{port};
    root {root}/www;
    location ~ ^/faults/seg_\\d*4\\.ts$ {{ return 404; }}
    location ~ ^/faults/(seg_\\d*7\\.ts)$ {{ return 302 /ts/$1; }}
    location ~ ^/impatient/ {{ rewrite ^/impatient/(.*)$ /ts/$1 break; keepalive_timeout 0; }}
    location /faults/ {{ alias {root}/www/ts/; }}
    location /slow/ {{ limit_rate 30k; alias {root}/www/ts/; }}
    location = /moved/stream.m3u8 {{ return 302 /ts/stream.m3u8; }}
    location = /broken/stream.m3u8 {{ return 200 "<html>no playlist</html>"; }}
  }}
}}
"""


@dataclass(frozen=True)
class Scenario:
    """One client run: what it plays, how it is measured and for how long."""

    name: str
    path: str
    measure: str = "exact"
    level: str = "verbose"
    seconds: float = 7.0
    mapping: str = "0"


SCENARIOS = (
    Scenario("live-exact", "ts/stream.m3u8"),
    Scenario("live-light", "ts/stream.m3u8", measure="light"),
    Scenario("debug-exact", "ts/stream.m3u8", level="debug", seconds=4.0),
    Scenario("debug-light", "ts/stream.m3u8", measure="light", level="debug", seconds=4.0),
    Scenario("fmp4-exact", "fmp4/stream.m3u8"),
    Scenario("fmp4-light", "fmp4/stream.m3u8", measure="light"),
    Scenario("aes-exact", "aes/stream.m3u8"),
    Scenario("aes-light", "aes/stream.m3u8", measure="light"),
    Scenario("multi-exact", "multi/main.m3u8", seconds=5.0),
    Scenario("multi-light", "multi/main.m3u8", measure="light", seconds=5.0),
    Scenario("one-of-two-exact", "multi/main.m3u8", seconds=6.0, mapping="0:p:1"),
    Scenario("slow-exact", "slow/stream.m3u8", seconds=6.0),
    Scenario("faults-exact", "faults/stream.m3u8", seconds=12.0),
    Scenario("faults-light", "faults/stream.m3u8", measure="light", seconds=12.0),
    Scenario("moved-exact", "moved/stream.m3u8", seconds=5.0),
    Scenario("impatient-light", "impatient/stream.m3u8", measure="light"),
    Scenario("vod-exact", "vod/stream.m3u8", seconds=20.0),
    Scenario("vod-light", "vod/stream.m3u8", measure="light", seconds=20.0),
    Scenario("missing-exact", "nowhere/stream.m3u8", seconds=10.0),
    Scenario("broken-exact", "broken/stream.m3u8", seconds=10.0),
)


def kind_of(uri: str) -> str:
    """The request kind by the names that this script itself gives to its files."""
    name = uri.rsplit("/", 1)[-1]
    if name.endswith(".m3u8"):
        return "playlist"
    if name.startswith("init"):
        return "init"
    return "key" if name.endswith(".key") else "segment"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL)


def start(command: list[str], errors: Path) -> subprocess.Popen[bytes]:
    with errors.open("wb") as sink:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=sink
        )


def wait_for(path: Path, process: subprocess.Popen[bytes], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{path} did not appear")
        time.sleep(0.1)


def start_encoder(ffmpeg: str, root: Path, port: int) -> subprocess.Popen[bytes]:
    """Encode a short source once, then loop it at its own pace into every live stream."""
    www = root / "www"
    for name in ("ts", "fmp4", "aes", "multi", "vod"):
        (www / name).mkdir(parents=True)
    source = root / "source.mp4"
    quiet = [ffmpeg, "-hide_banner", "-nostdin", "-loglevel", "warning", "-y"]
    lavfi = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=10", "-f", "lavfi", "-i", "sine=440"]
    codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-c:a", "aac", "-b:a", "32k"]
    run(*quiet, *lavfi, "-t", "30", *codecs, source)
    hls = ["-f", "hls", "-hls_time", "1"]
    vod = ["-hls_playlist_type", "vod", "-hls_segment_filename", str(www / "vod/seg_%05d.ts")]
    run(*quiet, "-i", source, "-t", "6", "-c", "copy", *hls, *vod, www / "vod/stream.m3u8")

    (root / "content.key").write_bytes(bytes(range(16)))
    shutil.copy(root / "content.key", www / "aes/content.key")
    key_info = root / "key_info"
    key_info.write_text(f"http://127.0.0.1:{port}/aes/content.key\n{root}/content.key\n")

    live = [*hls, "-hls_list_size", "6", "-hls_flags", "delete_segments+omit_endlist+temp_file"]
    command = [*quiet, "-re", "-stream_loop", "-1", "-i", str(source)]

    def output(*options: str) -> None:
        command.extend(["-c", "copy", *live, *options])

    def named(where: str) -> tuple[str, str]:
        return "-hls_segment_filename", str(www / where)

    output(*named("ts/seg_%05d.ts"), str(www / "ts/stream.m3u8"))
    output("-hls_segment_type", "fmp4", *named("fmp4/seg_%05d.m4s"), str(www / "fmp4/stream.m3u8"))
    output(
        "-hls_key_info_file", str(key_info), *named("aes/seg_%05d.ts"), str(www / "aes/stream.m3u8")
    )
    two = ["-map", "0:v", "-map", "0:a", "-map", "0:v", "-map", "0:a"]
    command.extend(two)
    output(
        *("-var_stream_map", "v:0,a:0 v:1,a:1", "-master_pl_name", "main.m3u8"),
        *("-b:v", "300k", *named("multi/seg_%v_%05d.ts"), str(www / "multi/media_%v.m3u8")),
    )
    return start(command, root / "encoder.log")


def client_command(ffmpeg: str, scenario: Scenario, agent: str, port: int) -> list[str]:
    persistent = ["-http_persistent", "0"] if scenario.measure == "exact" else []
    return [
        *(ffmpeg, "-hide_banner", "-nostdin", "-nostats"),
        *("-loglevel", f"repeat+level+{scenario.level}", *persistent),
        *("-reconnect", "1", "-reconnect_streamed", "1", "-reconnect_on_network_error", "1"),
        *("-reconnect_delay_max", "5", "-rw_timeout", "15000000", "-user_agent", agent),
        *("-i", f"http://127.0.0.1:{port}/{scenario.path}"),
        *("-map", scenario.mapping, "-c", "copy", "-f", "null", "-"),
    ]


def end(process: subprocess.Popen[bytes], number: int) -> int:
    """End one own process by a signal (0: only wait for it); its exit status."""
    if number and process.poll() is None:
        process.send_signal(number)
    try:
        return process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def play(
    ffmpeg: str, agent: str, scenarios: list[Scenario], root: Path, port: int
) -> dict[str, int]:
    """Run the clients of one version side by side; their exit statuses by scenario."""
    begun = time.monotonic()
    clients = {
        s: start(client_command(ffmpeg, s, f"{agent}-{s.name}", port), root / f"{agent}-{s.name}")
        for s in scenarios
    }
    for scenario, client in sorted(clients.items(), key=lambda item: item[0].seconds):
        time.sleep(max(0.0, begun + scenario.seconds - time.monotonic()))
        if client.poll() is None:
            client.send_signal(signal.SIGTERM)
    return {scenario.name: end(client, 0) for scenario, client in clients.items()}


def truth_of(agent: str, log: Path) -> list[list[Any]]:
    """What nginx logged of one client: kind, status, body bytes, whether all of it was sent."""
    rows = []
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        if entry["agent"] == agent:
            complete = entry["complete"] == "OK"
            rows.append([kind_of(entry["uri"]), entry["status"], entry["bytes"], complete])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clients", nargs="+", metavar="VERSION=FFMPEG")
    parser.add_argument("--encoder", default=shutil.which("ffmpeg"), help="ffmpeg with libx264")
    parser.add_argument("--nginx", default=shutil.which("nginx") or "/usr/sbin/nginx")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "captures")
    parser.add_argument("--only", default="", help="scenario names, separated by commas")
    arguments = parser.parse_args()
    wanted = [s for s in SCENARIOS if not arguments.only or s.name in arguments.only.split(",")]
    arguments.out.mkdir(exist_ok=True)
    port = free_port()
    running: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="hlsswarm-captures-") as name:
        root = Path(name)
        user = "user root;" if os.geteuid() == 0 else ""
        conf = NGINX_CONF.format(root=root, port=port, user=user, keepalive_seconds=30)
        (root / "nginx.conf").write_text(conf)
        try:
            running.append(start_encoder(arguments.encoder, root, port))
            nginx = [arguments.nginx, "-c", str(root / "nginx.conf"), "-p", str(root)]
            running.append(start(nginx, root / "nginx.log"))
            for stream in ("ts/stream.m3u8", "fmp4/stream.m3u8", "multi/main.m3u8"):
                wait_for(root / "www" / stream, running[0])
            time.sleep(5)
            for client in arguments.clients:
                version, _, ffmpeg = client.partition("=")
                statuses = play(ffmpeg, version, wanted, root, port)
                time.sleep(0.5)
                for s in wanted:
                    agent = f"{version}-{s.name}"
                    text = (root / agent).read_bytes()
                    (arguments.out / f"{agent}.log").write_bytes(text)
                    truth = {
                        "version": version,
                        "measure": s.measure,
                        "level": s.level,
                        "exit_status": statuses[s.name],
                        "requests": truth_of(agent, root / "access.log"),
                    }
                    lines = json.dumps(truth).replace("[[", "[\n[").replace("], [", "],\n[")
                    (arguments.out / f"{agent}.json").write_text(lines + "\n")
                    print(f"{agent}: {len(text)} bytes, exit status {statuses[s.name]}")
        finally:
            for process in reversed(running):
                end(process, signal.SIGTERM)


if __name__ == "__main__":
    main()
