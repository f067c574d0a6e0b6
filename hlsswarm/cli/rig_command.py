"""`hlsswarm rig`: shows and steers the rig that a daemon keeps, through its API."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hlsswarm.api.client import ApiClient, part
from hlsswarm.cli.output import say
from hlsswarm.controller.text_files import read_configuration
from hlsswarm.errors import ConfigurationError, ExitStatus, UsageError


def rig(arguments: argparse.Namespace) -> ExitStatus:
    """Show or steer the rig."""
    action = arguments.action or "show"
    function, least, most = _ACTIONS[action]
    if not least <= len(arguments.words) <= most:
        raise UsageError(f"`rig {action}` takes other words.", hint=_USAGE[action])
    if (arguments.name or arguments.clients) and action != "start":
        raise UsageError("--name and --clients are for `rig start`.", hint=_USAGE["start"])
    if arguments.follow and action != "events":
        raise UsageError("--follow is for `rig events`.", hint=_USAGE["events"])
    function(ApiClient(arguments.socket), arguments)
    return ExitStatus.OK


def _show(api: ApiClient, arguments: argparse.Namespace) -> None:
    found = api.call("GET", "/v1/rig")
    if arguments.json:
        say(json.dumps(found, indent=2, ensure_ascii=False))
        return
    active = sum(swarm["clients"]["active"] for swarm in found["swarms"])
    wanted = sum(
        swarm["clients"]["target"] for swarm in found["swarms"] if swarm["state"] in _PRESENT
    )
    say(f"The rig ({found['manager']} manager): {active} of {wanted} clients run.")
    rows = [(item["kind"], item["name"], item["state"], item["reason"]) for item in found["items"]]
    rows += [("swarm", each["name"], each["state"], _swarm_words(each)) for each in found["swarms"]]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        say("  ".join(["", *cells, row[3]]).rstrip())
    if found["state"]["trouble"]:
        say(f"Its state cannot be saved: {found['state']['trouble']}")


_PRESENT = ("waiting", "running", "paused")


def _swarm_words(swarm: Mapping[str, Any]) -> str:
    if swarm["reason"]:
        return str(swarm["reason"])
    clients, failed = swarm["clients"], sum(swarm["failed_requests"].values())
    words = [f"{clients['active']}/{clients['target']} clients"]
    words.append(f"{swarm['requests'].get('segment', 0)} segments")
    if failed:
        words.append(f"{failed} requests failed")
    if swarm["restarts"]:
        words.append(f"{swarm['restarts']} restarts")
    if swarm["stalls"]:
        words.append(f"{swarm['stalls']} stalls")
    if clients["stopped_outside"]:
        words.append(f"{len(clients['stopped_outside'])} stopped by somebody")
    words += [f"{each['threshold']} FAILED" for each in swarm["thresholds"] if not each["passed"]]
    if swarm["verdict"]:
        words.append(swarm["verdict"])
    return ", ".join(words)


def _scale(api: ApiClient, arguments: argparse.Namespace) -> None:
    name, text = arguments.words
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise UsageError(f"{text!r} is no number of clients.", hint=_USAGE["scale"])
    swarm = api.call("PATCH", f"/v1/swarms/{part(name)}", {"clients": int(text)})
    say(f"{name}: {swarm['clients']['target']} clients.")


def _post(action: str, words: str) -> Callable[[ApiClient, argparse.Namespace], None]:
    def posted(api: ApiClient, arguments: argparse.Namespace) -> None:
        name = arguments.words[0]
        api.call("POST", f"/v1/swarms/{part(name)}/{action}")
        say(f"{name}: {words}")

    return posted


def _resume(api: ApiClient, arguments: argparse.Namespace) -> None:
    """The ramp, and clients whose units somebody stopped."""
    name = arguments.words[0]
    api.call("POST", f"/v1/swarms/{part(name)}/resume")
    done = api.call("POST", f"/v1/swarms/{part(name)}/resume-clients")
    say(f"{name}: the ramp goes on; {done['done'][0]}.")


def _remove(api: ApiClient, arguments: argparse.Namespace) -> None:
    name = arguments.words[0]
    api.call("DELETE", f"/v1/swarms/{part(name)}")
    say(f"{name}: ended and forgotten.")


def _start(api: ApiClient, arguments: argparse.Namespace) -> None:
    """Swarms of a file, one by name and URL, or one that was stopped."""
    word = arguments.words[0]
    if arguments.name is not None:
        clients = {} if arguments.clients is None else {"clients": arguments.clients}
        tables = [{"name": arguments.name, "url": word, **clients}]
    elif word.endswith(".toml") or "/" in word:
        tables = _tables(Path(word))
    else:
        _post("start", "started again.")(api, arguments)
        return
    for table in tables:
        swarm = api.call("POST", "/v1/swarms", table)
        say(f"{swarm['name']}: started, {swarm['clients']['target']} clients of {swarm['url']}")


def _tables(path: Path) -> list[dict[str, Any]]:
    """The [[swarm]] tables of a file. Raises ConfigurationError."""
    try:
        tables = tomllib.loads(read_configuration(path)).get("swarm")
        # What JSON has not (dates) is no swarm's either.
        json.dumps(tables)
    except (ValueError, TypeError, RecursionError) as error:
        raise ConfigurationError(f"{path} is not TOML: {error}.") from None
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise ConfigurationError(f"{path} has no [[swarm]] table.", hint="See `hlsswarm options`.")
    return tables


def _events(api: ApiClient, arguments: argparse.Namespace) -> None:
    found = api.events() if arguments.follow else api.call("GET", "/v1/events")["events"]
    with contextlib.suppress(KeyboardInterrupt):
        for event in found:
            say(json.dumps(event, ensure_ascii=False) if arguments.json else _event_line(event))


def _event_line(event: Mapping[str, Any]) -> str:
    when = datetime.datetime.fromtimestamp(event["time"]).astimezone()
    words = f"{when:%H:%M:%S}  {event['item']}  {event['kind']}"
    return words + (f": {event['message']}" if event["message"] else "")


def _reload(api: ApiClient, _: argparse.Namespace) -> None:
    done = api.call("POST", "/v1/reload")["done"]
    for line in done or ["Nothing has changed."]:
        say(line)


_ACTIONS: Mapping[str, tuple[Callable[[ApiClient, argparse.Namespace], None], int, int]] = {
    "show": (_show, 0, 0),
    "scale": (_scale, 2, 2),
    "pause": (_post("pause", "the ramp stands still."), 1, 1),
    "resume": (_resume, 1, 1),
    "stop": (_post("stop", "its clients have ended."), 1, 1),
    "start": (_start, 1, 1),
    "remove": (_remove, 1, 1),
    "events": (_events, 0, 0),
    "reload": (_reload, 0, 0),
}
"""By name: what it does, and how many words it takes."""
_USAGE: Mapping[str, str] = {
    "show": "hlsswarm rig",
    "scale": "hlsswarm rig scale NAME CLIENTS",
    "pause": "hlsswarm rig pause NAME",
    "resume": "hlsswarm rig resume NAME",
    "stop": "hlsswarm rig stop NAME",
    "start": "hlsswarm rig start FILE.toml, or --name NAME URL, or NAME",
    "remove": "hlsswarm rig remove NAME",
    "events": "hlsswarm rig events [--follow]",
    "reload": "hlsswarm rig reload",
}
