"""Environment variables of real command lines: what comes first, and what is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from hlsswarm.cli.arguments import plan_of
from hlsswarm.cli.main import main, parse
from hlsswarm.core.thresholds import parse as threshold
from hlsswarm.errors import ExitStatus

URL = "http://127.0.0.1:8080/stream.m3u8"


def test_flags_before_environment_before_file_before_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "run.toml"
    file.write_text('url = "http://file/x.m3u8"\nclients = 2\nseed = 2\nramp-rate = 2\n')
    monkeypatch.setenv("HLSSWARM_CONFIG", str(file))
    monkeypatch.setenv("HLSSWARM_CLIENTS", "3")
    monkeypatch.setenv("HLSSWARM_SEED", "3")
    made = plan_of(parse(["run", "--seed", "4"]))
    assert (made.client.url, made.ramp_rate_per_second) == ("http://file/x.m3u8", 2)
    assert (made.clients, made.seed, made.duration_seconds) == (3, 4, 0)


def test_a_whole_run_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HLSSWARM_URL", URL)
    monkeypatch.setenv("HLSSWARM_NO_CACHE", "true")
    monkeypatch.setenv("HLSSWARM_THRESHOLD", "http_errors: count==0")
    for words in (["run"], ["-v"]):
        made = plan_of(parse(words))
        assert made.client.url == URL
        assert made.client.no_cache
        assert made.thresholds == (threshold("http_errors: count==0"),)
    more = plan_of(parse(["run", "--threshold", "playback_stalls: rate<1%"]))
    assert len(more.thresholds) == 2, "flags are added to a list"


def test_each_command_takes_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HLSSWARM_PORT", "8099")
    monkeypatch.setenv("HLSSWARM_CLIENTS", "7")
    monkeypatch.setenv("HLSSWARM_MANAGER", "embedded")
    demo = parse(["demo"])
    assert (demo.port, demo.clients, demo.manager) == (8099, 7, "embedded")
    assert parse(["origin", "start"]).port == 8099
    assert parse(["fault", "list"]).port == 8099
    assert parse(["status"]).manager == "embedded"
    assert parse(["doctor"]).clients == 7
    # What has an option of the same name for another thing takes nothing.
    assert parse(["rtsp", "start"]).port != 8099


def test_limits_of_a_run_are_not_those_that_set_limit_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HLSSWARM_MEMORY_MAX", "1G")
    assert parse(["set-limit", "a1"]).memory_max is None


@pytest.mark.parametrize(
    ("words", "variable", "status"),
    [
        (["run", URL], "HLSSWARM_CLIENTS=many", ExitStatus.CONFIGURATION),
        (["demo"], "HLSSWARM_PORT=tcp://10.0.0.1:80", ExitStatus.CONFIGURATION),
        (["origin", "status"], "HLSSWARM_TLS=perhaps", ExitStatus.CONFIGURATION),
        # What only the command itself can judge.
        (["status"], "HLSSWARM_MANAGER=mine", ExitStatus.USAGE),
        (["run", URL], "HLSSWARM_BACKOFF_MIN=0", ExitStatus.USAGE),
    ],
)
def test_the_variable_is_named(
    words: list[str],
    variable: str,
    status: ExitStatus,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name, _, text = variable.partition("=")
    monkeypatch.setenv(name, text)
    assert main(words) == status
    told = capsys.readouterr().err
    assert name in told
    assert told.count("\n") == 2, "a sentence and a hint"


def test_a_flag_that_is_wrong_is_not_blamed_on_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HLSSWARM_MANAGER", "user")
    assert main(["status", "--manager", "mine"]) == ExitStatus.USAGE
    assert "HLSSWARM" not in capsys.readouterr().err


def test_unknown_variables_are_warned_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HLSSWARM_CLINTS", "7")
    assert main(["run", "--print-cmd", "--skip-preflight", URL]) == ExitStatus.OK
    assert "is HLSSWARM_CLIENTS meant?" in capsys.readouterr().err
