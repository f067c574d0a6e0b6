"""A secret header reaches the origin and nobody else: processes, units, logs and results.

Everything is searched for the secret while clients run with it, and afterwards. test_every_manager
runs this file on the system manager and a user's, too.
"""

from __future__ import annotations

import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from hlsswarm.units.bus import Endpoint, unit_path
from tests.support import Command, Place, place, wait_for
from tests.traps import Web, web
from tests.units.live import KIND

PROPERTIES = b"org.freedesktop.DBus.Properties"
HEAD = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n"


@pytest.fixture
def origin() -> Iterator[Web]:
    """Live, with segments that nobody can play: what matters is what is asked."""
    with web() as made:
        made.pages["/s.m3u8"] = (200, {}, f"{HEAD}#EXTINF:2,\na.ts\n#EXTINF:2,\nb.ts\n".encode())
        made.pages["/a.ts"] = made.pages["/b.ts"] = (200, {}, b"G" + bytes(187))
        yield made


@pytest.fixture
def where() -> Iterator[Place]:
    with place() as made:
        yield made


def processes_that_tell(secret: bytes) -> list[str]:
    """Command lines and environments with the secret in them."""
    found = []
    for directory in Path("/proc").iterdir():
        for name in ("cmdline", "environ") if directory.name.isdecimal() else ():
            try:
                text = (directory / name).read_bytes()
            except OSError:
                continue
            if secret in text:
                found.append(text.replace(b"\0", b" ").decode(errors="replace"))
    return found


def shown_units(where: Place) -> str:
    """All that systemd tells of our units, to whoever asks it: `systemctl show` shows no more."""
    path = where.runtime_directory / "embedded/systemd/private"
    bus = Endpoint(KIND, str(path)).open()
    try:
        rows = bus.call("ListUnitsByPatterns", "asas", [], [b"hlsswarm-*-client-*"])
        return "".join(
            f"{row[0]} {bus._call(unit_path(row[0].decode()), PROPERTIES, 'GetAll', 's', b'')!r}"
            for row in rows
        )
    finally:
        bus.close()


def files_that_tell(root: Path, secret: bytes) -> list[Path]:
    found = []
    for path in root.rglob("*"):
        if path.is_file() and secret in path.read_bytes():
            found.append(path)
    return found


def started(where: Place, origin: Web, *more: str) -> Command:
    words = ("run", "--manager", KIND, "--clients", "2", "--ramp-rate", "0", "--duration", "6s")
    out = ("--out", str(where.root / "out"), "--json", str(where.root / "summary.json"))
    return where.start(*words, *out, "--metrics", "off", "-v", *more, origin.url("/s.m3u8"))


def test_a_secret_header_is_seen_by_the_origin_alone(where: Place, origin: Web) -> None:
    secret = f"canary-{secrets.token_hex(12)}"
    header_file = where.root / "header"
    header_file.write_text(f"Authorization: Bearer {secret}\n")
    header_file.chmod(0o600)
    command = started(where, origin, "--header-file", str(header_file))
    wait_for(
        "clients with the secret",
        lambda: sum(secret in text for text in origin.headers) >= 4 or command.process.poll(),
    )
    told = shown_units(where)
    missing = [word for word in (".service'", "ExecStart'") if word not in told]
    assert missing == []
    assert secret not in told
    assert processes_that_tell(secret.encode()) == []
    scripts = [path for path in files_that_tell(where.root, secret.encode()) if path != header_file]
    assert scripts, "the clients have it from a file"
    assert all("scripts" in path.parts for path in scripts)
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in scripts} == {0}
    done = command.finished()
    assert secret not in done.out + done.err
    assert (where.root / "summary.json").exists() and (where.root / "out").is_dir()
    assert files_that_tell(where.root, secret.encode()) == [header_file]
    assert files_that_tell(where.logs, secret.encode()) == []


def test_a_token_in_the_url_is_in_no_result(where: Place, origin: Web) -> None:
    """It stands in the clients' command lines, as docs/security.md says; nothing else tells it."""
    secret = f"canary{secrets.token_hex(12)}"
    words = ("run", "--manager", KIND, "--clients", "1", "--duration", "2s", "--metrics", "off")
    out = ("--out", str(where.root / "out"), "--json", str(where.root / "summary.json"))
    done = where.run(*words, *out, f"{origin.url('/s.m3u8')}?token={secret}")
    assert (where.root / "summary.json").exists(), done.err
    assert secret not in done.out + done.err
    assert files_that_tell(where.root, secret.encode()) == []
