"""`hlsswarm check`, `config`, `schema` and `options`: a rig's file, and what can stand in it."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
from pathlib import Path

from hlsswarm.api.client import ApiClient, NoDaemonError
from hlsswarm.cli.config_file import problem_line
from hlsswarm.cli.configuration_arguments import CONFIGURATION
from hlsswarm.cli.output import say
from hlsswarm.controller.text_files import read_configuration
from hlsswarm.core import environment, rig_schema, rig_summary
from hlsswarm.core.headers import MASK
from hlsswarm.core.rig import RigConfig
from hlsswarm.core.rig_reading import Reading, read_rig
from hlsswarm.core.rig_text import write_config
from hlsswarm.errors import ConfigurationError, ExitStatus
from hlsswarm.report.files import check_writable, write_atomically

CHECK_SCHEMA = "hlsswarm.check/1"


def check(arguments: argparse.Namespace) -> ExitStatus:
    """Say what is wrong with a file, or what rig it would be."""
    reading = _reading(arguments.file)
    if arguments.json:
        say(json.dumps(_document(arguments.file, reading), indent=2, ensure_ascii=False))
    elif reading.config is None:
        for problem in reading.problems:
            say(problem_line(arguments.file, problem))
        count = len(reading.problems)
        say(f"{count} mistake{'' if count == 1 else 's'} in {arguments.file}.")
    else:
        say(f"{arguments.file} is right: {rig_summary.sentence(reading.config)}")
        for line in rig_summary.lines(reading.config):
            say(f"  {line}")
    return ExitStatus.CONFIGURATION if reading.config is None else ExitStatus.OK


def config(arguments: argparse.Namespace) -> ExitStatus:
    """Write a rig's file anew: in order, and without secrets."""
    text = _rig_text(arguments.source)
    if arguments.write is None:
        say(text.rstrip("\n"))
        return ExitStatus.OK
    check_writable(arguments.write)
    write_atomically(arguments.write, text)
    say(f"Written: {arguments.write}")
    if MASK in text:
        say(f"Secrets were left out: put them in where it says {MASK}.")
    return ExitStatus.OK


def _rig_text(source: Path | None) -> str:
    """The rig of a file; without one the rig that runs, and where none does that of the machine."""
    if source is None:
        with contextlib.suppress(NoDaemonError):
            return ApiClient().text("/v1/configuration")
    return write_config(read_rig_file(source or CONFIGURATION))


def schema(arguments: argparse.Namespace) -> ExitStatus:
    """What a file can hold, for programs."""
    if arguments.api:
        from hlsswarm.api.table import document  # noqa: PLC0415  (it loads the whole rig)

        say(json.dumps(document(), indent=2, ensure_ascii=False))
        return ExitStatus.OK
    shown = (
        {"schema": rig_schema.OPTIONS_SCHEMA, "options": rig_schema.options()}
        if arguments.options
        else rig_schema.json_schema()
    )
    say(json.dumps(shown, indent=2, ensure_ascii=False))
    return ExitStatus.OK


def options(arguments: argparse.Namespace) -> ExitStatus:
    """What a file can hold, for people."""
    if arguments.markdown:
        say(rig_schema.markdown())
        say(environment.markdown().rstrip("\n"))
        return ExitStatus.OK
    for row in rig_schema.options():
        default = "" if row["default"] is None else f" (default {json.dumps(row['default'])})"
        say(f"{row['name']}{default}\n    {row['description']}")
    say("\nAnd as environment variables, of run, demo, origin and doctor:")
    for name, meaning in environment.meanings():
        say(f"{name}\n    {meaning}")
    return ExitStatus.OK


def read_rig_file(path: Path) -> RigConfig:
    """The rig of a file. Raises ConfigurationError with everything that is wrong, a line each."""
    reading = _reading(path)
    if reading.config is None:
        raise ConfigurationError("\n".join(problem_line(path, each) for each in reading.problems))
    return reading.config


def _reading(path: Path) -> Reading:
    return read_rig(read_configuration(path))


def _document(path: Path, reading: Reading) -> dict[str, object]:
    config = reading.config
    return {
        "schema": CHECK_SCHEMA,
        "file": str(path),
        "ok": config is not None,
        "problems": [dataclasses.asdict(problem) for problem in reading.problems],
        "summary": None if config is None else rig_summary.totals(config),
    }
