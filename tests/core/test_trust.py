"""Which certificates clients accept, as ffmpeg's options and units' properties."""

from __future__ import annotations

from pathlib import Path

import pytest

from hlsswarm.core.commands import ClientOptions, FFmpegVersion, client_command, notes
from hlsswarm.core.resolve import Resolution
from hlsswarm.core.trust import UNCHECKED, Trust, unit_properties
from hlsswarm.core.unit_specs import Property
from hlsswarm.errors import UsageError

URL = "https://cdn.example.org:8443/stream.m3u8"
CA = Path("/srv/ca.pem")


def words(options: ClientOptions) -> tuple[str, ...]:
    version = FFmpegVersion("5.1", (5, 1))
    return client_command(Path("/bin/ffmpeg"), version, options, client=1)


def test_options_stand_before_the_input() -> None:
    command = words(ClientOptions(URL, trust=Trust(verify=True, ca_file=CA)))
    at = command.index("-tls_verify")
    assert command[at : at + 4] == ("-tls_verify", "1", "-ca_file", str(CA))
    assert at < command.index("-i")
    assert not {"-tls_verify", "-ca_file"} & set(words(ClientOptions(URL)))


def test_an_input_that_is_no_https_gets_none() -> None:
    # ffmpeg refuses an option that no protocol of an input takes.
    assert Trust(verify=True).options("http://127.0.0.1/a.m3u8") == []


def test_rewritten_urls_are_checked_against_the_name() -> None:
    way = Resolution("rewrite", "cdn.example.org", "192.0.2.7")
    checked = words(ClientOptions(URL, resolution=way, trust=Trust(verify=True)))
    at = checked.index("-verifyhost")
    assert checked[at - 2 : at + 2] == ("-tls_verify", "1", "-verifyhost", "cdn.example.org")
    unchecked = words(ClientOptions(URL, resolution=way))
    assert unchecked[unchecked.index("-tls_verify") + 1] == "0"


def test_what_it_refuses() -> None:
    with pytest.raises(UsageError, match="--ca-file says nothing without --tls-verify"):
        Trust(ca_file=CA)
    with pytest.raises(UsageError, match="--tls-verify is for https, and the URL is http"):
        ClientOptions("http://127.0.0.1/stream.m3u8", trust=Trust(verify=True))


@pytest.mark.parametrize(("release", "told"), [((5, 1), 1), ((7, 1), 1), ((8, 0), 0), (None, 0)])
def test_says_what_older_ffmpegs_do_not_check(release: tuple[int, int] | None, told: int) -> None:
    options = ClientOptions(URL, segment_retries=0, trust=Trust(verify=True))
    assert len(notes(FFmpegVersion("x", release), options)) == told
    options = ClientOptions(URL, segment_retries=0, trust=UNCHECKED)
    assert notes(FFmpegVersion("x", release), options) == ()


def test_units_have_a_store_in_the_place_of_the_machines() -> None:
    store = Path("/run/hlsswarm/a/authorities.pem")
    assert unit_properties(store, "/etc/ssl/certs/ca-certificates.crt") == (
        Property(
            "BindReadOnlyPaths",
            "a(ssbt)",
            [(str(store), "/etc/ssl/certs/ca-certificates.crt", False, 0)],
        ),
        Property("Environment", "as", ["SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"]),
    )
