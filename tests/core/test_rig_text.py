"""A rig that is written is the same when it is read, and its secrets are not in it."""

from __future__ import annotations

from typing import Any

import tomli_w
from hypothesis import HealthCheck, given, settings

from hlsswarm.core.rig_reading import read_rig
from hlsswarm.core.rig_text import document_of, write_config
from tests.core.rig_documents import right_documents

SECRET = """\
[[swarm]]
name = "a"
url = "http://user:geheim1@cdn.example/x.m3u8?token=geheim2&v=1"
header = ["Authorization: Bearer geheim3", "X-Plain: yes"]
header-file = "/run/secrets/header"
[[encoder]]
name = "cam"
input = "rtsp://user:geheim4@cam.example/1"
enabled = false
"""


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(right_documents())
def test_what_is_written_is_read_as_the_same_rig(document: dict[str, Any]) -> None:
    config = read_rig(tomli_w.dumps(document)).config
    assert config is not None
    text = write_config(config)
    again = read_rig(text)
    assert again.problems == ()
    assert again.config == config
    assert again.config is not None
    assert write_config(again.config) == text
    assert document_of(again.config) == document_of(config)


def test_the_form_is_that_of_files_by_hand() -> None:
    text = (
        'manager = "user"\n\n[metrics]\nlisten = "off"\n\n'
        '[[origin]]\nname = "main"\nport = 8081\n\n'
        '[[swarm]]\nname = "evening"\nenabled = false\nduration = "30m"\n'
        "threshold = [\n"
        '    "segments: count>0",\n'
        "]\n"
    )
    config = read_rig(text).config
    assert config is not None
    assert write_config(config) == text


def test_secrets_are_left_out_and_missed_when_it_is_read() -> None:
    config = read_rig(SECRET).config
    assert config is not None
    text = write_config(config)
    assert "geheim" not in text
    assert "X-Plain: yes" in text
    assert "/run/secrets/header" in text
    problems = read_rig(text).problems
    assert [problem.where for problem in problems] == [
        "encoder[1].input",
        "swarm[1].url",
        "swarm[1].header[1]",
    ]
    assert all("secret" in problem.sentence for problem in problems)


def test_no_secret_is_in_a_message() -> None:
    wrong = SECRET.replace("http://", "ftp://").replace("rtsp://", "gopher://")
    wrong = wrong.replace('["Authorization', '["Authorization:\\n')
    problems = read_rig(wrong.replace("header = [", "header = [3, ")).problems
    assert len(problems) >= 3
    assert "geheim" not in str(problems)
    (problem,) = read_rig(
        SECRET.replace("header = [", "header =").replace(', "X-Plain: yes"]', "")
    ).problems
    assert "geheim" not in str(problem)
