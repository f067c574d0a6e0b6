"""Command lines become plans; what cannot be meant becomes one sentence."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.cli.arguments import plan_of
from hlsswarm.cli.commands import COMMANDS as ALL_COMMANDS
from hlsswarm.cli.main import main, parse, with_command
from hlsswarm.core.backoff import Backoff
from hlsswarm.core.origin_settings import ORIGIN_SETTINGS
from hlsswarm.core.plan import Address, Plan
from hlsswarm.core.settings import RUN_SETTINGS
from hlsswarm.errors import HlsSwarmError, UsageError

URL = "http://127.0.0.1:8080/stream.m3u8"
AT_A_NAME = "https://origin.test:8080/stream.m3u8"
COMMANDS = [command.name for command in ALL_COMMANDS]
PATHS = {"json", "out", "header-file", "ca-file"}
"""Settings whose value is looked for on the machine, or changes no more than where files go."""


def parsed(*words: str) -> argparse.Namespace:
    return parse(words)


def plan(*words: str) -> Plan:
    return plan_of(parsed(*words))


def told(*words: str) -> HlsSwarmError:
    with pytest.raises(UsageError) as error:
        plan(*words)
    return error.value


# --- what is meant ---------------------------------------------------------------------------


def test_defaults_are_those_of_the_issue() -> None:
    made = plan("run", URL)
    assert made.client.url == URL
    assert made.clients == 10
    assert made.ramp_rate_per_second == 5
    assert made.ramp_jitter_seconds == 0.2
    assert made.duration_seconds == 0
    assert made.metrics == Address("127.0.0.1", 9090)
    assert made.summary_interval_seconds == 5
    assert made.json_file is None
    assert made.manager == "auto"
    assert made.backoff == Backoff(0.5, 30.0)
    assert not made.verbose


def test_the_older_tools_command_line_works_unchanged() -> None:
    old = plan("-clients", "50", "-ramp-rate", "5", "-duration", "30m", URL)
    assert old == plan("run", "--clients", "50", "--ramp-rate", "5", "--duration", "30m", URL)
    assert (old.clients, old.ramp_rate_per_second, old.duration_seconds) == (50, 5, 1800)


def test_every_setting_takes_one_dash_or_two() -> None:
    shown = {
        "clients": "7",
        "ramp-rate": "2.5",
        "ramp-jitter": "1s",
        "duration": "1.5h",
        "seed": "-3",
        "segment": "2/5",
        "start-at": "1795176000",
        "run-id": "abc1",
        "user-agent": "me/2",
        "timeout": "3s",
        "backoff-min": "1s",
        "backoff-max": "2m",
        "ffmpeg": "/opt/ffmpeg",
        "manager": "user",
        "memory-max": "4G",
        "cpu-quota": "150%",
        "tasks-max": "99",
        "memory-high": "1G",
        "cpu-weight": "50",
        "io-weight": "20",
        "client-memory-high": "64M",
        "client-cpu-quota": "20%",
        "client-cpu-weight": "10",
        "client-tasks-max": "8",
        "client-oom-policy": "kill",
        "client-memory-max": "64M",
        "metrics": ":9100",
        "measure": "light",
        "variant": "highest",
        "probe-failure": "fail",
        "wait-for-stream": "2m",
        "resolve": "127.0.0.2",
        "header": "X-Test: yes",
        "pace": "realtime",
        "fault": "at=1s for=2s status=503",
        "reconnect": "off",
        "reconnect-delay": "7",
        "seg-retry": "1",
        "threshold": "http_errors: count==0",
        "allow-host": "cdn.example",
        "ip-filter": "off",
        "sandbox": "basic",
        "network-namespace": "clients1",
        "nginx-metrics": "http://127.0.0.1:8080/nginx_status",
        "origin-metrics": "http://127.0.0.1:9100/metrics",
        "summary-interval": "200ms",
    }
    for setting in RUN_SETTINGS:
        name = setting.name
        if name in PATHS:
            continue
        if getattr(setting, "flag", False):
            one, two = plan(f"-{name}", AT_A_NAME), plan(f"--{name}", AT_A_NAME)
            assert one == two
        else:
            assert name in shown, f"a value of --{name} is missing in this test"
            value = shown[name]
            one, two = plan(f"-{name}", value, AT_A_NAME), plan(f"--{name}", value, AT_A_NAME)
            assert one == two == plan(f"--{name}={value}", AT_A_NAME)
        assert one != plan(AT_A_NAME), f"--{name} changes nothing"


def test_files_take_one_dash_or_two() -> None:
    made = plan("-json", "x.json", "-out", "results", URL)
    assert made == plan("--json", "x.json", "--out", "results", URL)
    assert (made.json_file, made.out_directory) == (Path("x.json"), Path("results"))


def test_options_may_stand_behind_the_url() -> None:
    assert plan("run", URL, "--clients", "3", "-v") == plan("-v", "-clients", "3", URL)
    assert plan("-v", URL).verbose


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30m", 1800), ("90s", 90), ("1.5h", 5400), ("200ms", 0.2), ("45", 45), ("1h30m", 5400)],
)
def test_durations(text: str, seconds: float) -> None:
    assert plan("--duration", text, URL).duration_seconds == seconds


@pytest.mark.parametrize("text", ["off", "none"])
def test_metrics_can_be_switched_off(text: str) -> None:
    assert plan("--metrics", text, URL).metrics is None


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:9100", "127.0.0.1", 9100),
        (":9100", "0.0.0.0", 9100),
        ("[::1]:9100", "::1", 9100),
        ("localhost:0", "localhost", 0),
    ],
)
def test_metrics_addresses(text: str, host: str, port: int) -> None:
    assert plan("--metrics", text, URL).metrics == Address(host, port)


def test_limits_reach_the_units() -> None:
    made = plan(
        "--memory-max", "2G", "--cpu-quota", "150%", "--tasks-max", "99",
        "--client-memory-max", "64M", URL,
    )  # fmt: skip
    assert made.swarm_limits.memory_max_bytes == 2 << 30
    assert made.swarm_limits.cpu_quota == 1.5
    assert made.swarm_limits.tasks_max == 99
    assert made.client_limits.memory_max_bytes == 64 << 20


@pytest.mark.parametrize(
    "url",
    [
        "https://cdn.example/a%20b/$x.m3u8?token=a&b='c\"d",
        "http://user:pass@[::1]:8080/é.m3u8#t=1",
        "HTTP://127.0.0.1/x",
        "http://127.0.0.1",
    ],
)
def test_urls_are_kept_as_they_are(url: str) -> None:
    assert plan(url).client.url == url


def test_demo_differs_from_run_where_its_help_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = parsed("demo")
    assert (arguments.clients, arguments.duration) == (20, 30.0)
    assert arguments.out == Path("hlsswarm-report")
    assert (arguments.port, arguments.listen, arguments.profile) == (8080, "127.0.0.1", "default")
    with pytest.raises(SystemExit):
        parsed("demo", "--help")
    words = " ".join(capsys.readouterr().out.split())
    for default in ("(default 20)", "(default 30s)", "(default hlsswarm-report)", "(default 8080)"):
        assert default in words


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], []),
        (["--help"], ["--help"]),
        (["--version"], ["--version"]),
        (["status"], ["status"]),
        ([URL], ["run", URL]),
        (["-v", URL], ["run", "-v", URL]),
        (["-json", "status", URL], ["run", "-json", "status", URL]),
        (["run", "run"], ["run", "run"]),
    ],
)
def test_run_may_be_left_out(words: list[str], expected: list[str]) -> None:
    assert with_command(words) == expected


# --- help ------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_has_examples_and_returns_0(
    command: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"] if command else ["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: hlsswarm {command or '[-h]'}")
    examples = text.partition("examples:\n")[2].splitlines()
    assert examples[0].startswith(f"  hlsswarm {command or ''}".rstrip())
    assert all(len(line) <= 100 for line in text.splitlines())


def test_examples_in_the_help_are_right(capsys: pytest.CaptureFixture[str]) -> None:
    """Each example line parses."""
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        examples = capsys.readouterr().out.partition("examples:\n")[2].partition("\n\n")[0]
        for line in examples.splitlines():
            words = line.strip().split("  ")[0].split()
            assert words[0] == "hlsswarm"
            parsed(*(URL if word == "URL" else word for word in words[1:]))


def test_help_of_run_names_every_setting_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    text = capsys.readouterr().out.partition("\n\n")[2]
    for setting in RUN_SETTINGS:
        assert len(re.findall(rf"\n  --{setting.name}[ \n]", text)) == 1, setting.name
    assert "(default 256M)" in text
    assert " -clients N" not in text.replace("--clients N", "")
    assert "A single dash works as well" in text


def test_settings_have_what_help_needs() -> None:
    for setting in (*RUN_SETTINGS, *ORIGIN_SETTINGS):
        assert setting.help
        assert setting.metavar or getattr(setting, "flag", False)
        assert setting.help[0].islower() or setting.help[0].isupper()


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("hlsswarm ")


def test_nothing_shows_help_and_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "examples:" in capsys.readouterr().out


# --- what cannot be meant --------------------------------------------------------------------

_DURATION_HINT = "Give a duration such as 30m, 90s or 1.5h."


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ((), "The playlist's URL is missing.", "Give it last, or as `url` in --config."),
        ((URL, URL), f"{URL} is one word too many.", "See `hlsswarm run --help`."),
        (("--clinets", "5", URL), "There is no option --clinets.", "See `hlsswarm run --help`."),
        ((URL, "--clients"), "--clients lacks its value.", "See `hlsswarm run --help`."),
        ((URL, "-clients"), "--clients lacks its value.", "See `hlsswarm run --help`."),
        ((URL, "--print-cmd=1"), "--print-cmd takes no value.", "See `hlsswarm run --help`."),
        (("--clients", "many", URL), "--clients 'many' cannot be read.", "Give a number."),
        (("--clients", "1.5", URL), "--clients '1.5' cannot be read.", "Give a number."),
        (("--clients", "", URL), "--clients '' cannot be read.", "Give a number."),
        (
            ("--clients", "0", URL),
            "--clients 0 makes no swarm.",
            "Give a number from 1 to 100000.",
        ),
        (
            ("--clients", "-5", URL),
            "--clients -5 makes no swarm.",
            "Give a number from 1 to 100000.",
        ),
        (
            ("--clients", "9" * 30, URL),
            f"--clients {'9' * 30} makes no swarm.",
            "Give a number from 1 to 100000.",
        ),
        (
            ("--ramp-rate", "-1", URL),
            "--ramp-rate -1 is not a rate.",
            "Give the clients to start per second, or 0 to start all at once.",
        ),
        (
            ("--ramp-rate", "nan", URL),
            "--ramp-rate nan is not a rate.",
            "Give the clients to start per second, or 0 to start all at once.",
        ),
        (
            ("--ramp-rate=-inf", URL),
            "--ramp-rate -inf is not a rate.",
            "Give the clients to start per second, or 0 to start all at once.",
        ),
        (
            ("--ramp-rate", "inf", URL),
            "--ramp-rate inf is not a rate.",
            "Give the clients to start per second, or 0 to start all at once.",
        ),
        (("--duration", "-5s", URL), "--duration '-5s' cannot be read.", _DURATION_HINT),
        (("--duration", "-0.5", URL), "--duration '-0.5' cannot be read.", _DURATION_HINT),
        (("--duration", "soon", URL), "--duration 'soon' cannot be read.", _DURATION_HINT),
        (("--duration", "nan", URL), "--duration 'nan' cannot be read.", _DURATION_HINT),
        (("--duration", "999999d", URL), "--duration '999999d' cannot be read.", _DURATION_HINT),
        (("--timeout", "0", URL), "--timeout must be above 0.", "Give, say, 15s."),
        (
            ("--summary-interval", "0s", URL),
            "--summary-interval must be above 0.",
            "Give, say, 5s.",
        ),
        (
            ("--backoff-min", "9s", "--backoff-max", "1s", URL),
            "--backoff-min must be above 0 and at most --backoff-max.",
            "The defaults are 0.5s and 30s.",
        ),
        (
            ("--memory-max", "99999999T", URL),
            "--memory-max '99999999T' cannot be read.",
            "Give a size such as 512M or 2G.",
        ),
        (
            ("--cpu-quota", "0%", URL),
            "--cpu-quota '0%' cannot be read.",
            "Give a share such as 150%.",
        ),
        (
            ("--tasks-max", "0", URL),
            "--tasks-max '0' cannot be read.",
            "Give a whole number from 1 on.",
        ),
        (
            ("--tasks-max", "9" * 30, URL),
            f"--tasks-max '{'9' * 30}' cannot be read.",
            "Give a whole number from 1 on.",
        ),
        (
            ("--metrics", "9090", URL),
            "--metrics '9090' cannot be read.",
            "Give HOST:PORT, or off.",
        ),
        (
            ("--metrics", "127.0.0.1:65536", URL),
            "--metrics '127.0.0.1:65536' cannot be read.",
            "Give HOST:PORT, or off.",
        ),
        (
            ("--manager", "upstart", URL),
            "--manager 'upstart' is no kind of manager.",
            "Choose one of auto, system, user, embedded.",
        ),
        (
            ("--run-id", "A-b", URL),
            "--run-id 'A-b' cannot name a run.",
            "Use 1 to 16 characters of a-z and 0-9.",
        ),
        (
            ("--user-agent", "x\r\nEvil: 1", URL),
            "--user-agent holds characters that no HTTP header can have.",
            "Give, say, hlsswarm/1.0.",
        ),
    ],
)
def test_what_cannot_be_meant(words: tuple[str, ...], message: str, hint: str) -> None:
    error = told("run", *words)
    assert (error.message, error.hint) == (message, hint)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("stream.m3u8", "'stream.m3u8' is not an http or https URL."),
        ("ftp://127.0.0.1/x", "'ftp://127.0.0.1/x' is not an http or https URL."),
        ("file:///etc/passwd", "'file:///etc/passwd' is not an http or https URL."),
        ("http://", "'http://' is not an http or https URL."),
        ("http:///x", "'http:///x' is not an http or https URL."),
        ("", "'' is not an http or https URL."),
        ("http://127.0.0.1/a\nb", "The URL holds a control character."),
        ("http://127.0.0.1/\x1b[2J", "The URL holds a control character."),
        ("http://127.0.0.1/\udcff", "The URL is not UTF-8."),
    ],
)
def test_urls_that_cannot_be_meant(url: str, message: str) -> None:
    error = told("run", url)
    assert error.message == message
    assert error.hint


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/x", "http://[::1/x", "http://h:port/"])
def test_urls_that_cannot_be_parsed(url: str) -> None:
    assert told("run", url).message.startswith(f"{url!r} is not a URL: ")


def test_a_wrong_action_of_origin() -> None:
    with pytest.raises(UsageError, match="restart is none of "):
        parsed("origin", "restart")


def test_ports_of_an_origin() -> None:
    for text in ("0", "-1", "65536", "http", "٨٠", ""):
        with pytest.raises(UsageError, match=r"--port .* cannot be read"):
            parsed("origin", "start", "--port", text)


@given(
    name=st.sampled_from([s.name for s in RUN_SETTINGS if s.name not in PATHS]),
    value=st.text(max_size=30),
)
def test_no_value_is_a_traceback(name: str, value: str) -> None:
    """Any text for any setting is a plan or a UsageError, and a plan has a schedule."""
    try:
        made = plan("run", f"--{name}={value}", URL)
    except UsageError as error:
        assert "\n" not in error.message.replace(repr(value), "")
        assert error.hint
    else:
        if made.clients < 1000:
            assert len(made.schedule()) == made.clients


@given(url=st.text(max_size=60))
def test_no_url_is_a_traceback(url: str) -> None:
    try:
        assert plan("run", "--", url).client.url == url
    except UsageError as error:
        assert error.hint
