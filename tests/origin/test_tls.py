"""`origin start --tls` and `run --tls-verify`: certificates as real clients check them."""

from __future__ import annotations

import shutil
import ssl
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import Finished, Place, free_port, logged, place

NAME = "cdn.example.org"
_RUN = ("run", "--clients", "2", "--duration", "5s", "--metrics", "off", "--ramp-rate", "0")


@dataclass(frozen=True)
class Secure:
    """A test origin with TLS."""

    place: Place
    port: int
    ca: Path
    told: str
    log: Path

    def url(self, host: str = "127.0.0.1") -> str:
        """Its stream, by one of its names."""
        return f"https://{host}:{self.port}/stream.m3u8"

    def run(self, *words: str) -> Finished:
        """A run of two clients for a few seconds."""
        return self.place.run(*_RUN, *words)


@pytest.fixture(scope="module")
def secure() -> Iterator[Secure]:
    with place() as here:
        port, log = free_port(), here.root / "access.json"
        words = ("--port", str(port), "--tls", "--tls-name", NAME, "--access-log", str(log))
        told = here.done("origin", "start", *words).out
        directory = here.runtime_directory / f"origin{port}"
        yield Secure(here, port, directory / "ca.pem", told, log)
        here.done("origin", "stop", "--port", str(port))
        here.nothing_left(port)


def test_start_says_how_to_check(secure: Secure) -> None:
    assert f"It plays: {secure.url()}\n" in secure.told
    assert f"--tls-verify --ca-file {secure.ca}\n" in secure.told
    assert "playlist: 0 segments" not in secure.place.done("origin", "status").out


def test_keys_are_private(secure: Secure) -> None:
    keys = list(secure.ca.parent.glob("*.key"))
    assert [key.name for key in keys] == ["server.key"]  # the authority's is gone
    assert stat.S_IMODE(keys[0].stat().st_mode) == 0o600
    secret = keys[0].read_text().splitlines()[1]
    for file in secure.ca.parent.glob("*.log"):
        assert secret not in file.read_text()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_certificate_is_for_this_machine(secure: Secure, host: str) -> None:
    context = ssl.create_default_context(cafile=str(secure.ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with urllib.request.urlopen(secure.url(host), context=context, timeout=10) as answer:
        assert answer.status == 200


def test_plain_http_is_refused(secure: Secure) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(f"http://127.0.0.1:{secure.port}/stream.m3u8", timeout=10)


def test_clients_that_check_play(secure: Secure) -> None:
    words = ("--tls-verify", "--ca-file", str(secure.ca), "--user-agent", "checked")
    done = secure.run(*words, "--resolve", "127.0.0.1", secure.url(NAME))
    assert done.status == 0, done.out + done.err
    assert "Verdict: healthy" in done.out
    segments = [line for line in logged(secure.log, "checked") if line.is_segment]
    assert segments


@pytest.mark.parametrize(
    ("words", "host", "reason"),
    [
        (("--tls-verify",), "127.0.0.1", "unable to get local issuer certificate"),
        (
            ("--tls-verify", "--ca-file", "{ca}", "--resolve", "127.0.0.1"),
            "wrong.example.org",
            "hostname mismatch, certificate is not valid for 'wrong.example.org'",
        ),
    ],
    ids=["no authority", "wrong name"],
)
def test_preflight_says_why_a_certificate_is_refused(
    secure: Secure, words: tuple[str, ...], host: str, reason: str
) -> None:
    told = secure.run(*(word.format(ca=secure.ca) for word in words), secure.url(host))
    assert told.status == 106
    assert told.sentence == f"The certificate of {secure.url(host)} is refused: {reason}."
    assert told.hint.startswith("--ca-file names an authority to accept")


def test_clients_themselves_refuse_it(secure: Secure) -> None:
    done = secure.run("--tls-verify", "--skip-preflight", secure.url())
    assert done.status == 99
    assert "\n  - tls " in done.out  # the class of error, with ffmpeg's own words
    assert "No client ever received a segment." in done.out


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (("--ca-file", "x", "{url}"), 2, "--ca-file says nothing without --tls-verify."),
        (
            ("--tls-verify", "http://127.0.0.1:1/x.m3u8"),
            2,
            "--tls-verify is for https, and the URL is http.",
        ),
        (
            ("--tls-verify", "--ca-file", "/nowhere/ca.pem", "{url}"),
            2,
            "--ca-file /nowhere/ca.pem cannot be used: No such file or directory.",
        ),
        (
            ("--tls-verify", "--ca-file", "/etc/hostname", "{url}"),
            2,
            "--ca-file /etc/hostname cannot be used: there is no certificate in it.",
        ),
    ],
)
def test_bad_input(secure: Secure, words: tuple[str, ...], status: int, sentence: str) -> None:
    told = secure.run(*(word.format(url=secure.url()) for word in words))
    assert (told.status, told.sentence) == (status, sentence)
    assert told.hint


def test_without_openssl(tmp_path: Path) -> None:
    with place() as here:
        programs = here.root / "bin"
        programs.mkdir()
        for name in ("ffmpeg", "nginx"):
            found = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin:/bin")
            assert found is not None
            (programs / name).symlink_to(found)
        port = str(free_port())
        told = here.run("origin", "start", "--tls", "--port", port, env={"PATH": str(programs)})
        assert (told.status, told.sentence) == (106, "openssl is not installed.")
        assert told.hint == "apt-get install openssl"
        named = here.run("origin", "start", "--tls", "--tls-name", "a b", "--port", port)
        assert named.sentence == "--tls-name 'a b' is neither a host name nor an address."
        here.nothing_left(int(port))
