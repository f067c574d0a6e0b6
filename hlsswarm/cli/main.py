"""`hlsswarm`: finds the command and turns errors into a sentence, a hint and an exit status.

What commands there are: `commands`.
"""

from __future__ import annotations

import argparse
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from hlsswarm.cli.arguments import Help, Parser, version_text
from hlsswarm.cli.commands import COMMANDS
from hlsswarm.cli.config_file import read_config
from hlsswarm.cli.output import UnheardError, write_anything
from hlsswarm.errors import ExitStatus, HlsSwarmError

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

    for command in COMMANDS:
        made = commands.add_parser(
            command.name,
            help=command.help,
            description=command.help[0].upper() + command.help[1:] + ".",
            epilog=command.examples,
            formatter_class=Help,
            allow_abbrev=False,
        )
        command.add_arguments(made)
        made.set_defaults(function=command.call)
        if command.name == "run":
            made.set_defaults(**(run_defaults or {}))
    return parser


def with_command(words: Sequence[str]) -> list[str]:
    """The command line with `run` put in where none of the commands is named first.

    `hlsswarm -clients 50 URL` is how the older tools are called.
    """
    names = {command.name for command in COMMANDS}
    if not words or words[0] in {*names, "-h", "--help", "--version"}:
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
