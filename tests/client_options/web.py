"""A web server with small streams, for what a client's options do to its requests.

nginx's access log is the truth. Nothing here is of the product: the streams are made by ffmpeg, the
playlists are written out, and the certificate comes from openssl.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hlsswarm.core.commands import FFmpegVersion, parse_ffmpeg_version
from hlsswarm.programs import find_program
from tests.support import wait_for

PROGRAMS = [name for name in os.environ.get("HLSSWARM_TEST_FFMPEGS", "").split(":") if name] or [
    shutil.which("ffmpeg") or "ffmpeg"
]
"""ffmpegs that everything is tried with."""
HTTP_PORT, TLS_PORT = 18410, 18411
TLS_ADDRESS = "127.0.0.9"
NAME = "stream.example.test"
"""A name that no DNS knows (RFC 6761, 6.2)."""
SEGMENTS = 12
"""Media Segments of 2 s in each stream."""

_NGINX = """\
daemon off; master_process off; pid {root}/nginx.pid; error_log {root}/error.log warn;
events {{ worker_connections 256; }}
http {{
  log_format json escape=json '{{"at":$msec,"uri":"$uri","status":$status,'
    '"agent":"$http_user_agent",'
    '"host":"$http_host","sni":"$ssl_server_name","cache_control":"$http_cache_control",'
    '"pragma":"$http_pragma","token":"$http_x_token","other":"$http_x_other",'
    '"bytes":$body_bytes_sent}}';
  access_log {root}/access.json json;
  types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}
  client_body_temp_path {root}/tmp; proxy_temp_path {root}/tmp; fastcgi_temp_path {root}/tmp;
  uwsgi_temp_path {root}/tmp; scgi_temp_path {root}/tmp;
  server {{ listen 127.0.0.1:{http} default_server; root {root}/www; }}
  server {{ listen {tls_address}:{tls} ssl; server_name {name}; root {root}/www;
    ssl_certificate {root}/server.pem; ssl_certificate_key {root}/server.key; }}
}}
"""
_VARIANTS = """\
#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",LANGUAGE="en",AUTOSELECT=YES,URI="a1/i.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="Deutsch",LANGUAGE="de",DEFAULT=YES,URI="a2/i.m3u8"
"""


@dataclass(frozen=True)
class Request:
    """One line of the access log."""

    fields: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        """A field of nginx's."""
        return self.fields[name]

    @property
    def kind(self) -> str:
        """`v1/ts`, `v1/m3u8`, `master.m3u8`."""
        folder, _, name = str(self.uri).lstrip("/").rpartition("/")
        return f"{folder}/{name.rpartition('.')[2]}" if folder else name


@dataclass(frozen=True)
class Web:
    """The server, and where it keeps its files."""

    root: Path

    def url(self, path: str) -> str:
        """Of a file, by http."""
        return f"http://127.0.0.1:{HTTP_PORT}/{path}"

    def tls_url(self, path: str) -> str:
        """Of a file, by https and the made-up name."""
        return f"https://{NAME}:{TLS_PORT}/{path}"

    @property
    def authority(self) -> Path:
        """The certificate that the server's is signed with."""
        return self.root / "ca.pem"

    def requests(self, agent: str = "") -> list[Request]:
        """All requests of a user agent that begins so."""
        lines = (self.root / "access.json").read_text().splitlines()
        found = [Request(json.loads(line)) for line in lines if line.endswith("}")]
        return [request for request in found if request.agent.startswith(agent)]

    def counts(self, agent: str) -> dict[str, int]:
        """How often a user agent asked for what."""
        return dict(Counter(request.kind for request in self.requests(agent)))


def version_of(program: str) -> FFmpegVersion:
    """The version of an ffmpeg."""
    answer = subprocess.run([program, "-version"], capture_output=True, text=True, check=True)
    found = parse_ffmpeg_version(answer.stdout)
    assert found is not None
    return found


def run(
    command: Sequence[str], *, timeout_seconds: float = 20.0
) -> subprocess.CompletedProcess[str]:
    """Run a client to its end."""
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout_seconds,
        check=False,
    )


@contextlib.contextmanager
def web() -> Iterator[Web]:
    """The server, with its streams; everything is removed afterwards."""
    root = Path(tempfile.mkdtemp(prefix="hlst-web-", dir="/tmp"))
    root.chmod(0o755)
    try:
        (root / "tmp").mkdir()
        _make_streams(root / "www")
        _make_certificate(root)
        (root / "nginx.conf").write_text(
            _NGINX.format(
                root=root, http=HTTP_PORT, tls=TLS_PORT, tls_address=TLS_ADDRESS, name=NAME
            )
        )
        with _nginx(root):
            yield Web(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


@contextlib.contextmanager
def _nginx(root: Path) -> Iterator[None]:
    program = find_program("nginx", package="nginx-light")
    with (root / "said").open("wb") as said:
        process = subprocess.Popen(
            [str(program), "-e", str(root / "error.log"), "-c", str(root / "nginx.conf")],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    try:
        wait_for("nginx", lambda: (root / "nginx.pid").exists() or process.poll() is not None)
        assert process.poll() is None, (root / "said").read_text()
        yield
    finally:
        process.terminate()
        process.wait()


def _ffmpeg(*words: str) -> None:
    subprocess.run(
        [PROGRAMS[0], "-hide_banner", "-nostdin", "-loglevel", "error", *words],
        stdin=subprocess.DEVNULL,
        check=True,
    )


def _hls(folder: Path, *extra: str) -> list[str]:
    folder.mkdir(parents=True)
    options = ["-c", "copy", "-f", "hls", "-hls_time", "2", "-hls_playlist_type", "vod", *extra]
    return [*options, "-hls_segment_filename", f"{folder}/%d.ts", f"{folder}/i.m3u8"]


def _make_streams(www: Path) -> None:
    """m1 to m3 with both, v1 to v3 video alone, a1 and a2 audio alone, enc encrypted."""
    www.mkdir()
    source = str(www / "source.ts")
    _ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=10:duration=24"),
        *("-f", "lavfi", "-i", "sine=sample_rate=22050:duration=24"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-b:v", "60k"),
        *("-c:a", "aac", "-b:a", "32k", "-f", "mpegts", source),
    )
    for number in (1, 2, 3):
        _ffmpeg("-i", source, *_hls(www / f"m{number}"))
        _ffmpeg("-i", source, "-map", "0:v", *_hls(www / f"v{number}"))
    for number in (1, 2):
        _ffmpeg("-i", source, "-map", "0:a", *_hls(www / f"a{number}"))
    (www / "key.bin").write_bytes(bytes(range(16)))
    key_info = www / "key.info"
    key_info.write_text(f"../key.bin\n{www / 'key.bin'}\n")
    _ffmpeg("-i", source, *_hls(www / "enc", "-hls_key_info_file", str(key_info)))
    for absolute in ("http://named.example.test/", f"https://{NAME}:{TLS_PORT}/"):
        text = (www / "enc/i.m3u8").read_text().replace("../", absolute)
        lines = [line if line.startswith("#") else f"{absolute}enc/{line}" for line in text.split()]
        name = "named" if "named" in absolute else "tls"
        (www / f"enc/{name}.m3u8").write_text("\n".join(lines) + "\n")
    rows = ((1, 100_000, "160x90"), (3, 300_000, "320x180"), (2, 200_000, "240x136"))
    for name, folder, audio in (("master", "m", ""), ("groups", "v", ',AUDIO="a"')):
        text = _VARIANTS if audio else "#EXTM3U\n"
        for number, bandwidth, size in rows:
            text += f"#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},RESOLUTION={size}{audio}\n"
            text += f"{folder}{number}/i.m3u8\n"
        (www / f"{name}.m3u8").write_text(text)
    (www / "named.m3u8").write_text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nenc/named.m3u8\n")


def _make_certificate(root: Path) -> None:
    """An authority of one day, and the server's certificate for NAME."""
    openssl = str(find_program("openssl", package="openssl"))
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names")
    commands = (
        (
            "req",
            "-x509",
            *new,
            "-days",
            "2",
            "-subj",
            "/CN=hlsswarm tests",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-addext",
            "keyUsage=critical,keyCertSign",
        ),
        ("req", *new, "-subj", f"/CN={NAME}", "-keyout", "server.key", "-out", "server.csr"),
        ("x509", "-req", "-in", "server.csr", *signed, "-days", "2", "-out", "server.pem"),
    )
    (root / "names").write_text(f"subjectAltName=DNS:{NAME}\nbasicConstraints=CA:FALSE\n")
    for command in commands:
        subprocess.run([openssl, *command], cwd=root, check=True, capture_output=True)
