"""Every command: its name, what it does, examples, its arguments, and where it is carried out.

What a command takes, and what carries it out, is imported only when it is asked for, so that
`--help` comes at once: the table has their names, as `module.name` within `hlsswarm.cli`.
"""

from __future__ import annotations

import argparse
import importlib
from dataclasses import dataclass
from typing import Any

from hlsswarm.errors import ExitStatus


@dataclass(frozen=True)
class Command:
    """One command of the command line."""

    name: str
    help: str
    examples: str
    """Where its examples are: a text."""
    arguments: str
    """Where its arguments are added to a parser."""
    function: str
    """What carries it out."""

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        """Give a parser what the command takes, and its examples."""
        parser.epilog = imported(self.examples)
        imported(self.arguments)(parser)

    def call(self, arguments: argparse.Namespace) -> ExitStatus:
        """Carry it out; its exit status. Raises HlsSwarmError."""
        status: ExitStatus = imported(self.function)(arguments)
        return status


def imported(place: str) -> Any:
    """What a `module.name` within `hlsswarm.cli` stands for."""
    module, _, name = place.partition(".")
    return getattr(importlib.import_module(f"hlsswarm.cli.{module}"), name)


COMMANDS: tuple[Command, ...] = (
    Command(
        "run",
        "run a swarm of clients against a stream",
        "arguments.RUN_EXAMPLES",
        "arguments.add_run",
        "run_command.run",
    ),
    Command(
        "serve",
        "keep the rig that a file describes: origins, encoders, swarms, for good",
        "rig_arguments.SERVE_EXAMPLES",
        "rig_arguments.add_serve",
        "serve_command.serve",
    ),
    Command(
        "rig",
        "show and steer the rig that `serve` keeps",
        "rig_arguments.RIG_EXAMPLES",
        "rig_arguments.add_rig",
        "rig_command.rig",
    ),
    Command(
        "check",
        "say what is wrong with a rig's file, or what rig it would be",
        "configuration_arguments.CHECK_EXAMPLES",
        "configuration_arguments.add_check",
        "configuration_command.check",
    ),
    Command(
        "config",
        "write a rig's file anew, in order and without secrets",
        "configuration_arguments.CONFIG_EXAMPLES",
        "configuration_arguments.add_config",
        "configuration_command.config",
    ),
    Command(
        "schema",
        "what a rig's file can hold, as JSON Schema",
        "configuration_arguments.SCHEMA_EXAMPLES",
        "configuration_arguments.add_schema",
        "configuration_command.schema",
    ),
    Command(
        "options",
        "what a rig's file can hold, for people",
        "configuration_arguments.OPTIONS_EXAMPLES",
        "configuration_arguments.add_options",
        "configuration_command.options",
    ),
    Command(
        "doctor",
        "hold this machine against what so many clients need",
        "runs_arguments.DOCTOR_EXAMPLES",
        "runs_arguments.add_doctor",
        "run_command.doctor",
    ),
    Command(
        "size",
        "compute how many machines so many viewers take",
        "size_arguments.SIZE_EXAMPLES",
        "size_arguments.add_size",
        "size_command.size",
    ),
    Command(
        "report",
        "show what `run --out DIR` has kept, of one run or of several together",
        "report_arguments.REPORT_EXAMPLES",
        "report_arguments.add_report",
        "report_command.report",
    ),
    Command(
        "status",
        "show runs and units, as systemd has them",
        "runs_arguments.STATUS_EXAMPLES",
        "runs_arguments.add_status",
        "runs_command.status",
    ),
    Command(
        "logs",
        "show the last messages of an encoder, a web server or another service",
        "runs_arguments.LOGS_EXAMPLES",
        "runs_arguments.add_logs",
        "logs_command.logs",
    ),
    Command(
        "set-limit",
        "change the limits of a run, a part of it or a unit while it runs, or show them",
        "limit_arguments.LIMIT_EXAMPLES",
        "limit_arguments.add_set_limit",
        "limit_command.set_limit",
    ),
    Command(
        "stop",
        "end runs and test origins, whoever started them",
        "runs_arguments.STOP_EXAMPLES",
        "runs_arguments.add_stop",
        "runs_command.stop",
    ),
    Command(
        "ffmpeg",
        "build an ffmpeg that only plays, which clients need less memory and CPU with",
        "runs_arguments.FFMPEG_EXAMPLES",
        "runs_arguments.add_ffmpeg",
        "ffmpeg_command.ffmpeg",
    ),
    Command(
        "origin",
        "run the test origin",
        "origin_arguments.ORIGIN_EXAMPLES",
        "origin_arguments.add_origin",
        "origin_command.origin",
    ),
    Command(
        "encoder",
        "run preview encoders: any input as live HLS in a directory",
        "encoder_arguments.ENCODER_EXAMPLES",
        "encoder_arguments.add_encoder",
        "encoder_command.encoder",
    ),
    Command(
        "fault",
        "have the test origin fail: errors, delays, cut connections, stale playlists, outages",
        "fault_arguments.FAULT_EXAMPLES",
        "fault_arguments.add_fault",
        "fault_command.fault",
    ),
    Command(
        "demo",
        "start the test origin, run a swarm against it, sum up, stop everything",
        "origin_arguments.DEMO_EXAMPLES",
        "origin_arguments.add_demo",
        "origin_command.demo",
    ),
    Command(
        "ladder",
        "make renditions of each live source: a ladder that can be changed while it runs",
        "ladder_arguments.LADDER_EXAMPLES",
        "ladder_arguments.add_ladder",
        "ladder_command.ladder",
    ),
    Command(
        "publish",
        "push streams to an RTSP, SRT or RTMP server, again and again",
        "stream_arguments.PUBLISH_EXAMPLES",
        "stream_arguments.add_publish",
        "publish_command.publish",
    ),
    Command(
        "rtsp",
        "run an RTSP server",
        "stream_arguments.RTSP_EXAMPLES",
        "stream_arguments.add_rtsp",
        "rtsp_command.rtsp",
    ),
    Command(
        "consume",
        "read streams and report frames, gaps and latency of each",
        "stream_arguments.CONSUME_EXAMPLES",
        "stream_arguments.add_consume",
        "consume_command.consume",
    ),
    Command(
        "video",
        "make test videos",
        "stream_arguments.VIDEO_EXAMPLES",
        "stream_arguments.add_video",
        "video_command.video",
    ),
)
"""In the order in which help shows them."""
