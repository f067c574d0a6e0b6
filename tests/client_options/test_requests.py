"""What a client asks for under each option, by nginx's log, on every ffmpeg that there is."""

from __future__ import annotations

import dataclasses
import itertools
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hlsswarm.core.commands import ClientOptions, client_command, client_scripts
from hlsswarm.core.headers import NO_TRAILING_CRLF, parse_header, parse_header_file
from hlsswarm.core.resolve import choose_way, not_covered
from hlsswarm.core.selection import Selection, VariantWish
from hlsswarm.core.variants import ffprobe_command, select, select_program
from hlsswarm.errors import ConfigurationError
from hlsswarm.telemetry.ffmpeg_program import find_ffmpeg
from tests.client_options.web import (
    HTTP_PORT,
    NAME,
    PROGRAMS,
    SEGMENTS,
    TLS_ADDRESS,
    TLS_PORT,
    Web,
    run,
    version_of,
)

every_ffmpeg = pytest.mark.parametrize("program", PROGRAMS)
SUCCESS = {200, 206}


@pytest.fixture
def agent(request: pytest.FixtureRequest) -> Iterator[str]:
    """A user agent that no other test has."""
    yield f"{request.node.name.replace('/', '_')}-"


def play(
    program: str, options: ClientOptions, *, scripts: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one client of the product to the end of its VOD."""
    version = version_of(program)
    for name, text in client_scripts(version, options, client=1).items():
        assert scripts is not None
        with os.fdopen(os.open(scripts / name, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(text)
    command = client_command(Path(program), version, options, client=1, scripts=scripts)
    return run(command)


def chosen(origin: Web, playlist: str, wish: VariantWish) -> Selection:
    text = (origin.root / "www" / playlist).read_text()
    return select(text, origin.url(playlist), wish, on_failure="fail")


def media(folder: str, extra: int = 0) -> dict[str, int]:
    return {f"{folder}/ts": SEGMENTS + extra, f"{folder}/m3u8": 1}


@every_ffmpeg
@pytest.mark.parametrize(("wish", "folder"), [("highest", "m3"), ("lowest", "m1"), ("first", "m1")])
def test_only_the_chosen_variant_is_fetched(
    origin: Web, agent: str, program: str, wish: VariantWish, folder: str
) -> None:
    options = ClientOptions(
        origin.url("master.m3u8"),
        user_agent=agent,
        selection=chosen(origin, "master.m3u8", wish),
    )
    assert play(program, options).returncode == 0
    assert origin.counts(agent) == {"master.m3u8": 1} | media(folder)
    assert {r.agent for r in origin.requests(agent)} == {f"{agent}/client-1"}


@every_ffmpeg
def test_only_the_audio_that_is_played_is_fetched(origin: Web, agent: str, program: str) -> None:
    options = ClientOptions(
        origin.url("groups.m3u8"),
        user_agent=agent,
        selection=chosen(origin, "groups.m3u8", "highest"),
    )
    assert play(program, options).returncode == 0
    counts = origin.counts(agent)
    # The muxer cuts audio at its own frames: one segment more.
    assert counts == {"groups.m3u8": 1} | media("v3") | media("a2", extra=1)


@every_ffmpeg
def test_all_fetches_everything(origin: Web, agent: str, program: str) -> None:
    options = ClientOptions(origin.url("master.m3u8"), user_agent=agent)
    assert play(program, options).returncode == 0
    wanted = {"master.m3u8": 1} | media("m1") | media("m2") | media("m3")
    assert origin.counts(agent) == wanted


@every_ffmpeg
def test_a_chosen_variant_that_is_gone_ends_the_client(
    origin: Web, agent: str, program: str
) -> None:
    selection = select(
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\ngone/i.m3u8\n",
        origin.url("master.m3u8"),
        "first",
        on_failure="fail",
    )
    options = ClientOptions(origin.url("master.m3u8"), user_agent=agent, selection=selection)
    assert play(program, options).returncode != 0


def test_ffprobe_finds_programs(origin: Web) -> None:
    """The route for what is no HLS text, held against HLS, where the answer is known."""
    ffprobe = Path(shutil.which("ffprobe") or "/nowhere")
    command = ffprobe_command(
        ffprobe, origin.url("master.m3u8"), timeout_seconds=5, user_agent="probe"
    )
    selection = select_program(run(command).stdout, "highest", on_failure="fail")
    assert selection.program == 1
    assert "program 2 of 3: 300 kbit/s" in selection.sentence


@every_ffmpeg
def test_headers_reach_every_request(origin: Web, agent: str, program: str) -> None:
    options = ClientOptions(
        origin.url("groups.m3u8"),
        user_agent=agent,
        selection=chosen(origin, "groups.m3u8", "first"),
        headers=(parse_header('X-Token: it\'s "a" \\ token'), parse_header("X-Other: 2")),
        no_cache=True,
    )
    assert play(program, options).returncode == 0
    requests = origin.requests(agent)
    assert len(requests) == 1 + 2 + 2 * SEGMENTS + 1
    assert {(r.token, r.other) for r in requests} == {('it\'s "a" \\ token', "2")}
    assert {(r.cache_control, r.pragma) for r in requests} == {("no-cache", "no-cache")}


@every_ffmpeg
@pytest.mark.parametrize("playlist", ["master.m3u8", "groups.m3u8"])
def test_a_secret_header_is_sent_and_never_seen(
    origin: Web, agent: str, program: str, playlist: str, tmp_path: Path
) -> None:
    secret = "s3cr3t 'quoted' \\ = ; # \"x\""
    options = ClientOptions(
        origin.url(playlist),
        user_agent=agent,
        selection=chosen(origin, playlist, "highest"),
        headers=parse_header_file(f"# a comment\n\nX-Token: {secret}\r\n"),
    )
    done = play(program, options, scripts=tmp_path)
    assert done.returncode == 0, done.stderr
    requests = origin.requests(agent)
    with_audio = playlist == "groups.m3u8"
    assert len(requests) == (1 + SEGMENTS) * (1 + with_audio) + with_audio
    assert {request.token for request in requests} == {secret}
    assert {request.agent for request in requests} == {f"{agent}/client-1"}
    said = " ".join(done.args) + done.stdout + done.stderr + repr(options)
    assert "s3cr3t" not in said
    warnings = [line for line in done.stderr.splitlines() if "[warning]" in line]
    assert all(line.endswith(NO_TRAILING_CRLF) for line in warnings)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


@every_ffmpeg
def test_http_goes_to_another_address(origin: Web, agent: str, program: str) -> None:
    """Without mount namespaces: nested playlist, key and segments by absolute URLs."""
    url = f"http://named.example.test:{HTTP_PORT}/named.m3u8"
    resolution = choose_way(
        url,
        "127.0.0.1",
        mount_namespaces=False,
        dangerous=False,
        tls_verifies_by_default=False,
    )
    options = ClientOptions(url, user_agent=agent, resolution=resolution)
    assert play(program, options).returncode == 0
    wanted = {"named.m3u8": 1, "key.bin": 1} | media("enc")
    assert origin.counts(agent) == wanted
    assert {r.host.partition(":")[0] for r in origin.requests(agent)} == {"named.example.test"}


@every_ffmpeg
def test_https_goes_to_another_address(origin: Web, agent: str, program: str) -> None:
    """Without mount namespaces, and dangerous: only where certificates go unchecked by default."""
    from hlsswarm.controller.machine import checks_certificates

    if checks_certificates(find_ffmpeg(program)):
        with pytest.raises(ConfigurationError, match="needs mount namespaces"):
            choose_way(
                origin.tls_url("enc/i.m3u8"),
                TLS_ADDRESS,
                mount_namespaces=False,
                dangerous=True,
                tls_verifies_by_default=True,
            )
        return
    url = origin.tls_url("enc/i.m3u8")
    resolution = choose_way(
        url,
        TLS_ADDRESS,
        mount_namespaces=False,
        dangerous=True,
        tls_verifies_by_default=False,
    )
    options = ClientOptions(url, user_agent=agent, resolution=resolution)
    assert play(program, options).returncode == 0
    assert origin.counts(agent) == {"key.bin": 1} | media("enc")
    assert {r.host for r in origin.requests(agent)} == {f"{NAME}:{TLS_PORT}"}
    assert {r.sni for r in origin.requests(agent)} == {""}
    absolute = (origin.root / "www/enc/tls.m3u8").read_text()
    assert len(not_covered(absolute, origin.tls_url("enc/tls.m3u8"), resolution)) == SEGMENTS + 1


def test_pace(origin: Web) -> None:
    """A VOD at once, as it is watched, and with a burst: all ffmpegs side by side."""
    paces = {
        "max": ClientOptions(origin.url("m1/i.m3u8"), pace="max"),
        "real": ClientOptions(origin.url("m1/i.m3u8"), pace="realtime"),
        "burst": ClientOptions(origin.url("m1/i.m3u8"), pace="realtime", initial_burst_seconds=6),
    }
    versions = {program: version_of(program) for program in PROGRAMS}
    processes = []
    for number, program in enumerate(PROGRAMS):
        for name, options in paces.items():
            named = dataclasses.replace(options, user_agent=f"pace-{name}-{number}")
            command = client_command(Path(program), versions[program], named, client=1)
            processes.append(
                subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
    time.sleep(9.5)
    for process in processes:
        process.kill()
        process.wait()
    for number, program in enumerate(PROGRAMS):
        assert len(gaps(origin, f"pace-max-{number}")) == SEGMENTS - 1
        assert sum(gaps(origin, f"pace-max-{number}")) < 1.5
        check_gaps(gaps(origin, f"pace-real-{number}"), at_once=3)
        burst = 5 if versions[program].has_initial_burst else 3
        check_gaps(gaps(origin, f"pace-burst-{number}"), at_once=burst)


def gaps(origin: Web, agent: str) -> list[float]:
    """Seconds between the segments of a client."""
    times = [r.at for r in origin.requests(agent) if r.uri.endswith(".ts")]
    return [later - earlier for earlier, later in itertools.pairwise(times)]


def check_gaps(found: list[float], *, at_once: int) -> None:
    """A few segments at once, one wait that depends on the version, then one every 2 s."""
    assert sum(found[: at_once - 1]) < 0.7
    assert 1.0 < found[at_once - 1] < 4.5
    assert len(found) > at_once
    assert all(abs(gap - 2) < 0.4 for gap in found[at_once:])


def test_every_status_was_a_success(origin: Web) -> None:
    """Last in this file: nothing was asked for that is not there, but what was to be missing."""
    failed = {r.uri for r in origin.requests() if r.status not in SUCCESS}
    assert failed <= {"/gone/i.m3u8"}
