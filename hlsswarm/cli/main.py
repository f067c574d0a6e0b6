"""`hlsswarm`: finds the command and turns errors into a sentence, a hint and an exit status.

What commands there are: `commands`; what only they need is imported when one was named.
"""

from __future__ import annotations

import argparse
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from hlsswarm.cli.commands import COMMANDS, imported
from hlsswarm.cli.output import UnheardError, write_anything
from hlsswarm.cli.parser import Help, Parser, version_text
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


def build_parser(
    command: str | None = None, defaults: Mapping[str, Any] | None = None
) -> argparse.ArgumentParser:
    """All commands by name, and what `command` takes; `defaults` come before its settings' own."""
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

    for each in COMMANDS:
        made = commands.add_parser(
            each.name,
            help=each.help,
            description=each.help[0].upper() + each.help[1:] + ".",
            formatter_class=Help,
            allow_abbrev=False,
        )
        if each.name == command:
            each.add_to(made)
            made.set_defaults(function=each.call, **(defaults or {}))
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
    complete = with_command(words)
    command = complete[0] if complete else None
    parser = build_parser(command)
    arguments, unknown = parser.parse_known_args(complete)
    if arguments.command is None:
        return arguments
    # Once more, with what environment and file say in the place of the defaults.
    given = imported("environment.given_to")(arguments.command, vars(arguments).keys())
    config = getattr(arguments, "config", None) or given.values.get("config")
    if config is not None or given.values:
        from_file = {} if config is None else imported("config_file.read_config")(config)
        parser = build_parser(command, {**from_file, **given.values})
        arguments, unknown = parser.parse_known_args(complete)
    arguments.from_environment = given
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
        imported("environment.warn_of_unknown")(arguments.command)
        return _call(arguments)
    except HlsSwarmError as error:
        _tell(error, debug=debug)
        return int(error.status)
    except KeyboardInterrupt:
        print("hlsswarm: Interrupted.", file=sys.stderr)
        return ExitStatus.ABORTED
    except UnheardError:
        return ExitStatus.ABORTED


def _call(arguments: argparse.Namespace) -> int:
    try:
        return int(arguments.function(arguments))
    except HlsSwarmError as error:
        imported("environment.explain")(error, arguments)
        raise


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
