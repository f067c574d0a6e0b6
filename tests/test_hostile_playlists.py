"""Playlists of somebody who means harm: no file is read, no other scheme opened, nobody else hit.

The first half runs the product's own command line against playlists that name files and schemes;
the second runs swarms whose playlists lead to another server, 127.0.0.2, whose log stays empty.
"""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hlsswarm.core.commands import ClientOptions, client_command
from hlsswarm.core.error_classes import Failures
from tests.client_options.web import PROGRAMS, version_of
from tests.support import Place, place, wait_for
from tests.traps import Answer, Traps, Web, traps, web

every_ffmpeg = pytest.mark.parametrize("program", PROGRAMS)
HEAD = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n"
END = "#EXT-X-ENDLIST\n"


def playlist(text: str) -> Answer:
    return (200, {"Content-Type": "application/vnd.apple.mpegurl"}, text.encode())


def redirect(location: str) -> Answer:
    return (302, {"Location": location}, b"")


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A Media Segment of a second, that any ffmpeg would play."""
    path = tmp_path_factory.mktemp("media") / "a.ts"
    words = "-f lavfi -i testsrc2=size=64x36:rate=10:duration=1 -c:v mpeg2video -f mpegts"
    subprocess.run(
        [PROGRAMS[0], "-hide_banner", "-loglevel", "error", *words.split(), str(path)], check=True
    )
    return path.read_bytes()


@pytest.fixture(scope="module")
def trap(media: bytes) -> Iterator[Traps]:
    with traps(media) as made:
        yield made


@pytest.fixture(scope="module")
def server(media: bytes) -> Iterator[Web]:
    with web() as made:
        made.pages["/good.ts"] = (200, {}, media)
        yield made


SEGMENTS = {
    "file": "file://{file}",
    "path": "{file}",
    "concat": "concat:{file}|{file}",
    "concat of http": "concat:http://127.0.0.1:{port}/a.ts",
    "subfile": "subfile,,start,0,end,10000,,:{file}",
    "crypto": "crypto+file://{file}",
    "cache": "cache:file://{file}",
    "async": "async:file://{file}",
    "data": "data:video/mp2t;base64,{base64}",
    "gopher": "gopher://127.0.0.1:{port}/a.ts",
    "rtmp": "rtmp://127.0.0.1:{port}/a/b.ts",
    "rtsp": "rtsp://127.0.0.1:{port}/a.ts",
    "ftp": "ftp://127.0.0.1:{port}/a.ts",
    "tcp": "tcp://127.0.0.1:{port}/a.ts",
    "udp": "udp://127.0.0.1:{port}/a.ts",
    "rtp": "rtp://127.0.0.1:{port}/a.ts",
    "unix": "unix://{unix}",
    "pipe": "pipe:0",
    "httpproxy": "httpproxy://127.0.0.1:{port}/a.ts",
}
"""What a playlist names as a Media Segment."""
PAGES = {
    "variant": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nfile://{file}\n",
    "rendition": '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",DEFAULT=YES,'
    'URI="file://{file}"\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\nnone.m3u8\n',
    "key": HEAD + '#EXT-X-KEY:METHOD=AES-128,URI="file://{file}"\n#EXTINF:1,\ngood.ts\n' + END,
    "key elsewhere": HEAD
    + '#EXT-X-KEY:METHOD=AES-128,URI="gopher://127.0.0.1:{port}/"\n#EXTINF:1,\ngood.ts\n'
    + END,
    "map": HEAD + '#EXT-X-MAP:URI="file://{file}"\n#EXTINF:1,\ngood.ts\n' + END,
    "script": "ffconcat version 1.0\nfile 'file://{file}'\n",
    "script with a path": "ffconcat version 1.0\nfile '{file}'\n",
}
"""Whole answers for the playlist."""


def filled(text: str, trap: Traps, media: bytes) -> str:
    return text.format(
        file=trap.file,
        port=trap.port,
        unix=trap.unix_path,
        base64=base64.b64encode(media).decode(),
    )


def play(program: str, url: str, *instead: str) -> subprocess.CompletedProcess[str]:
    """The client's command; `instead` are words for its list of protocols."""
    options = ClientOptions(url, timeout_seconds=2, reconnect=False, segment_retries=0)
    command = list(client_command(Path(program), version_of(program), options, client=1))
    if instead:
        at = command.index("-protocol_whitelist")
        command[at : at + 2] = instead
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=20,
    )


def complaints(said: str) -> list[str]:
    """The classes of error in what an ffmpeg said."""
    failures, found = Failures(), []
    for line in said.splitlines():
        match = re.match(r"(?:\[\S+ @ \w+\] )?\[(error|warning|fatal)\] (.*)", line)
        if match:
            found.append(failures.line(match[2], level=match[1]))
    return [name for name in found if name]


def nothing_touched(program: str, url: str, trap: Traps) -> None:
    trap.sprung()
    done = play(program, url)
    assert trap.sprung() == [], done.stderr
    assert complaints(done.stderr), done.stderr


@every_ffmpeg
@pytest.mark.parametrize("name", SEGMENTS)
def test_no_other_scheme_is_opened_for_a_segment(
    server: Web, trap: Traps, media: bytes, program: str, name: str
) -> None:
    segment = filled(SEGMENTS[name], trap, media)
    server.pages["/s.m3u8"] = playlist(f"{HEAD}#EXTINF:1,\n{segment}\n{END}")
    nothing_touched(program, server.url("/s.m3u8"), trap)


@every_ffmpeg
@pytest.mark.parametrize("name", PAGES)
def test_no_file_is_read_for_a_playlist(
    server: Web, trap: Traps, media: bytes, program: str, name: str
) -> None:
    server.pages["/s.m3u8"] = playlist(filled(PAGES[name], trap, media))
    nothing_touched(program, server.url("/s.m3u8"), trap)


@every_ffmpeg
@pytest.mark.parametrize("name", ["file", "gopher", "rtmp", "ftp", "unix", "data"])
def test_no_redirect_leads_to_another_scheme(
    server: Web, trap: Traps, media: bytes, program: str, name: str
) -> None:
    server.pages["/s.m3u8"] = playlist(f"{HEAD}#EXTINF:1,\nmoved.ts\n{END}")
    server.pages["/moved.ts"] = redirect(filled(SEGMENTS[name], trap, media))
    nothing_touched(program, server.url("/s.m3u8"), trap)


@every_ffmpeg
def test_the_traps_would_spring(server: Web, trap: Traps, program: str) -> None:
    """An ffmpeg that may open everything reads the file; and sockets are seen."""
    everything = ("-protocol_whitelist", "file,http,tcp,crypto", "-allowed_extensions", "ALL")
    server.pages["/s.m3u8"] = playlist(f"{HEAD}#EXTINF:1,\nfile://{trap.file}\n{END}")
    trap.sprung()
    done = play(program, server.url("/s.m3u8"), *everything)
    assert trap.sprung() == ["file"], done.stderr
    play(program, f"http://127.0.0.1:{trap.port}/s.m3u8")
    assert trap.sprung() == ["tcp"]


# --- other hosts ----------------------------------------------------------------------------------


@pytest.fixture
def other(server: Web, media: bytes) -> Iterator[Web]:
    """A server of somebody else, that would answer."""
    with web("127.0.0.2", server.port) as made:
        made.pages["/good.ts"] = (200, {}, media)
        made.pages["/s.m3u8"] = playlist(f"{HEAD}#EXTINF:1,\n/good.ts\n{END}")
        yield made


@pytest.fixture(scope="module")
def where() -> Iterator[Place]:
    with place() as made:
        yield made


RUN = ("--clients", "2", "--ramp-rate", "0", "--metrics", "off", "--timeout", "2s")


def test_a_playlist_that_leads_elsewhere_is_refused(server: Web, other: Web, where: Place) -> None:
    attacks = {
        "segment": playlist(f"{HEAD}#EXTINF:1,\n{other.url('/good.ts')}\n{END}"),
        "variant": playlist(f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{other.url('/s.m3u8')}\n"),
        "key": playlist(
            f'{HEAD}#EXT-X-KEY:METHOD=AES-128,URI="{other.url("/good.ts")}"\n#EXTINF:1,\ngood.ts\n'
        ),
        "redirect": redirect(other.url("/s.m3u8")),
    }
    for name, answer in attacks.items():
        server.pages["/s.m3u8"] = answer
        done = where.run("run", *RUN, "--duration", "2s", server.url("/s.m3u8"))
        assert done.status == 106, (name, done.out, done.err)
        assert done.sentence.endswith("leads to hosts that the plan does not name: 127.0.0.2.")
        assert done.hint == "If you may load them, too: --allow-host 127.0.0.2"
    assert other.connections == []
    where.nothing_left()


def test_a_playlist_that_changes_after_the_look_leads_nowhere(
    server: Web, other: Web, where: Place
) -> None:
    """Live: good at first, then segments and redirects to the other server."""
    live = HEAD + "#EXTINF:1,\ngood.ts\n"
    server.pages["/s.m3u8"] = playlist(live)
    server.pages["/moved.ts"] = redirect(other.url("/good.ts"))
    command = where.start("run", *RUN, "--duration", "9s", server.url("/s.m3u8"))
    command.wait_for_line("Run ")
    wait_for("clients at the segment", lambda: server.asked.count("/good.ts") >= 2)
    more = f"#EXTINF:1,\n{other.url('/good.ts')}\n#EXTINF:1,\nmoved.ts\n"
    server.pages["/s.m3u8"] = playlist(live + more)
    wait_for("the redirect", lambda: "/moved.ts" in server.asked)
    done = command.finished()
    assert "Run " in done.out, done.err
    assert other.connections == [], done.out


def test_a_host_that_is_named_is_reached(server: Web, other: Web, where: Place) -> None:
    server.pages["/s.m3u8"] = playlist(f"{HEAD}#EXTINF:1,\n{other.url('/good.ts')}\n{END}")
    for words in (("--allow-host", "127.0.0.0/30"), ("--ip-filter", "off", "--skip-preflight")):
        before = len(other.connections)
        done = where.run("run", *RUN, *words, "--duration", "3s", server.url("/s.m3u8"))
        assert len(other.connections) > before, (done.out, done.err)
