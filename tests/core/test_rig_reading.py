"""A rig's file: what it gives, and every mistake with its line and what would be right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.encoder_options import EncoderOptions
from hlsswarm.core.origin_options import OriginOptions
from hlsswarm.core.plan import Address, Plan
from hlsswarm.core.rig import RigConfig
from hlsswarm.core.rig_reading import Problem, read_rig
from tests.support import REPOSITORY

SWARM = '[[swarm]]\nname = "a"\nurl = "http://127.0.0.1:8080/stream.m3u8"\n'
ORIGIN = '[[origin]]\nname = "main"\n'


def rig(text: str) -> RigConfig:
    reading = read_rig(text)
    assert reading.config is not None, reading.problems
    return reading.config


def told(text: str) -> tuple[Problem, ...]:
    reading = read_rig(text)
    assert reading.config is None
    return reading.problems


# --- what is meant --------------------------------------------------------------------------------


def test_an_empty_file_is_an_empty_rig() -> None:
    config = rig("")
    assert config == RigConfig()
    assert list(config.items()) == []
    assert config.metrics["listen"] == Address("127.0.0.1", 9090)
    assert config.api["listen"] is None


def test_items_hold_what_their_commands_work_with() -> None:
    config = rig(
        SWARM + 'clients = 200\nheader = ["X-A: b"]\n'
        'threshold = ["segment_seconds: p(95)<0.5"]\nclient-memory-max = "64M"\n'
        + ORIGIN
        + "port = 8081\ntls = true\n"
        '[[encoder]]\nname = "live/cam"\ninput = "lavfi:testsrc2"\nsize = "640x360"\n'
        '[[ladder]]\nname = "lad"\nrungs = "720p"\n'
        '[[publisher]]\nname = "cams"\nurl = "rtsp://127.0.0.1:8554/"\nstreams = 5\n'
    )
    plan, origin = config.swarms[0].options, config.origins[0].options
    assert isinstance(plan, Plan)
    assert (plan.clients, plan.run_id, plan.metrics) == (200, "a", None)
    assert plan.client.headers[0].name == "X-A"
    assert plan.client_limits.memory_max_bytes == 64 << 20
    assert isinstance(origin, OriginOptions)
    assert (origin.port, origin.tls, origin.run) == (8081, True, "origin8081")
    encoder = config.encoders[0].options
    assert isinstance(encoder, EncoderOptions)
    assert (encoder.name, str(encoder.settings.size)) == ("live/cam", "640x360")
    assert [rung.name for rung in config.ladders[0].values["rungs"]] == ["720p"]
    assert config.publishers[0].values["streams"] == 5
    assert [item.run for item in config.items()] == ["origin8081", "encoders", "lad", "cams", "a"]


def test_what_is_disabled_may_be_unfinished() -> None:
    (item,) = rig('[[swarm]]\nname = "a"\nenabled = false\n').swarms
    assert not item.enabled
    assert item.options is None


def test_the_example_of_the_repository_is_right() -> None:
    config = rig((REPOSITORY / "systemd" / "hlsswarm.toml").read_text())
    assert config.origins
    assert config.swarms


# --- what cannot be meant -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "where", "words"),
    [
        ("x = 1\n", 1, "x", "There is no setting 'x'."),
        ("\n[metrcs]\n", 2, "metrcs", "Is metrics meant?"),
        ('manager = "mine"\n', 1, "manager", "Give one of auto, system"),
        ("metrics = 3\n", 1, "metrics", "Write [metrics]."),
        ('[swarm]\nname = "a"\n', 1, "swarm", "Write [[swarm]]"),
        ("swarm = [1]\n", 1, "swarm", "Write [[swarm]]"),
        ("[metrics]\nlisten = 9090\n", 2, "metrics.listen", "HOST:PORT, or off"),
        ('[api]\nlisten = ":1"\n', 2, "api.listen", "token-file"),
        ('[api]\ntls-cert = "/c"\n', 2, "api.tls-cert", "Give tls-key."),
        ('[api]\nsocket = "api.sock"\n', 2, "api.socket", "Begin it with /."),
        ('[api]\nlisten = ":9090"\ntoken-file = "/t"\n', 2, "api.listen", "taken by [metrics]"),
        ('[[swarm]]\nurl = "http://h/x"\n', 1, "swarm[1]", "It has no name."),
        ('[[swarm]]\nname = "a"\n', 1, "swarm[1]", "It has no url."),
        (SWARM.replace('"a"', '"A b"'), 2, "swarm[1].name", "a-z and 0-9"),
        (SWARM.replace('"a"', "3"), 2, "swarm[1].name", "text in quotes"),
        (SWARM.replace("http", "ftp"), 3, "swarm[1].url", "http or https"),
        (SWARM + "clients = 0\n", 4, "swarm[1].clients", "The least is 1."),
        (SWARM + "clients = 100001\n", 4, "swarm[1].clients", "The most is 100000."),
        (SWARM + "timeout = 0\n", 4, "swarm[1].timeout", "must be above 0"),
        (SWARM + 'backoff-max = "1ms"\n', 4, "swarm[1].backoff-max", "at most backoff-max"),
        (SWARM + 'threshold = [\n"x"]\n', 5, "swarm[1].threshold[1]", "segment_seconds"),
        (SWARM + "run-id = 'b'\n", 4, "swarm[1].run-id", "There is no setting 'run-id'."),
        (SWARM + "ca-file = '/x'\n", 4, "swarm[1].ca-file", "says nothing without tls-verify"),
        (SWARM + "header = ['a: ***']\n", 4, "swarm[1].header[1]", "secret was taken out"),
        (SWARM + SWARM, 5, "swarm[2].name", "There are two of the name 'a'."),
        (SWARM + '[[ladder]]\nname = "a"\n', 2, "swarm[1].name", 'ladder "a" has the same run'),
        (SWARM + "out = '/x'\n", 4, "swarm[1].out", "There is no setting 'out'."),
        (ORIGIN + "access-log = '/x'\n" + ORIGIN.replace("main", "b") + "port = 1\n"
         "access-log = '/x'\n", 7, "origin[2].access-log", 'origin "main" writes /x too'),
        (ORIGIN + ORIGIN.replace("main", "b"), 3, "origin[2].port", 'taken by origin "main"'),
        (ORIGIN + "port = 9090\n", 3, "origin[1].port", "taken by [metrics]"),
        (ORIGIN + "profile = 'x'\n", 3, "origin[1].profile", "There is no profile 'x'."),
        ('[[encoder]]\nname = "a"\ninput = "a.mp4"\n', 3, "encoder[1].input", "absolute path"),
        ('[[encoder]]\nname = "a"\ninput = "x://"\n', 3, "encoder[1].input", "no input"),
        ('[[encoder]]\nname = "/"\ninput = "/a"\n', 2, "encoder[1].name", "live/cam1"),
        ('[[ladder]]\nname = "l"\n"odd\\n key" = 1\n', 3, r'ladder[1]."odd\n key"', "no setting"),
    ],
)  # fmt: skip
def test_one_mistake(text: str, line: int, where: str, words: str) -> None:
    (problem,) = told(text)
    assert (problem.line, problem.where) == (line, where)
    assert words in str(problem)
    assert "--" not in str(problem)


def test_all_mistakes_are_told_in_their_order() -> None:
    problems = told(
        "manger = 1\n" + SWARM + 'clients = 0\nramp_rate = 1\nramp-rate = -1\npace = "slow"\n'
        "backoff-min = 0\ntimeout = 0\nsummary-interval = 0\n"
    )
    assert [problem.line for problem in problems] == [1, 5, 6, 7, 8, 9, 10, 11]
    assert {problem.item for problem in problems[1:]} == {'swarm "a"'}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = \n", 1),
        ("\n\n[x\n", 3),
        ("a = 1\na = 2\n", 2),
        (f"a = {'[' * 5000}", None),
        (f"a = {'9' * 5000}", None),
        ("\0", 1),
    ],
)
def test_what_is_no_toml(text: str, line: int | None) -> None:
    (problem,) = told(text)
    assert problem.line == line
    assert problem.sentence.endswith(".")


@pytest.mark.parametrize("depth", [10, 100, 200, 300, 400, 450, 480, 1000])
def test_lists_in_lists(depth: int) -> None:
    assert len(told(f"manager = {'[' * depth}{']' * depth}\n")) == 1


def test_ports_of_what_is_disabled_are_free() -> None:
    rig(ORIGIN + "enabled = false\n" + ORIGIN.replace("main", "b"))
    rig(ORIGIN.replace("main", "a") + 'port = 9090\nlisten = "127.0.0.2"\n')


@given(st.text(max_size=80) | st.text("[]{}=\"'\n.,#aswarmnurl1", max_size=60))
def test_no_text_is_a_traceback(text: str) -> None:
    reading = read_rig(text)
    assert (reading.config is None) == bool(reading.problems)
