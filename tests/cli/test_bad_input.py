"""Bad input, as real commands: one sentence, a hint, the exit status, and nothing left behind.

All cases run side by side when the first one is asked for.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hlsswarm.core.shipped_profiles import PROFILES
from tests.support import BadServer, Finished, bad_server, free_port, place

USAGE, CONFIGURATION, ABORTED, PREFLIGHT = 2, 104, 105, 106
_WORKERS = 4
_URL_HINT = "A playlist's URL looks like http://127.0.0.1:8080/stream.m3u8"
_PLAYER_HINT = "Open the URL in a player first, or use --skip-preflight to start all the same."
_M3U8_HINT = "Give the URL of the .m3u8, not of a page or a segment."
_PORT_HINT = "Choose another with --metrics HOST:PORT, or --metrics off."
_ORIGIN_PORT_HINT = "Choose another with --port, or stop what has it."
_FIELDS_HINT = "`hlsswarm origin profiles --json` shows all fields."
_DURATION_HINT = "Give a duration such as 30m, 90s or 1.5h."
_NO_SYSTEM = not Path("/run/systemd/system").is_dir()


@dataclass(frozen=True)
class Case:
    """A command and what it has to say.

    In `words` and in what is said, {root} is the command's directory, {bad} a server that
    misbehaves, {closed} a port where nobody listens, {busy} one that is taken.
    """

    name: str
    words: tuple[str, ...]
    status: int
    sentence: str
    hint: str
    environment: Mapping[str, str] = field(default_factory=dict)
    out: str = ""
    """What may stand on standard output before."""


def run(name: str, sentence: str, hint: str, *words: str, status: int = PREFLIGHT) -> Case:
    """A case of `hlsswarm run` with metrics off, so that none disturbs the others."""
    return Case(name, ("run", "--metrics", "off", *words), status, sentence, hint)


def url(word: str, sentence: str, hint: str = _PLAYER_HINT) -> Case:
    """A case of a server that misbehaves."""
    return run(f"{word} answer", sentence, hint, "--timeout", "2s", f"{{bad}}/{word}.m3u8")


LIVE = "{bad}/no-segments.m3u8"
"""Passes preflight: what is wrong with such a case is found before anything is started."""
NO_FFMPEG = "{root}/bin"
"""A directory for PATH without ffmpeg and nginx."""

CASES = (
    # --- not to be meant ---
    run(
        "not a URL",
        "'stream.m3u8' is not an http or https URL.",
        _URL_HINT,
        "stream.m3u8",
        status=USAGE,
    ),
    run(
        "ftp URL", "'ftp://h/x' is not an http or https URL.", _URL_HINT, "ftp://h/x", status=USAGE
    ),
    run(
        "control character",
        "The URL holds a control character.",
        _URL_HINT,
        "http://127.0.0.1/\x1b[2J",
        status=USAGE,
    ),
    run(
        "count 0",
        "--clients 0 makes no swarm.",
        "Give a number from 1 to 100000.",
        "--clients",
        "0",
        LIVE,
        status=USAGE,
    ),
    run(
        "negative count",
        "--clients -3 makes no swarm.",
        "Give a number from 1 to 100000.",
        "-clients",
        "-3",
        LIVE,
        status=USAGE,
    ),
    run(
        "segment beyond the last",
        "--segment '6/5' cannot be read.",
        "Give K/N with K from 1 to N, such as 2/5.",
        "--segment",
        "6/5",
        LIVE,
        status=USAGE,
    ),
    run(
        "segment of nobody",
        "--segment 4/5 of 3 clients is nobody.",
        "Cut the plan into 3 segments at most.",
        "--segment",
        "4/5",
        "--clients",
        "3",
        LIVE,
        status=USAGE,
    ),
    run(
        "start without a zone",
        "--start-at '2026-11-21 18:00' cannot be read.",
        "Give a time with its zone, such as 2026-11-21T18:00:00Z, or seconds since 1970.",
        "--start-at",
        "2026-11-21 18:00",
        LIVE,
        status=USAGE,
    ),
    run(
        "count in words",
        "--clients 'many' cannot be read.",
        "Give a number.",
        "--clients",
        "many",
        LIVE,
        status=USAGE,
    ),
    *(
        run(
            f"rate {rate}",
            f"--ramp-rate {rate} is not a rate.",
            "Give the clients to start per second, or 0 to start all at once.",
            f"--ramp-rate={rate}",
            LIVE,
            status=USAGE,
        )
        for rate in ("-1", "nan", "inf")
    ),
    run(
        "negative duration",
        "--duration '-5s' cannot be read.",
        _DURATION_HINT,
        "--duration",
        "-5s",
        LIVE,
        status=USAGE,
    ),
    run(
        "unknown option",
        "There is no option --clinets.",
        "See `hlsswarm run --help`.",
        "--clinets",
        LIVE,
        status=USAGE,
    ),
    run(
        "unknown manager",
        "--manager 'upstart' is no kind of manager.",
        "Choose one of auto, system, user, embedded.",
        "--manager",
        "upstart",
        LIVE,
        status=USAGE,
    ),
    Case(
        "bad metrics address",
        ("run", "--metrics", "nine", LIVE),
        USAGE,
        "--metrics 'nine' cannot be read.",
        "Give HOST:PORT, or off.",
    ),
    # --- the stream ---
    run(
        "nobody listens",
        "http://127.0.0.1:{closed}/x.m3u8 cannot be reached: "
        "the connection was refused (nothing listens there).",
        _PLAYER_HINT,
        "http://127.0.0.1:{closed}/x.m3u8",
    ),
    run(
        "unknown host",
        "http://no-such-host.invalid/x.m3u8 cannot be reached: the host name cannot be resolved.",
        _PLAYER_HINT,
        "--timeout",
        "60s",
        "http://no-such-host.invalid/x.m3u8",
    ),
    run(
        "host that is no name",
        "http://../x.m3u8 cannot be reached: the host name cannot be resolved.",
        _PLAYER_HINT,
        "http://../x.m3u8",
    ),
    run(
        "TLS where there is none",
        "https://127.0.0.1:{badport}/x.m3u8 cannot be reached: TLS failed (wrong version number).",
        _PLAYER_HINT,
        "https://127.0.0.1:{badport}/x.m3u8",
    ),
    url("absent", "The origin answers 404 Not Found for {bad}/absent.m3u8."),
    url("broken", "The origin answers 500 Internal Server Error for {bad}/broken.m3u8."),
    url("escape", "The origin answers 403 [31mred for {bad}/escape.m3u8."),
    url(
        "page",
        "What {bad}/page.m3u8 answers is not an HLS playlist: it does not begin with #EXTM3U.",
        _M3U8_HINT,
    ),
    url("empty", "What {bad}/empty.m3u8 answers is empty."),
    url("headline", "The playlist at {bad}/headline.m3u8 has no segments (yet)."),
    url(
        "far",
        "The playlist at {bad}/far.m3u8 points to file:///etc/passwd, which is not HTTP.",
    ),
    url(
        "loop",
        "{bad}/loop.m3u8 redirects to nowhere "
        "(302 The HTTP server returned a redirect error that would lead to an infinite loop.).",
    ),
    url(
        "closed",
        "{bad}/closed.m3u8 cannot be reached: the connection was closed without an answer.",
    ),
    url(
        "nonsense", "{bad}/nonsense.m3u8 cannot be reached: what listens there does not speak HTTP."
    ),
    url(
        "huge",
        "What {bad}/huge.m3u8 answers is too large for a playlist.",
        "Give the URL of the .m3u8, not of a media file.",
    ),
    url("silent", "{bad}/silent.m3u8 cannot be reached: no answer in time."),
    url("drip", "{bad}/drip.m3u8 cannot be reached: no answer in time."),
    # --- what a run stands on ---
    Case(
        "busy metrics port",
        ("run", "--metrics", "127.0.0.1:{busy}", LIVE),
        PREFLIGHT,
        "The metrics address 127.0.0.1:{busy} cannot be used: Address already in use.",
        _PORT_HINT,
    ),
    Case(
        "busy metrics port of a demo",
        ("demo", "--port", "{closed}", "--metrics", "127.0.0.1:{busy}"),
        PREFLIGHT,
        "The metrics address 127.0.0.1:{busy} cannot be used: Address already in use.",
        _PORT_HINT,
    ),
    Case(
        "no ffmpeg",
        ("run", "--metrics", "off", LIVE),
        PREFLIGHT,
        "ffmpeg is not installed.",
        "apt-get install ffmpeg",
        {"PATH": NO_FFMPEG},
    ),
    run(
        "ffmpeg that is not there",
        "/nonexistent/ffmpeg does not exist or cannot be executed.",
        "apt-get install ffmpeg",
        "--ffmpeg",
        "/nonexistent/ffmpeg",
        LIVE,
    ),
    run(
        "ffmpeg that is another program",
        "/bin/true does not answer as ffmpeg does.",
        "Name another with --ffmpeg PATH.",
        "--ffmpeg",
        "/bin/true",
        LIVE,
    ),
    run(
        "ffmpeg that is a directory",
        "/usr/bin does not exist or cannot be executed.",
        "apt-get install ffmpeg",
        "--ffmpeg",
        "/usr/bin",
        LIVE,
    ),
    run(
        "ffmpeg that is a text",
        "{root}/text cannot be run: Exec format error.",
        "Name another with --ffmpeg PATH.",
        "--ffmpeg",
        "{root}/text",
        LIVE,
    ),
    run(
        "JSON in a place that takes no file",
        "No file can be written in /proc: No such file or directory.",
        "Choose another place for --json.",
        "--json",
        "/proc/x.json",
        LIVE,
    ),
    run(
        "JSON in no directory",
        "The directory {root}/no does not exist.",
        "mkdir -p {root}/no",
        "--json",
        "{root}/no/x.json",
        LIVE,
    ),
    run(
        "JSON on a directory",
        "{root} is a directory.",
        "Give the name of a file.",
        "--json",
        "{root}",
        LIVE,
    ),
    run(
        "report on a file",
        "{root}/text is not a directory.",
        "Choose another place for --out.",
        "--out",
        "{root}/text",
        LIVE,
    ),
    run(
        "report on an earlier run",
        "{root}/old holds a run already.",
        "Give --out another directory.",
        "--out",
        "{root}/old",
        LIVE,
    ),
    Case(
        "report of a demo on an earlier run",
        ("demo", "--port", "{closed}", "--metrics", "off", "--out", "{root}/old"),
        PREFLIGHT,
        "{root}/old holds a run already.",
        "Give --out another directory.",
    ),
    # --- the origin ---
    Case(
        "no nginx",
        ("origin", "start", "--port", "{closed}", "--nginx", "/nonexistent/nginx"),
        PREFLIGHT,
        "/nonexistent/nginx does not exist or cannot be executed.",
        "apt-get install nginx-light",
        out="Starting the test origin default …\n",
    ),
    Case(
        "origin without ffmpeg",
        ("origin", "start", "--port", "{closed}"),
        PREFLIGHT,
        "ffmpeg is not installed.",
        "apt-get install ffmpeg",
        {"PATH": NO_FFMPEG},
        out="Starting the test origin default …\n",
    ),
    Case(
        "busy port of an origin",
        ("origin", "start", "--port", "{busy}"),
        PREFLIGHT,
        "Port {busy} of 127.0.0.1 cannot be used: Address already in use.",
        _ORIGIN_PORT_HINT,
        out="Starting the test origin default …\n",
    ),
    Case(
        "unknown profile",
        ("origin", "start", "--port", "{closed}", "--profile", "8k"),
        USAGE,
        "There is no profile '8k'.",
        f"There is: {', '.join(PROFILES)}.",
        out="Starting the test origin 8k …\n",
    ),
    Case(
        "port that is none",
        ("origin", "start", "--port", "http"),
        USAGE,
        "--port 'http' cannot be read.",
        "Give a number from 1 to 65535.",
    ),
    Case(
        "address that is none",
        ("origin", "start", "--port", "{closed}", "--listen", "here"),
        USAGE,
        "--listen 'here' is not an IP address.",
        "Give, say, 127.0.0.1.",
        out="Starting the test origin default …\n",
    ),
    Case(
        "fields of a profile that there are not",
        ("origin", "start", "--port", "{closed}", "--set", "segment=1", "--set", "x"),
        CONFIGURATION,
        "--set: 'x' is not FIELD=VALUE. There is no field 'segment'. Is segment_seconds meant?",
        _FIELDS_HINT,
        out="Starting the test origin default …\n",
    ),
    Case(
        "what ffmpeg cannot do together",
        (
            *("origin", "start", "--port", "{closed}"),
            *("--set", "container=fmp4", "--set", "encryption=aes-128"),
        ),
        CONFIGURATION,
        "--set: Encryption aes-128 needs container ts: ffmpeg's hls muxer encrypts no fmp4.",
        _FIELDS_HINT,
        out="Starting the test origin default …\n",
    ),
    Case(
        "a profile's file that is not there",
        ("origin", "start", "--port", "{closed}", "--profile", "none.toml"),
        CONFIGURATION,
        "The profile none.toml cannot be read: No such file or directory.",
        "`hlsswarm origin profiles` lists those that there are.",
        out="Starting the test origin none.toml …\n",
    ),
    Case(
        "a source that is not there",
        ("origin", "start", "--port", "{closed}", "--source", "/nonexistent.mp4"),
        PREFLIGHT,
        "--source /nonexistent.mp4 cannot be read: No such file or directory.",
        "Give a video file; `hlsswarm video generate` makes one.",
        out="Starting the test origin default …\n",
    ),
    Case(
        "a source that is no film",
        ("origin", "start", "--port", "{closed}", "--source", "/etc/passwd"),
        PREFLIGHT,
        "--source /etc/passwd has no picture that ffmpeg can read.",
        "Give a video file; `hlsswarm video generate` makes one.",
        out="Starting the test origin default …\n",
    ),
    Case(
        "a directory that is not there",
        ("origin", "start", "--port", "{closed}", "--serve", "/nonexistent"),
        PREFLIGHT,
        "--serve /nonexistent is not a directory.",
        "`--serve media` is the one of preview encoders and ladders.",
        out="Starting the test origin of /nonexistent …\n",
    ),
    # --- status and stop ---
    Case(
        "unknown run",
        ("stop", "a1b2c3"),
        USAGE,
        "There is no run a1b2c3.",
        "`hlsswarm status` shows what runs.",
    ),
    Case(
        "run that cannot be",
        ("stop", "../etc"),
        USAGE,
        "'../etc' cannot be a run.",
        "Runs have 1 to 16 characters of a-z and 0-9.",
    ),
    Case(
        "stop nothing",
        ("stop",),
        USAGE,
        "Name the runs to stop, or --all.",
        "`hlsswarm status` shows what runs.",
    ),
    Case(
        "stop both",
        ("stop", "a1", "--all"),
        USAGE,
        "Name the runs to stop, or --all.",
        "`hlsswarm status` shows what runs.",
    ),
)
WITHOUT_MANAGERS = (
    run(
        "no system manager",
        "systemd does not run here as PID 1.",
        "Use --manager embedded or auto.",
        "--manager",
        "system",
        LIVE,
    ),
    run(
        "no user manager",
        "There is no systemd --user for this session: XDG_RUNTIME_DIR is not set.",
        "Log in through a session manager (loginctl enable-linger USER), or be root.",
        "--manager",
        "user",
        LIVE,
    ),
    Case(
        "status of no system manager",
        ("status", "--manager", "system"),
        PREFLIGHT,
        "systemd does not run here as PID 1.",
        "Use --manager embedded or auto.",
    ),
)
ALL_CASES = {case.name: case for case in (*CASES, *(WITHOUT_MANAGERS if _NO_SYSTEM else ()))}


@dataclass(frozen=True)
class Surroundings:
    """What cases are filled in with."""

    server: BadServer
    busy: int

    def carry_out(self, case: Case) -> tuple[Finished, str, str, list[str]]:
        """Run a case; how it ended, what it had to say, and what it left."""
        with place() as here:
            (here.root / "bin").mkdir()
            (here.root / "old").mkdir()
            (here.root / "old/summary.json").write_text("old\n")
            text = here.root / "text"
            text.write_text("no program\n")
            text.chmod(0o755)
            values = {
                "root": str(here.root),
                "bad": f"http://127.0.0.1:{self.server.port}",
                "badport": str(self.server.port),
                "busy": str(self.busy),
                "closed": str(free_port()),
            }

            def filled(template: str) -> str:
                for name, value in values.items():
                    template = template.replace(f"{{{name}}}", value)
                return template

            before = sorted(path.name for path in here.root.rglob("*"))
            environment = {key: filled(value) for key, value in case.environment.items()}
            environment.setdefault("XDG_RUNTIME_DIR", "")
            finished = here.run(*map(filled, case.words), env=environment)
            here.nothing_left()
            after = sorted(path.name for path in here.root.rglob("*"))
            new = [name for name in after if name not in before]
            return finished, filled(case.sentence), filled(case.hint), new


Outcomes = dict[str, Future[tuple[Finished, str, str, list[str]]]]


@pytest.fixture(scope="module")
def outcomes() -> Iterator[Outcomes]:
    with (
        bad_server() as server,
        socket.create_server(("127.0.0.1", 0)) as busy,
        ThreadPoolExecutor(_WORKERS) as pool,
    ):
        surroundings = Surroundings(server, busy.getsockname()[1])
        yield {case.name: pool.submit(surroundings.carry_out, case) for case in ALL_CASES.values()}


@pytest.mark.parametrize("name", ALL_CASES)
def test_bad_input(outcomes: Outcomes, name: str) -> None:
    case = ALL_CASES[name]
    finished, sentence, hint, new = outcomes[name].result()
    assert finished.err == f"hlsswarm: {sentence}\n  Hint: {hint}\n"
    assert finished.status == case.status
    assert finished.out == case.out
    assert new == []


def test_every_name_is_one_case() -> None:
    assert len(ALL_CASES) == len(CASES) + (len(WITHOUT_MANAGERS) if _NO_SYSTEM else 0)


def test_debug_shows_where(outcomes: Outcomes) -> None:
    with place() as here:
        for words in (("--debug", "run", "ftp://x"), ("run", "ftp://x", "--debug")):
            finished = here.run(*words)
            assert finished.status == USAGE
            assert finished.err.startswith("Traceback ")
            assert "hlsswarm: 'ftp://x' is not an http or https URL.\n  Hint: " in finished.err


def test_the_preflight_says_who_it_is_and_shows_its_password() -> None:
    with bad_server() as server, place() as here:
        at = server.url("headline").replace("://", "://me:p%40ss@")
        finished = here.run("run", "--metrics", "off", at)
        assert finished.status == PREFLIGHT
        path, agent, headers = server.seen[-1]
        assert path == "/headline.m3u8"
        assert agent == "hlsswarm/1.0/preflight"
        assert headers["Authorization"] == "Basic bWU6cEBzcw=="


def test_a_terminal_that_knows_no_unicode_is_no_error() -> None:
    with place() as here:
        finished = here.run("origin", "start", "--profile", "8k", env={"PYTHONIOENCODING": "ascii"})
        assert finished.status == USAGE
        assert finished.out == "Starting the test origin 8k ?\n"


def test_output_that_is_closed_is_no_traceback() -> None:
    """As `hlsswarm status | true`, and `hlsswarm --help >&-`."""
    with place() as here:
        reader, writer = os.pipe()
        os.close(reader)
        for stdout in (writer, os.open("/dev/full", os.O_WRONLY)):
            ended = subprocess.run(
                [sys.executable, "-m", "hlsswarm", "status"],
                env=dict(here.environment),
                stdout=stdout,
                stderr=subprocess.PIPE,
                check=False,
            )
            os.close(stdout)
            assert (ended.returncode, ended.stderr) == (ABORTED, b"")
