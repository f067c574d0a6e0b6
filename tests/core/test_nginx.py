"""The origin's nginx configuration: as text, and by what the real nginx answers.

`UPDATE_GOLDEN=1 pytest tests/core/test_nginx.py` renews golden/nginx-default.conf.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.faults import parse
from hlsswarm.core.nginx import (
    HEALTH_PATH,
    NGINX_STATUS_PATH,
    Site,
    Tls,
    nginx_command,
    nginx_configuration,
    site_of_json,
)
from hlsswarm.core.nginx_faults import ActiveFault, FaultPaths

GOLDEN = Path(__file__).parent / "golden" / "nginx-default.conf"
SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
NGINX = Path(shutil.which("nginx", path=SEARCH_PATH) or "/nginx-is-not-in-PATH")
NOBODY = 65534
# pytest's directories are private to root, and nginx's workers would become nobody.
WORKER_USER = "root" if os.geteuid() == 0 else None


SITE: dict[str, Any] = {
    "title": "profile default: 720p",
    "status_lines": ("/stream.m3u8  the stream", "    1280x720"),
    "segment_seconds": 2,
    "listen_address": "127.0.0.1",
    "port": 8080,
    "document_root": Path("/srv/hlsswarm/stream"),
    "run_directory": Path("/run/hlsswarm/nginx"),
    "access_log": Path("/run/hlsswarm/nginx/access.log"),
    "max_open_files": 8192,
}


def configuration(**changes: Any) -> str:
    return nginx_configuration(Site(**(SITE | changes)))


# --- as text -------------------------------------------------------------------------------------


def test_golden() -> None:
    text = configuration(access_log_buffer_bytes=65536)
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_takes_nothing_from_the_machine() -> None:
    text = configuration(access_log=None)
    assert not re.search(r"\binclude\b|/etc/|/var/", text)
    written = re.findall(r'^\s*(?:pid|\w+_temp_path) "(.*)";$', text, flags=re.MULTILINE)
    assert len(written) == 6
    assert all(path.startswith("/run/hlsswarm/nginx/") for path in written)


@pytest.mark.parametrize(("segment_seconds", "max_age"), [(1, 1), (2, 1), (3, 1), (4, 2), (10, 5)])
def test_playlists_are_cached_for_half_a_segment_and_never_zero(
    segment_seconds: int, max_age: int
) -> None:
    text = configuration(segment_seconds=segment_seconds)
    assert re.findall(r'\.m3u8\$" "max-age=(\d+)"', text) == [str(max_age)]


@pytest.mark.parametrize(
    ("max_open_files", "connections"), [(64, 16), (1024, 496), (8192, 4080), (1 << 20, 16384)]
)
def test_connections_fit_into_open_files(max_open_files: int, connections: int) -> None:
    text = configuration(max_open_files=max_open_files)
    assert f"worker_rlimit_nofile {max_open_files};" in text
    assert f"worker_connections {connections};" in text
    assert 2 * connections < max_open_files


def test_listen_addresses() -> None:
    assert "listen 127.0.0.1:8080 " in configuration()
    assert "listen [::1]:8080 " in configuration(listen_address="::1")
    assert "listen 0.0.0.0:81 " in configuration(listen_address="0.0.0.0", port=81)
    # Its own address is the same machine; for a wildcard, or the loopback, nothing is added.
    assert "allow 192.0.2.7;" in configuration(listen_address="192.0.2.7")
    for address in ("127.0.0.1", "0.0.0.0", "::"):
        allowed = re.findall(r"^ *allow (.*);", configuration(listen_address=address), re.M)
        assert allowed == ["127.0.0.0/8", "::1"]


def test_optional_lines() -> None:
    text = configuration(access_log=None)
    assert "log_format" not in text
    assert not re.search(r"^user ", text, flags=re.MULTILINE)
    assert "worker_processes auto;" in text
    assert "worker_processes 3;" in configuration(workers=3)
    assert 'user "root";' in configuration(worker_user="root")
    assert 'user "www-data" "adm";' in configuration(worker_user="www-data", worker_group="adm")
    logged = configuration(access_log_buffer_bytes=4096, access_log_flush_seconds=10)
    assert '/access.log" hlsswarm buffer=4096 flush=10s;' in logged


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"listen_address": "localhost"}, "localhost"),
        ({"listen_address": "fe80::1%eth0"}, "zone"),
        ({"listen_address": "127.0.0.1; include /etc/passwd"}, "include"),
        ({"port": 0}, "port must be between"),
        ({"port": 65536}, "port must be between"),
        ({"workers": 0}, "workers must be at least 1"),
        ({"max_open_files": 63}, "at least 64 open files, not 63"),
        ({"document_root": Path("stream")}, "document_root must be an absolute path"),
        ({"run_directory": Path("run")}, "run_directory must be an absolute path"),
        ({"access_log": Path("access.log")}, "access_log must be an absolute path"),
        ({"document_root": Path("/srv/$uri")}, "takes '\\$' for a variable"),
        ({"run_directory": Path("/srv/a\nb")}, "cannot stand in an nginx configuration"),
        ({"access_log": Path("/srv/\udcff")}, "cannot stand in an nginx configuration"),
        ({"worker_group": "adm"}, "worker_group needs worker_user"),
        ({"access_log_buffer_bytes": -1}, "buffer must be at least 0"),
        ({"access_log_flush_seconds": 0}, "flush at least 1"),
    ],
)
def test_what_it_refuses(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        configuration(**changes)


# What is printed and is no variable; NUL and slash cannot be in a file name.
FILE_NAMES = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/$"), min_size=1
).filter(lambda name: name not in {".", ".."})


@given(FILE_NAMES)
def test_paths_are_quoted_so_that_nginx_reads_them_back(name: str) -> None:
    text = configuration(document_root=Path("/srv") / name)
    match = re.search(r'^\s*root "((?:[^"\\]|\\.)*)";$', text, flags=re.MULTILINE)
    assert match is not None
    # ngx_conf_read_token: a backslash makes the quote or backslash after it plain.
    assert re.sub(r'\\(["\\])', r"\1", match[1]) == f"/srv/{name}"
    assert not re.search(r"\\[^\"\\]", match[1].replace("\\\\", ""))


def test_command() -> None:
    nginx, conf, run = Path("/bin/nginx"), Path("/run/o/nginx.conf"), Path("/run/o")
    assert nginx_command(nginx, conf, run) == (
        ["/bin/nginx", "-e", "stderr", "-p", "/run/o/", "-c", "/run/o/nginx.conf"]
    )
    assert nginx_command(nginx, conf, run, check_only=True)[-2:] == ["-t", "-q"]
    with pytest.raises(ValueError, match="must be an absolute path: 'nginx'"):
        nginx_command(Path("nginx"), conf, run)


# --- with the real thing -------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass(frozen=True)
class Origin:
    """A running nginx with its directories."""

    process: subprocess.Popen[bytes]
    port: int
    root: Path
    log: Path
    errors: Path

    def ask(self, method: str, path: str, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers=sent)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def check(conf: Path, run_directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        nginx_command(NGINX, conf, run_directory, check_only=True),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@contextmanager
def origin(base: Path, *, uid: int | None = None, **changes: Any) -> Iterator[Origin]:
    """An nginx with its directories in `base`."""
    base.mkdir(exist_ok=True)
    root, run, conf = base / "root", base / "run", base / "nginx.conf"
    root.mkdir()
    run.mkdir()
    if uid is not None:
        os.chown(run, uid, -1)
    (root / "stream.m3u8").write_text("#EXTM3U\n")
    (root / "segment-1.ts").write_bytes(bytes(range(256)) * 4096)
    (root / "init.mp4").write_bytes(b"mp4")
    (root / "part.m4s").write_bytes(b"m4s")
    (root / "segment-2.ts.tmp").write_bytes(b"unfinished")
    port, log, errors = free_port(), run / "access.log", base / "errors"
    options: dict[str, Any] = {"port": port, "document_root": root, "run_directory": run}
    options |= {"access_log": log, "max_open_files": 512, "worker_user": WORKER_USER}
    conf.write_text(configuration(**(options | changes)))
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            nginx_command(NGINX, conf, run),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
            user=uid,
        )
    try:
        _wait_for_port(process, port, errors)
        yield Origin(process, port, root, log, errors)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=10)


def _wait_for_port(process: subprocess.Popen[bytes], port: int, errors: Path) -> None:
    deadline = time.monotonic() + 10
    while True:
        assert process.poll() is None, errors.read_text()
        assert time.monotonic() < deadline, "nginx does not listen"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.02)


def worker_uid(running: Origin) -> int:
    pid = running.process.pid
    (worker,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return Path(f"/proc/{worker}").stat().st_uid


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    with origin(tmp_path_factory.mktemp("nginx") / 'blank "quote" \\ é ; {x} #') as running:
        yield running


def test_check_accepts_every_form(tmp_path: Path) -> None:
    conf = tmp_path / "nginx.conf"
    paths: dict[str, Any] = {
        "document_root": tmp_path,
        "run_directory": tmp_path,
        "port": free_port(),
    }
    forms: tuple[dict[str, Any], ...] = (
        {"access_log": None},
        {"access_log": tmp_path / "log", "access_log_buffer_bytes": 65536},
        {"access_log": None, "workers": 2, "worker_user": WORKER_USER},
        {"access_log": None, "listen_address": "0.0.0.0"},
    )
    for changes in forms:
        conf.write_text(configuration(**paths, **changes))
        result = check(conf, tmp_path)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_taken_port_is_an_error_even_if_another_origin_has_it(
    served: Origin, tmp_path: Path
) -> None:
    conf = tmp_path / "nginx.conf"
    paths: dict[str, Any] = {"document_root": tmp_path, "run_directory": tmp_path}
    conf.write_text(configuration(**paths, port=served.port, access_log=None))
    second = subprocess.run(
        nginx_command(NGINX, conf, tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert second.returncode == 1
    assert f"bind() to 127.0.0.1:{served.port} failed (98" in second.stderr


@pytest.mark.parametrize(
    ("path", "content_type", "cache_control"),
    [
        ("/stream.m3u8", "application/vnd.apple.mpegurl", "max-age=1"),
        ("/segment-1.ts", "video/mp2t", "public, max-age=60, immutable"),
        ("/init.mp4", "video/mp4", "public, max-age=60, immutable"),
        ("/part.m4s", "video/iso.segment", "public, max-age=60, immutable"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_media(
    served: Origin, method: str, path: str, content_type: str, cache_control: str
) -> None:
    answer = served.ask(method, path)
    content = (served.root / path[1:]).read_bytes()
    assert answer.status == 200
    assert answer.body == (content if method == "GET" else b"")
    assert answer.headers.get_all("Content-Type") == [content_type]
    assert answer.headers.get_all("Cache-Control") == [cache_control]
    assert answer.headers.get_all("Access-Control-Allow-Origin") == ["*"]
    assert answer.headers["Content-Length"] == str(len(content))
    assert answer.headers["Server"] == "nginx"
    assert answer.headers["Content-Encoding"] is None


def test_ranges_as_ffmpeg_asks_for_them(served: Origin) -> None:
    for path in ("/segment-1.ts", "/stream.m3u8"):
        content = (served.root / path[1:]).read_bytes()
        answer = served.ask("GET", path, Range="bytes=0-")
        assert (answer.status, answer.body) == (206, content)
        assert answer.headers["Content-Range"] == f"bytes 0-{len(content) - 1}/{len(content)}"
        assert answer.headers["Cache-Control"] is not None
    answer = served.ask("GET", "/segment-1.ts", Range="bytes=256-259")
    assert (answer.status, answer.body) == (206, b"\x00\x01\x02\x03")
    beyond = served.ask("GET", "/segment-1.ts", Range="bytes=9999999-")
    assert beyond.status == 416
    assert "no-store" in (beyond.headers.get_all("Cache-Control") or [])


def test_playlist_is_never_stale(served: Origin) -> None:
    """Neither by an open file that is kept, nor by a validator of one second's resolution."""
    playlist = served.root / "stream.m3u8"
    before = playlist.read_bytes()
    try:
        for number in range(20):
            new = served.root / "stream.m3u8.tmp"
            new.write_bytes(b"#EXTM3U\n#%04d\n" % number)
            new.rename(playlist)
            answer = served.ask("GET", "/stream.m3u8")
            assert answer.body == b"#EXTM3U\n#%04d\n" % number
            assert answer.headers["ETag"] is None
            again = served.ask(
                "GET", "/stream.m3u8", If_Modified_Since=answer.headers["Last-Modified"]
            )
            assert again.status == 200
    finally:
        playlist.write_bytes(before)


def test_segments_are_revalidated_by_their_etag(served: Origin) -> None:
    answer = served.ask("GET", "/segment-1.ts")
    again = served.ask("GET", "/segment-1.ts", If_None_Match=answer.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    assert again.headers["Cache-Control"] == "public, max-age=60, immutable"


def test_pages(served: Origin) -> None:
    health = served.ask("GET", HEALTH_PATH)
    assert (health.status, health.body) == (200, b"ok\n")
    assert health.headers["Content-Type"] == "text/plain"
    status = served.ask("GET", NGINX_STATUS_PATH)
    assert status.status == 200
    assert status.body.startswith(b"Active connections: ")
    page = served.ask("GET", "/")
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/plain; charset=utf-8"
    for part in ("profile default", "/stream.m3u8", "1280x720", HEALTH_PATH, NGINX_STATUS_PATH):
        assert part in page.body.decode()
    for answer in (health, status, page):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers.get_all("Cache-Control") == ["no-store"]


@pytest.mark.parametrize(
    "path",
    ["/segment-404.ts", "/segment-2.ts.tmp", "/nginx.conf", "/../nginx.conf", "/run/", "/x/"],
)
def test_what_is_not_there(served: Origin, path: str) -> None:
    answer = served.ask("GET", path)
    assert answer.status in {400, 404}
    assert answer.headers.get_all("Cache-Control") == ["no-store"]
    assert answer.headers.get_all("Access-Control-Allow-Origin") == ["*"]


@pytest.mark.parametrize("path", ["/stream.m3u8", "/segment-1.ts", "/", "/nowhere", HEALTH_PATH])
def test_preflight(served: Origin, path: str) -> None:
    answer = served.ask("OPTIONS", path, Origin="https://player.example")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"
    assert "Range" in answer.headers["Access-Control-Allow-Headers"]
    assert "Content-Range" in answer.headers["Access-Control-Expose-Headers"]
    assert answer.headers["Access-Control-Max-Age"] == "86400"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "GETX"])
@pytest.mark.parametrize("path", ["/stream.m3u8", "/", HEALTH_PATH, NGINX_STATUS_PATH])
def test_other_methods(served: Origin, method: str, path: str) -> None:
    answer = served.ask(method, path)
    assert answer.status == 405
    assert answer.headers.get_all("Allow") == ["GET, HEAD, OPTIONS"]
    assert answer.headers.get_all("Access-Control-Allow-Origin") == ["*"]


def test_connections_are_kept_alive(served: Origin) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=5)
    try:
        for _ in range(3):
            connection.request("GET", "/stream.m3u8")
            connection.getresponse().read()
        kept = connection.sock
        connection.request("GET", "/segment-404.ts")
        connection.getresponse().read()
        assert connection.sock is kept is not None
    finally:
        connection.close()
    last = json.loads(served.log.read_bytes().splitlines()[-1])
    assert last["connection_requests"] == 4


def test_access_log_is_one_json_object_a_request(tmp_path: Path) -> None:
    before = time.time()
    with origin(tmp_path) as running:
        odd = 'agent "quoted" \\ \x7f'
        running.ask("GET", "/segment-1.ts?token=%22x%22", Range="bytes=0-9", User_Agent=odd)
        running.ask("POST", "/segment-1.ts")
        running.ask("GET", HEALTH_PATH)  # polled by supervisors: not of interest
        with socket.create_connection(("127.0.0.1", running.port), timeout=5) as raw:
            raw.sendall(b"GET /stream.m3u8\r\n\r\n")  # HTTP/0.9: status "009"
            while raw.recv(4096):
                pass
        time.sleep(0.1)
        lines = [json.loads(line) for line in running.log.read_bytes().splitlines()]
    first, second, third = lines
    assert list(first) == [
        "time",
        "method",
        "uri",
        "status",
        "body_bytes",
        "request_time",
        "connection",
        "connection_requests",
        "user_agent",
        "range",
        "address",
    ]
    assert first["address"] == "127.0.0.1"
    assert first["uri"] == "/segment-1.ts?token=%22x%22"
    assert (first["method"], first["status"], first["body_bytes"]) == ("GET", 206, 10)
    assert (first["range"], first["user_agent"]) == ("bytes=0-9", odd)
    assert before - 1 < first["time"] < time.time() + 1
    assert 0 <= first["request_time"] < 1
    assert (second["method"], second["status"]) == ("POST", 405)
    assert isinstance(third["status"], int)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGQUIT], ids=lambda end: end.name)
def test_end_writes_the_log_and_leaves_no_process(tmp_path: Path, end: signal.Signals) -> None:
    buffered = {"access_log_buffer_bytes": 1 << 20, "access_log_flush_seconds": 3600}
    with origin(tmp_path, workers=2, **buffered) as running:
        pid = running.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        assert len(children) == 2
        idle = http.client.HTTPConnection("127.0.0.1", running.port, timeout=5)
        for _ in range(3):
            idle.request("GET", "/stream.m3u8")
            idle.getresponse().read()
        assert running.log.read_bytes() == b""
        running.process.send_signal(end)
        assert running.process.wait(timeout=3) == 0
        idle.close()
        assert len(running.log.read_bytes().splitlines()) == 3
        assert not [child for child in children if Path(f"/proc/{child}").exists()]
        assert not (running.log.parent / "nginx.pid").exists()
        assert running.errors.read_text() == ""


@pytest.fixture
def public_directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_runs_as_an_ordinary_user(public_directory: Path) -> None:
    # As root that is another user, else it is the one who runs the tests.
    uid = NOBODY if os.geteuid() == 0 else None
    with origin(public_directory, uid=uid, workers=1, worker_user=None) as running:
        assert worker_uid(running) == (uid if uid is not None else os.geteuid())
        assert running.ask("GET", "/segment-1.ts").status == 200
        assert running.errors.read_text() == ""


def test_as_root_workers_become_nobody_unless_told_otherwise(public_directory: Path) -> None:
    with origin(public_directory, workers=1, worker_user=None) as running:
        assert worker_uid(running) == (NOBODY if os.geteuid() == 0 else os.geteuid())
        assert running.ask("GET", "/segment-1.ts").status == 200
        assert running.errors.read_text() == ""


def test_workers_that_stay_root_read_a_private_directory(tmp_path: Path) -> None:
    with origin(tmp_path, workers=1, worker_user=WORKER_USER) as running:
        running.root.chmod(0o700)
        assert worker_uid(running) == os.geteuid()
        assert running.ask("GET", "/segment-1.ts").status == 200
        assert running.errors.read_text() == ""


# --- TLS, keys, faults ----------------------------------------------------------------------------


def test_multivariant_playlists_may_be_cached_longer() -> None:
    text = configuration(multivariant=True)
    ages = re.findall(r'"~(.*\.m3u8\$)" "max-age=(\d+)"', text)
    found = [
        next(age for pattern, age in ages if re.search(pattern, f"200 {path}"))
        for path in ("/stream.m3u8", "/720p/stream.m3u8")
    ]
    assert found == ["5", "1"]


def test_tls() -> None:
    tls = Tls(certificate=Path("/run/o/server.pem"), key=Path("/run/o/server.key"))
    text = configuration(tls=tls)
    assert "listen 127.0.0.1:8080 backlog=4096 ssl;" in text
    assert 'ssl_certificate "/run/o/server.pem";' in text
    assert "ssl" not in configuration()


def test_site_is_read_back_as_it_was_written() -> None:
    tls = Tls(certificate=Path("/run/o/server.pem"), key=Path("/run/o/server.key"))
    for changes in ({}, {"access_log": None, "tls": tls, "multivariant": True}):
        site = Site(**(SITE | changes))
        assert site_of_json(site.as_json()) == site
    for text in ("", "[]", "{}", '{"title": "x"}', "null"):
        with pytest.raises(ValueError, match=r"."):
            site_of_json(text)


PATHS = FaultPaths(Path("/run/o/nginx.sock"), Path("/run/o/server.sock"))


def with_faults(site: Site, *words: str, paths: FaultPaths = PATHS) -> str:
    """A configuration with these faults in force, numbered from 1."""
    active = []
    for number, fault in enumerate(map(parse, map(str.split, words)), 1):
        stale = site.document_root / f"stale-{number}" if fault.kind == "stale" else None
        active.append(ActiveFault(number, fault, stale))
    return nginx_configuration(site, paths=paths, faults=active, generation=7)


def meets(text: str, number: int, path: str) -> bool:
    """Whether a fault's pattern in a configuration fits a path, leaving its share aside."""
    (pattern,) = re.findall(rf'\$fault_{number} {{\n\s*"~(.*)" 1;', text)
    return re.search(pattern, f"1 {path}") is not None


@pytest.mark.parametrize(
    ("words", "met"),
    [
        ("status=503", {"/a.ts", "/720p/a.ts", "/720p/init.mp4"}),
        ("status=503 on=playlists", {"/s.m3u8", "/720p/s.m3u8"}),
        ("status=503 on=all variant=720p", {"/720p/a.ts", "/720p/init.mp4", "/720p/s.m3u8"}),
        ("status=503 on=playlists variant=72.p", set()),
        ("stale", {"/s.m3u8", "/720p/s.m3u8"}),
    ],
)
def test_which_paths_a_fault_meets(words: str, met: set[str]) -> None:
    text = with_faults(Site(**SITE), words)
    paths = {"/a.ts", "/720p/a.ts", "/720p/init.mp4", "/s.m3u8", "/720p/s.m3u8", "/health", "/"}
    assert {path for path in paths if meets(text, 1, path)} == met


def test_the_first_fault_that_meets_a_request_has_it() -> None:
    text = with_faults(Site(**SITE), "status=503 share=20%", "cut=headers", "rate=10k")
    (block,) = re.findall(r"\$fault \{\n(.*?)\n    \}", text, flags=re.DOTALL)
    rows = re.findall(r'"~(.*)" (\d);', block)
    assert [next(n for p, n in rows if re.match(p, bits)) for bits in ("111", "011", "001")] == [
        *("1", "2", "3")
    ]
    assert 'split_clients "${request_id}1" $fault_1_share {\n        20.00% 1;' in text


def test_an_outage_listens_to_nobody_but_us() -> None:
    text = with_faults(Site(**SITE), "outage")
    assert re.findall(r"listen (.*);", text) == ['"unix:/run/o/nginx.sock"']


def test_real_nginx_reads_every_kind(tmp_path: Path) -> None:
    conf = tmp_path / "nginx.conf"
    own: dict[str, Any] = {"document_root": tmp_path, "run_directory": tmp_path}
    site = Site(**(SITE | own | {"port": free_port(), "access_log": None}))
    short = Path(tempfile.mkdtemp(dir="/tmp"))  # sockets' paths have to be short
    kinds = ("status=599 share=0.01%", "delay=10m", "cut=headers", "cut=body on=all", "rate=1")
    try:
        paths = FaultPaths(short / "c", short / "s")
        for words in ((*kinds, "stale variant=a.b-c_d"), ("outage",), ()):
            conf.write_text(with_faults(site, *words, paths=paths))
            result = check(conf, tmp_path)
            assert (result.returncode, result.stderr) == (0, "")
    finally:
        shutil.rmtree(short)


def test_faults_need_their_paths() -> None:
    with pytest.raises(ValueError, match="faults need their paths"):
        nginx_configuration(Site(**SITE), faults=[ActiveFault(1, parse(["outage"]))])
    with pytest.raises(ValueError, match="a stale fault, and no other"):
        ActiveFault(1, parse(["stale"]))
