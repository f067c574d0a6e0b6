"""`hlsswarm ladder`."""

from __future__ import annotations

import argparse
import json
from typing import Any

from hlsswarm.cli.arguments import check_manager
from hlsswarm.cli.output import say
from hlsswarm.core.ladder import parse_rung
from hlsswarm.core.quantities import format_size
from hlsswarm.encoders import ladder as control
from hlsswarm.encoders.ladder import Ladder, LadderOptions
from hlsswarm.encoders.sources import MASTER
from hlsswarm.errors import ExitStatus, UsageError


def ladder(arguments: argparse.Namespace) -> ExitStatus:
    """Start, change, show or stop ABR ladders."""
    check_manager(arguments.manager)
    _check_rendition(arguments)
    if arguments.action == "start":
        return _start(arguments)
    if arguments.action == "list":
        return _list(arguments)
    if arguments.action == "stop":
        return _stop(arguments)
    there = control.the_ladder(arguments.manager, arguments.name)
    if arguments.action == "add":
        rung = parse_rung(arguments.rendition)
        made = control.add(there, rung, arguments.factory)
        say(f"Added {rung.name} by {made.factory}: SOURCE/{made.directory}/stream.m3u8.")
        _say_declined(there, rung.name)
        return ExitStatus.OK
    ended = control.remove(there, arguments.rendition)
    say(f"Removed {arguments.rendition}: {_count(ended, 'transcoder')} ended.")
    return ExitStatus.OK


def _check_rendition(arguments: argparse.Namespace) -> None:
    needed = arguments.action in {"add", "remove"}
    if needed and arguments.rendition is None:
        raise UsageError(
            "The rendition is missing.", hint=f"hlsswarm ladder {arguments.action} 360p"
        )
    if not needed and arguments.rendition is not None:
        raise UsageError(
            f"{arguments.rendition} is one word too many.", hint="See `hlsswarm ladder --help`."
        )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _start(arguments: argparse.Namespace) -> ExitStatus:
    options = LadderOptions(
        name=arguments.name,
        media=arguments.media,
        rungs=arguments.rungs,
        factory=arguments.factory,
        sources=tuple(arguments.source or ()),
        restart=arguments.on_failure == "restart",
        with_source=arguments.with_source is not False,
        metrics=arguments.metrics,
        ffmpeg=arguments.ffmpeg,
        manager=arguments.manager,
    )
    made = control.start(options)
    rungs = ", ".join(item.rung.name for item in made.wanted.rungs) or "no rendition yet"
    say(f"The ladder {made.name} runs ({made.manager} manager): {rungs}.")
    say(f"It watches {made.wanted.media}: each source SOURCE gets SOURCE/{MASTER}.")
    say("`hlsswarm ladder list` shows it, `hlsswarm ladder stop` ends it.")
    return ExitStatus.OK


def _stop(arguments: argparse.Namespace) -> ExitStatus:
    there = control.ladders(arguments.manager)
    wanted = [item for item in there if arguments.all or item.name == arguments.name]
    for item in wanted:
        control.stop(item)
        say(f"Stopped {item.name}.")
    if not wanted:
        elsewhere = ", ".join(item.name for item in there)
        say(f"No ladder named {arguments.name} runs." if there else "No ladder runs.")
        if elsewhere:
            say(f"There is {elsewhere}: --name, or --all.")
    return ExitStatus.OK


def _list(arguments: argparse.Namespace) -> ExitStatus:
    there = control.the_ladder(arguments.manager, arguments.name)
    shown = control.document(there)
    if arguments.json:
        say(json.dumps(shown, indent=2))
        return ExitStatus.OK
    say(f"{shown['name']}: ABR ladder of {shown['media']} ({shown['manager']} manager)")
    for item in shown["renditions"]:
        say(f"  {_rendition_line(item)}")
    for source in shown["sources"]:
        picture = f"{source['width']}x{source['height']}" if source["width"] else "no picture"
        say(f"{source['source']}: {picture}, {source['audio'] or 'no sound'}: {source['playlist']}")
        _list_keys(shown, source["source"])
    if not shown["sources"]:
        say("No source is live.")
    return ExitStatus.OK


def _rendition_line(item: dict[str, Any]) -> str:
    size = f"{item['width']}x{item['height']}" if item["width"] else "sound"
    rate = item["video_kbps"] or item["audio_kbps"]
    return f"{item['rendition']:<10} {item['factory']:<12} {size:>9}  {rate:>5} kbit/s"


def _list_keys(shown: dict[str, Any], source: str) -> None:
    for key in shown["transcoders"]:
        if key["source"] != source:
            continue
        failures = ", ".join(
            f"{count} {phase}" for phase, count in key["failures"].items() if count
        )
        say(
            f"  {key['rendition']:<10} {key['factory']:<12} {key['state']:<20}"
            f" {'listed' if key['listed'] else '-':<7} {key['segments']:>5} segments"
            f" {format_size(key['bytes']):>9}  failures: {failures or 'none'}"
        )
    for key in shown["declined"]:
        if key["source"] == source and key["track"] == "video":
            say(f"  {key['rendition']:<10} {key['factory']:<12} declined: {key['reason']}")


def _say_declined(there: Ladder, rendition: str) -> None:
    """Sources whose picture the factory will not take, so that nobody waits for it."""
    for key in control.document(there)["declined"]:
        if key["rendition"] == rendition and key["track"] == "video":
            say(f"{key['factory']} declines {key['source']}: {key['reason']}.")
