"""A run's settings as TOML."""

from __future__ import annotations

from pathlib import Path

import pytest

from hlsswarm.cli.arguments import plan_of
from hlsswarm.cli.config_file import read_config
from hlsswarm.cli.main import main, parse
from hlsswarm.core.thresholds import parse as threshold
from hlsswarm.errors import ConfigurationError, ExitStatus, UsageError

CONFIG = """
url = "http://127.0.0.1:8080/stream.m3u8"
clients = 200
ramp-rate = 20.5
duration = "30m"
metrics = "off"
no_cache = true
reconnect = false
memory-max = "2G"
threshold = ["segment_seconds: p(95)<0.5", "http_errors: count==0"]
header = ["X-Test: a"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.toml"
    path.write_text(CONFIG)
    return path


def test_every_kind_of_value_is_read_as_its_flag_is(file: Path) -> None:
    plan = plan_of(parse(["run", "--config", str(file)]))
    assert plan.client.url == "http://127.0.0.1:8080/stream.m3u8"
    assert (plan.clients, plan.ramp_rate_per_second, plan.duration_seconds) == (200, 20.5, 1800)
    assert plan.metrics is None
    assert plan.client.no_cache
    assert not plan.client.reconnect
    assert plan.swarm_limits.memory_max_bytes == 2 << 30
    assert plan.thresholds == (
        threshold("segment_seconds: p(95)<0.5"),
        threshold("http_errors: count==0"),
    )
    assert [header.name for header in plan.client.headers] == ["X-Test"]


def test_flags_come_before_the_file(file: Path) -> None:
    words = ["run", "--config", str(file), "--clients", "3", "http://h/x.m3u8"]
    plan = plan_of(parse(words))
    assert (plan.clients, plan.client.url) == (3, "http://h/x.m3u8")
    assert plan.duration_seconds == 1800


def test_without_a_url_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("clients = 3\n")
    with pytest.raises(UsageError, match="URL is missing"):
        plan_of(parse(["run", "--config", str(path)]))


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(
        'clints = 3\nduration = "soon"\nthreshold = ["x"]\nno-cache = 1\nheader = "A: b"\n'
    )
    with pytest.raises(ConfigurationError) as caught:
        read_config(path)
    for word in ("'clints'", "clients", "'soon'", "'x' is not", "true or false", "is a list"):
        assert word in caught.value.message


@pytest.mark.parametrize("text", ["clients = ", "\xff", "[clients]\na = 1"])
def test_no_traceback_for_what_is_no_configuration(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(text.encode("latin-1"))
    assert main(["run", "--config", str(path)]) == ExitStatus.CONFIGURATION
    assert main(["run", "--config", str(tmp_path / "absent")]) == ExitStatus.CONFIGURATION
    assert "Traceback" not in capsys.readouterr().err
