"""`check`, `config`, `schema` and `options` as they are called."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from hlsswarm.cli.main import main
from hlsswarm.core.rig_reading import read_rig
from hlsswarm.errors import ExitStatus

RIGHT = """\
[[origin]]
name = "main"
[[swarm]]
name = "evening"
url = "http://user:geheim@127.0.0.1:8080/stream.m3u8"
clients = 200
[[swarm]]
name = "more"
url = "http://127.0.0.1:8080/stream.m3u8"
clients = 50
[[swarm]]
name = "never"
enabled = false
"""
WRONG = RIGHT.replace("clients = 200", "clints = 200").replace("[[origin]]", "[[orgin]]")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rig.toml"
    path.write_text(RIGHT)
    return path


def test_a_right_file_is_summed_up(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(file)]) == ExitStatus.OK
    out = capsys.readouterr().out
    assert out.startswith(f"{file} is right: 1 origin, 2 swarms of 250 clients; 1 disabled.\n")
    assert 'swarm "evening": 200 clients of http://***@127.0.0.1:8080/stream.m3u8\n' in out
    assert "geheim" not in out


def test_a_wrong_file_is_told_line_by_line(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(WRONG)
    assert main(["check", str(file)]) == ExitStatus.CONFIGURATION
    assert capsys.readouterr().out.splitlines() == [
        f"{file}:1: orgin: There is no setting 'orgin'. Is origin meant?",
        f"{file}:6: swarm[1].clints (swarm \"evening\"): There is no setting 'clints'. "
        "Is clients meant?",
        f"2 mistakes in {file}.",
    ]


def test_check_for_programs(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json", str(file)]) == ExitStatus.OK
    document = json.loads(capsys.readouterr().out)
    assert document["ok"]
    assert document["summary"]["clients"] == 250
    file.write_text(WRONG)
    assert main(["check", "--json", str(file)]) == ExitStatus.CONFIGURATION
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "hlsswarm.check/1"
    assert document["summary"] is None
    assert document["problems"][1] == {
        "line": 6,
        "where": "swarm[1].clints",
        "item": 'swarm "evening"',
        "sentence": "There is no setting 'clints'.",
        "hint": "Is clients meant?",
    }


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b""])
def test_files_that_are_none(
    tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x"
    if content is not None:
        path.write_bytes(content)
    expected = ExitStatus.OK if content == b"" else ExitStatus.CONFIGURATION
    assert main(["check", str(path)]) == expected
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert ("cannot be read" in said.err) == (expected is not ExitStatus.OK)


def test_a_device_in_the_place_of_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "/dev/zero"]) == ExitStatus.CONFIGURATION
    assert "it is too long" in capsys.readouterr().err


def test_config_writes_the_same_rig_without_secrets(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "written.toml"
    assert main(["config", "--from", str(file), "--write", str(written)]) == ExitStatus.OK
    assert "Secrets were left out" in capsys.readouterr().out
    text = written.read_text()
    assert "geheim" not in text
    assert read_rig(text.replace("***", "user:geheim")).config == read_rig(RIGHT).config
    assert main(["config", "--from", str(file)]) == ExitStatus.OK
    assert capsys.readouterr().out == text


def test_config_of_a_wrong_file_writes_nothing(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(WRONG)
    written = tmp_path / "written.toml"
    status = main(["config", "--from", str(file), "--write", str(written)])
    assert status == ExitStatus.CONFIGURATION
    assert not written.exists()
    assert f"{file}:6: " in capsys.readouterr().err


def test_schema_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == ExitStatus.OK
    jsonschema.Draft202012Validator.check_schema(json.loads(capsys.readouterr().out))
    assert main(["schema", "--options"]) == ExitStatus.OK
    names = [row["name"] for row in json.loads(capsys.readouterr().out)["options"]]
    assert main(["options"]) == ExitStatus.OK
    lines = capsys.readouterr().out.splitlines()
    keys = lines[: lines.index("")]  # what follows are variables
    assert [line.split(" ")[0] for line in keys if not line.startswith(" ")] == names
    assert main(["options", "--markdown"]) == ExitStatus.OK
    keys_then_variables = capsys.readouterr().out.partition("| Variable")
    assert keys_then_variables[0].count("\n| `") == len(names)
    assert "HLSSWARM_CLIENTS" in keys_then_variables[2]


def test_it_needs_neither_systemd_nor_its_library(file: Path, tmp_path: Path) -> None:
    """A file is checked where it is written, which may be another machine."""
    (tmp_path / "pystemd").mkdir()
    (tmp_path / "pystemd" / "__init__.py").write_text("raise SystemError('asked for systemd')")
    done = subprocess.run(
        [sys.executable, "-m", "hlsswarm", "check", str(file)],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{Path.cwd()}", "PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
