"""`hlsswarm`: finds the command and turns errors into a sentence, a hint and an exit status.

A command's own modules are imported only when it is called, so that `--help` comes at once.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hlsswarm.cli.arguments import (
    RUN_EXAMPLES,
    Help,
    Parser,
    add_manager,
    add_run,
    add_settings,
    version_text,
)
from hlsswarm.cli.config_file import read_config
from hlsswarm.cli.origin_arguments import ORIGIN_EXAMPLES, add_demo, add_origin
from hlsswarm.cli.output import UnheardError, write_anything
from hlsswarm.cli.report_arguments import REPORT_EXAMPLES, add_report
from hlsswarm.core.settings import RUN_SETTINGS
from hlsswarm.errors import ExitStatus, HlsSwarmError

DOCTOR_SETTINGS = ("clients", "ramp-rate", "measure", "ffmpeg", "manager")

Command = Callable[[argparse.Namespace], ExitStatus]

_DESCRIPTION = """\
Find where a streaming origin or CDN breaks before the viewers do: swarms of real ffmpeg HLS
clients, each a transient systemd unit.
"""
_EXAMPLES = """\
examples:
  hlsswarm demo                                   origin, 20 clients, summary, all stopped again
  hlsswarm origin start                           a live test stream on 127.0.0.1:8080
  hlsswarm run http://127.0.0.1:8080/stream.m3u8  10 clients until Ctrl+C
  hlsswarm -clients 50 -duration 30m URL          `run` may be left out
  hlsswarm report results --format html           a page with plots of a kept run
  hlsswarm status                                 what runs, as systemd has it
  hlsswarm stop --all                             end everything
"""


def _later(module: str, function: str) -> Command:
    """A command whose module is imported when it is called."""

    def call(arguments: argparse.Namespace) -> ExitStatus:
        command: Command = getattr(importlib.import_module(f"hlsswarm.cli.{module}"), function)
        return command(arguments)

    return call


_RUN = _later("run_command", "run")
_DOCTOR = _later("run_command", "doctor")
_REPORT = _later("report_command", "report")
_STATUS = _later("runs_command", "status")
_STOP = _later("runs_command", "stop")
_ORIGIN = _later("origin_command", "origin")
_DEMO = _later("origin_command", "demo")


def build_parser(run_defaults: Mapping[str, Any] | None = None) -> argparse.ArgumentParser:
    """The whole command line; `run_defaults` come before the settings' own."""
    parser = Parser(
        prog="hlsswarm",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=Help,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=version_text())
    parser.add_argument("--debug", action="store_true", help="show tracebacks (any command)")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)

    def command(name: str, text: str, function: Command, epilog: str) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog=epilog,
            formatter_class=Help,
            allow_abbrev=False,
        )
        made.set_defaults(function=function)
        return made

    run = command("run", "run a swarm of clients against a stream", _RUN, RUN_EXAMPLES)
    add_run(run)
    run.set_defaults(**(run_defaults or {}))
    doctor = command(
        "doctor",
        "hold this machine against what so many clients need",
        _DOCTOR,
        "examples:\n  hlsswarm doctor --clients 1000 --ramp-rate 50\n",
    )
    add_settings(doctor, [s for s in RUN_SETTINGS if s.name in DOCTOR_SETTINGS])
    add_report(
        command(
            "report",
            "show what `run --out DIR` has kept, of one run or of several together",
            _REPORT,
            REPORT_EXAMPLES,
        )
    )
    status = command(
        "status",
        "show runs and units, as systemd has them",
        _STATUS,
        "examples:\n  hlsswarm status\n  hlsswarm status --units\n  hlsswarm status --json\n",
    )
    add_manager(status)
    status.add_argument("--units", action="store_true", help="list every unit")
    status.add_argument("--json", action="store_true", help="as JSON")
    stop = command(
        "stop",
        "end runs and test origins, whoever started them",
        _STOP,
        "examples:\n  hlsswarm stop a1b2c3\n  hlsswarm stop --all\n",
    )
    add_manager(stop)
    stop.add_argument("run", nargs="*", metavar="RUN", help="runs to end")
    stop.add_argument("--all", action="store_true", help="end everything of hlsswarm")
    add_origin(command("origin", "run the test origin", _ORIGIN, ORIGIN_EXAMPLES))
    add_demo(
        command(
            "demo",
            "start the test origin, run a swarm against it, sum up, stop everything",
            _DEMO,
            "examples:\n  hlsswarm demo\n  hlsswarm demo --clients 50 --duration 1m\n",
        )
    )
    return parser


COMMANDS = ("run", "report", "doctor", "status", "stop", "origin", "demo")


def with_command(words: Sequence[str]) -> list[str]:
    """The command line with `run` put in where none of the commands is named first.

    `hlsswarm -clients 50 URL` is how the older tools are called.
    """
    if not words or words[0] in {*COMMANDS, "-h", "--help", "--version"}:
        return list(words)
    return ["run", *words]


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command line taken apart. Raises UsageError."""
    parser = build_parser()
    arguments, unknown = parser.parse_known_args(with_command(words))
    if getattr(arguments, "config", None) is not None:
        # Once more, with what the file says in the place of the defaults.
        parser = build_parser(run_defaults=read_config(arguments.config))
        arguments, unknown = parser.parse_known_args(with_command(words))
    if unknown:
        # argparse itself would point to the help of all commands.
        parser.prog += f" {arguments.command}"
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its exit status."""
    if argv is None:
        _end_in_order()
    write_anything()
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        arguments = parse(words)
        if arguments.command is None:
            build_parser().print_help()
            return ExitStatus.USAGE
        return int(arguments.function(arguments))
    except HlsSwarmError as error:
        _tell(error, debug=debug)
        return int(error.status)
    except KeyboardInterrupt:
        print("hlsswarm: Interrupted.", file=sys.stderr)
        return ExitStatus.ABORTED
    except UnheardError:
        return ExitStatus.ABORTED


def _end_in_order() -> None:
    """SIGTERM, and the end of the terminal, do what Ctrl+C does, at any moment of any command."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup(1) has SIGHUP ignored
            signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))


def _tell(error: HlsSwarmError, *, debug: bool) -> None:
    if debug:
        traceback.print_exception(error)
    print(f"hlsswarm: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"  Hint: {error.hint}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
