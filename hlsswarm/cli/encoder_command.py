"""`hlsswarm encoder`: preview encoders."""

from __future__ import annotations

import argparse
import json
import time

from hlsswarm.cli.arguments import check_manager
from hlsswarm.cli.output import say
from hlsswarm.core.encoder_options import EncoderOptions, encoder_options
from hlsswarm.core.preview import check_name
from hlsswarm.core.quantities import format_duration
from hlsswarm.encoders import preview
from hlsswarm.encoders.preview_list import EncoderStatus, document, encoders, playlist_of
from hlsswarm.errors import ExitStatus, UsageError

ENCODERS_SCHEMA = "hlsswarm.encoders/1"


def encoder(arguments: argparse.Namespace) -> ExitStatus:
    """Start, stop or show preview encoders."""
    kind = check_manager(arguments.manager)
    actions = {"start": _start, "stop": _stop, "list": _list, "path": _path}
    return actions[arguments.action](arguments, kind)


def _options(arguments: argparse.Namespace, kind: str) -> EncoderOptions:
    values = {**vars(arguments), "manager": kind}
    return encoder_options(_one_name(arguments), values, wait=not arguments.no_wait)


def _one_name(arguments: argparse.Namespace) -> str:
    names: list[str] = arguments.name
    if len(names) != 1:
        raise UsageError(
            f"`encoder {arguments.action}` needs the name of one encoder.",
            hint="Such as cam1 or live/cam1.",
        )
    return names[0]


def _start(arguments: argparse.Namespace, kind: str) -> ExitStatus:
    options = _options(arguments, kind)
    playlist = preview.start(options)
    if playlist is None:
        say(f"The encoder {options.name} runs already: {playlist_of(kind, options.name)}")
        return ExitStatus.OK
    say(f"The encoder {options.name} {'writes' if options.wait else 'will write'} {playlist}")
    say(f"`hlsswarm encoder stop {options.name}` ends it.")
    return ExitStatus.OK


def _stop(arguments: argparse.Namespace, kind: str) -> ExitStatus:
    wanted: list[str] = [check_name(name) for name in arguments.name]
    if bool(wanted) == arguments.all:
        raise UsageError(
            "Name the encoders to stop, or --all.", hint="`hlsswarm encoder list` shows them."
        )
    if arguments.all:
        wanted = [status.name for status in encoders(kind)]
    stopped = preview.stop(kind, wanted)
    for name in stopped:
        say(f"Stopped {name}.")
    missing = [name for name in wanted if name not in stopped]
    if missing and not arguments.all:
        raise UsageError(
            f"No encoder {', '.join(missing)} runs.", hint="`hlsswarm encoder list` shows them."
        )
    if not stopped:
        say("No encoder runs.")
    return ExitStatus.OK


def _path(arguments: argparse.Namespace, kind: str) -> ExitStatus:
    say(str(playlist_of(kind, _one_name(arguments))))
    return ExitStatus.OK


def _list(arguments: argparse.Namespace, kind: str) -> ExitStatus:
    if arguments.name:
        raise UsageError("`encoder list` takes no name.", hint="It shows all.")
    found = encoders(kind)
    if arguments.json:
        shown = {"schema": ENCODERS_SCHEMA, "encoders": document(found)}
        say(json.dumps(shown, indent=2, ensure_ascii=False))
        return ExitStatus.OK
    if not found:
        say("No encoder runs.")
    width = max((len(status.name) for status in found), default=0)
    for status in found:
        for line in _lines(status, width):
            say(line)
    return ExitStatus.OK


def _lines(status: EncoderStatus, width: int) -> list[str]:
    """One encoder: what systemd says of it, and what it writes."""
    since = "" if status.since is None else f" for {_ago(status.since)}"
    restarts = f"{status.restarts} restart{'' if status.restarts == 1 else 's'}"
    facts = [f"{status.state} ({status.sub_state}){since}", restarts]
    if status.speed is not None:
        slow = ", too slow for real time" if status.is_too_slow else ""
        facts.append(f"speed {status.speed:.2f}{slow}")
    listed = "1 segment" if status.segments == 1 else f"{status.segments} segments"
    facts.append(f"{listed} listed")
    lines = [f"{status.name:<{width}}  {', '.join(facts)}"]
    lines.append(f"{'':<{width}}  {status.input} -> {status.playlist}")
    if status.last_log_line and (status.restarts or status.sub_state != "running"):
        lines.append(f"{'':<{width}}  last message: {status.last_log_line}")
    return lines


def _ago(since: float) -> str:
    return format_duration(max(0.0, round(time.time() - since)))
