"""Command lines: from words to a plan, with one sentence for what cannot be meant."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hlsswarm.controller.text_files import read_headers
from hlsswarm.core import plan_settings
from hlsswarm.core.headers import ENVIRONMENT, Header, parse_header_file
from hlsswarm.core.limits import size_text
from hlsswarm.core.managers import MANAGER_KINDS, remote_host
from hlsswarm.core.plan import Plan
from hlsswarm.core.quantities import format_duration
from hlsswarm.core.setting import Setting
from hlsswarm.core.settings import RUN_SETTINGS
from hlsswarm.errors import UsageError

RUN_EXAMPLES = """\
examples:
  hlsswarm run http://127.0.0.1:8080/stream.m3u8
  hlsswarm run -clients 50 -ramp-rate 5 -duration 30m https://cdn.example/live/master.m3u8
  hlsswarm run --clients 200 --ramp-rate 20 --duration 1m --out results URL
  hlsswarm run --clients 5000 --segment 2/5 --out results-2 URL   one of five machines' shares
  hlsswarm run --print-cmd URL          show the command and the unit, and start nothing
  hlsswarm run --memory-max 4G --cpu-quota 150% URL

exit status:
  0 healthy or at_limit   99 failing   105 interrupted   2 usage
  106 could not begin     107 void: our own side broke

A single dash works as well: -clients 50.
"""


def reader(setting: Setting) -> Callable[[str], Any]:
    """argparse's `type` of a setting: says what would be right."""

    def read(text: str) -> Any:
        try:
            return setting.parse(text)
        except ValueError:
            wanted = setting.wanted or "another value"
            raise UsageError(
                f"--{setting.name} {text!r} cannot be read.", hint=f"Give {wanted}."
            ) from None

    return read


def add_settings(parser: argparse.ArgumentParser, settings: Sequence[Setting]) -> None:
    """One option for each setting, by groups."""
    groups: dict[str, Any] = {}
    for setting in settings:
        group = groups.setdefault(setting.group, parser.add_argument_group(setting.group))
        flags = [f"--{setting.name}"] + ([f"-{setting.name}"] if setting.single_dash else [])
        if setting.flag:
            group.add_argument(*flags, dest=setting.key, action="store_true", help=setting.help)
            continue
        group.add_argument(
            *flags,
            dest=setting.key,
            type=reader(setting),
            action="append" if setting.repeat else "store",
            default=None if setting.repeat else setting.default,
            metavar=setting.metavar or None,
            help=setting.help + _default_text(setting),
        )


def _default_text(setting: Setting) -> str:
    default = setting.default
    if default is None or setting.repeat:
        return ""
    if "TIME" in setting.metavar:
        return f" (default {format_duration(default)})"
    if setting.metavar == "SIZE":
        return f" (default {size_text(default)})"
    return f" (default {default:g})" if isinstance(default, float) else f" (default {default})"


def add_manager(parser: argparse.ArgumentParser) -> None:
    """--manager alone, for commands that only look or stop."""
    add_settings(parser, [s for s in RUN_SETTINGS if s.name == "manager"])


def check_manager(kind: str, *, remote: bool = False) -> str:
    """The kind of manager, if there is such a kind; one on another host only if `remote`.

    Raises UsageError.
    """
    try:
        host = remote_host(kind)
    except ValueError as error:
        raise UsageError(f"--manager: {error}.", hint="Give ssh:[USER@]HOST[:PORT].") from None
    if host is not None:
        if not remote:
            raise UsageError(
                "--manager ssh:HOST is for status and stop: what else a command needs beside "
                "systemd (telemetry, files, secrets) would stay on this machine.",
                hint=f"ssh {host} hlsswarm …   (--segment K/N shares a run between hosts)",
            )
        return kind
    if kind not in MANAGER_KINDS:
        raise UsageError(
            f"--manager {kind!r} is no kind of manager.",
            hint=f"Choose one of {', '.join(MANAGER_KINDS)}.",
        )
    return kind


def add_run(parser: argparse.ArgumentParser) -> None:
    """Arguments of `run`."""
    parser.add_argument("url", nargs="?", metavar="URL", help="the playlist's URL (http or https)")
    parser.add_argument(
        "--config",
        "-config",
        type=Path,
        metavar="FILE",
        help="TOML with `url` and any of the settings below; flags come before it",
    )
    add_settings(parser, RUN_SETTINGS)
    output = parser.add_argument_group("modes")
    output.add_argument("-v", "--verbose", action="store_true", help="tell more while it runs")
    output.add_argument(
        "--print-cmd",
        "-print-cmd",
        action="store_true",
        help="print the command and the unit properties of client 1, and start nothing",
    )
    output.add_argument(
        "--check",
        "-check",
        action="store_true",
        help="check everything, run 1 client for 10 s, and fail unless segments arrived",
    )
    output.add_argument(
        "--skip-preflight",
        "-skip-preflight",
        action="store_true",
        help="do not look at the playlist before the start",
    )


def _absolute(path: Path | None) -> Path | None:
    """The path as units need it, which have another working directory."""
    return None if path is None else Path(os.path.abspath(path))  # noqa: PTH100


def _headers(arguments: argparse.Namespace) -> tuple[Header, ...]:
    """Headers of the command line, of a file and of the environment. Raises UsageError."""
    headers: list[Header] = list(arguments.header or ())
    if arguments.header_file is not None:
        headers += read_headers(arguments.header_file)
    secret = os.environ.get(ENVIRONMENT)
    if secret:
        headers += parse_header_file(secret, where=ENVIRONMENT)
    return tuple(headers)


def plan_of(arguments: argparse.Namespace) -> Plan:
    """The plan that the arguments of `run` mean. Raises UsageError."""
    check_manager(arguments.manager)
    values = {**vars(arguments), "ca_file": _absolute(arguments.ca_file)}
    return plan_settings.plan_of(
        values,
        headers=_headers(arguments),
        verbose=arguments.verbose,
        skip_preflight=arguments.skip_preflight,
    )
