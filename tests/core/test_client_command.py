"""The command line of a client under its options, word by word where order matters."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hlsswarm.core.commands import (
    PROTOCOLS,
    ClientOptions,
    client_command,
    client_scripts,
    notes,
    parse_demuxers,
    parse_ffmpeg_version,
    parse_protocols,
)
from hlsswarm.core.headers import parse_header
from hlsswarm.core.resolve import Resolution
from hlsswarm.core.selection import Rendition, Selection, Variant
from hlsswarm.errors import UsageError

URL = "https://cdn.example/master.m3u8"
VARIANT = Variant(
    2, "https://cdn.example/v.m3u8", audio=Rendition("https://cdn.example/a.m3u8", "n")
)
OLD, NEW = (parse_ffmpeg_version(f"ffmpeg version {v}") for v in ("5.1.9-0+deb12u1", "7.1"))
PLAIN = ClientOptions(URL)
CHOSEN = dataclasses.replace(PLAIN, selection=Selection("first", ".", VARIANT))
SECRET = parse_header("Authorization: Bearer s3cret", secret=True)


def command(options: ClientOptions, *, old: bool = False, scripts: Path | None = None) -> str:
    version = OLD if old else NEW
    assert version is not None
    return " ".join(client_command(Path("/f"), version, options, client=7, scripts=scripts))


HTTP = (
    f"-protocol_whitelist {PROTOCOLS} "
    "-reconnect 1 -reconnect_streamed 1 -reconnect_on_network_error 1 -reconnect_delay_max 5 "
    "-rw_timeout 15000000 -user_agent hlsswarm/1.0/client-7"
)
BEGIN = "/f -hide_banner -nostdin -nostats -loglevel repeat+level+verbose"
END = "-c copy -f null -"
FAST = "-fflags nobuffer"


def test_plain() -> None:
    wanted = f"{BEGIN} {FAST} -http_persistent 0 {HTTP} -seg_max_retry 3 -i {URL} -map 0 {END}"
    assert command(PLAIN) == wanted
    assert command(PLAIN, old=True) == wanted.replace(" -seg_max_retry 3", "")


def test_chosen_variant() -> None:
    hls = f"{FAST} -http_persistent 0 {HTTP} -seg_max_retry 3"
    assert command(CHOSEN) == (
        f"{BEGIN} {HTTP} -f data -i {URL} {hls} -i https://cdn.example/v.m3u8 "
        f"{hls} -i https://cdn.example/a.m3u8 -map 1 -map 2 {END}"
    )


def test_program() -> None:
    options = dataclasses.replace(PLAIN, selection=Selection("lowest", ".", program=3))
    assert command(options).endswith(f"-i {URL} -map 0:p:3 {END}")
    everything = dataclasses.replace(PLAIN, selection=Selection("all", "."))
    assert command(everything) == command(PLAIN)


def test_pace_is_for_what_is_played() -> None:
    paced = dataclasses.replace(CHOSEN, pace="realtime", initial_burst_seconds=6.0)
    words = command(paced)
    assert words.count("-readrate 1 -readrate_initial_burst 6 -http_persistent") == 2
    assert "-readrate_initial_burst" not in command(paced, old=True)
    assert command(paced, old=True).count("-readrate 1 ") == 2
    assert FAST not in words
    assert "-readrate" not in command(PLAIN)


def test_without_reconnect_and_kept_alive() -> None:
    words = command(dataclasses.replace(PLAIN, reconnect=False, measure="light"))
    assert "reconnect" not in words and "http_persistent" not in words


def test_headers_are_for_every_input() -> None:
    options = dataclasses.replace(CHOSEN, headers=(parse_header("X-A: 1"),), no_cache=True)
    block = "-headers X-A: 1\r\nCache-Control: no-cache\r\nPragma: no-cache\r\n"
    assert command(options).count(block) == 3


def test_secret_header_is_in_scripts_only(tmp_path: Path) -> None:
    options = dataclasses.replace(CHOSEN, headers=(SECRET,))
    words = command(options, scripts=tmp_path)
    assert "s3cret" not in words and URL not in words
    scripts = client_scripts(NEW, options, client=7) if NEW else {}
    assert list(scripts) == ["client-7-0.ffconcat", "client-7-1.ffconcat"]
    for name, text in scripts.items():
        assert "-f concat -safe 0 -protocol_whitelist" in words and f"-i {tmp_path}/{name}" in words
        assert "option headers 'Authorization: Bearer s3cret'\n" in text
        assert "option user_agent 'hlsswarm/1.0/client-7'\n" in text
    assert words.endswith(f"-map 0 -map 1 {END}")
    with pytest.raises(ValueError, match="directory"):
        command(options)


def test_secret_header_with_consent() -> None:
    options = dataclasses.replace(CHOSEN, headers=(SECRET,), headers_in_command_line=True)
    assert command(options).count("s3cret") == 3
    assert NEW is not None and client_scripts(NEW, options, client=1) == {}
    assert "s3cret" not in repr(options)


def test_more_than_one_header_cannot_be_secret() -> None:
    with pytest.raises(UsageError, match="one header out of sight"):
        ClientOptions(URL, headers=(SECRET,), no_cache=True)


def test_resolution() -> None:
    def resolved(way: str, url: str = URL) -> str:
        resolution = Resolution(way, "cdn.example", "192.0.2.7")  # type: ignore[arg-type]
        return command(dataclasses.replace(CHOSEN, url=url, resolution=resolution))

    assert resolved("hosts") == command(CHOSEN)
    assert resolved("proxy", "http://cdn.example/m").count("-http_proxy http://192.0.2.7:80") == 3
    words = resolved("rewrite")
    assert words.count("-headers Host: cdn.example\r\n -tls_verify 0") == 3
    assert words.count("-i https://192.0.2.7/") == 3 and "-i https://cdn" not in words


def test_notes() -> None:
    assert OLD is not None and NEW is not None
    assert CHOSEN.interleaves and not PLAIN.interleaves
    light = dataclasses.replace(CHOSEN, measure="light")
    assert notes(NEW, PLAIN) == ()
    # Told also of what has been changed to light because of it.
    assert "measured light" in notes(NEW, CHOSEN)[0] and notes(NEW, light) == notes(NEW, CHOSEN)
    burst = dataclasses.replace(
        light, pace="realtime", initial_burst_seconds=1.0, headers=(SECRET,)
    )
    assert len(notes(OLD, burst)) == 4
    assert notes(NEW, burst)[1:] == (
        "With a secret header a client does not fetch the Multivariant Playlist itself.",
    )


def test_what_ffmpeg_was_built_with() -> None:
    protocols = "Supported file protocols:\nInput:\n  http\n  https\nOutput:\n  tee\n"
    assert parse_protocols(protocols) == {"http", "https"}
    for middle in (" D  hls             Apple HTTP", " D   hls             Apple HTTP"):
        text = (
            f"File formats:\n D. = Demuxing supported\n --\n{middle}\n D  mov,mp4,m4a  QuickTime\n"
        )
        assert parse_demuxers(text) == {"hls", "mov", "mp4", "m4a"}
