"""Settings as TOML: the same names as the flags, from the same table.

url = "http://127.0.0.1:8080/stream.m3u8"
clients = 200
duration = "30m"
threshold = ["segment_seconds: p(95)<0.5", "http_errors: count==0"]
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hlsswarm.controller.text_files import read_configuration
from hlsswarm.core.rig_reading import Problem, located, toml_problem
from hlsswarm.core.setting import Setting
from hlsswarm.core.setting_values import Path as KeyPath
from hlsswarm.core.setting_values import Wrong, read_table
from hlsswarm.core.settings import RUN_SETTINGS
from hlsswarm.core.toml_lines import key_lines
from hlsswarm.errors import ConfigurationError


def read_config(path: Path) -> dict[str, Any]:
    """Values by setting. Raises ConfigurationError with everything that is wrong in the file."""
    return read_values(path, read_document(path), RUN_SETTINGS, texts=("url",))


def read_document(path: Path) -> dict[str, Any]:
    """A TOML file as it is. Raises ConfigurationError."""
    try:
        return tomllib.loads(read_configuration(path))
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(problem_line(path, toml_problem(error))) from None


def read_values(
    path: Path,
    table: Mapping[str, Any],
    settings: Sequence[Setting],
    *,
    texts: Sequence[str],
    where: KeyPath = (),
) -> dict[str, Any]:
    """Values of a table of the file, by setting; `texts` are keys that are taken as they are.

    `where` is the table's place in the file. Raises ConfigurationError with everything that is
    wrong in the table, a line each.
    """
    plain = {key: value for key, value in table.items() if key in texts}
    rest = {key: value for key, value in table.items() if key not in texts}
    read = read_table(settings, rest, either_dash=True)
    wrong = [Wrong((*where, *each.path), each.sentence, each.hint) for each in read.wrong]
    wrong += (
        Wrong((*where, key), f"{key} is text.", "Write it in quotes.")
        for key, value in plain.items()
        if not isinstance(value, str)
    )
    if wrong:
        problems = located(wrong, {}, key_lines(read_configuration(path)))
        raise ConfigurationError("\n".join(problem_line(path, each) for each in problems))
    # argparse appends to what it finds, and can do so to lists alone.
    lists = {row.key for row in settings if row.repeat}
    values = {key: list(v) if key in lists else v for key, v in read.values.items()}
    return {**plain, **values}


def problem_line(path: Path, problem: Problem) -> str:
    """`FILE:LINE: key: what is wrong`, as editors understand it."""
    line = "" if problem.line is None else f":{problem.line}"
    return f"{path}{line}: {problem}"
