"""Every command: its name, what it does, examples, its arguments, and where it is carried out.

A command's own modules are imported only when it is called, so that `--help` comes at once.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from dataclasses import dataclass

from hlsswarm.cli.arguments import RUN_EXAMPLES, add_manager, add_run, add_settings
from hlsswarm.cli.configuration_arguments import (
    CHECK_EXAMPLES,
    CONFIG_EXAMPLES,
    OPTIONS_EXAMPLES,
    SCHEMA_EXAMPLES,
    add_check,
    add_config,
    add_options,
    add_schema,
)
from hlsswarm.cli.encoder_arguments import ENCODER_EXAMPLES, add_encoder
from hlsswarm.cli.fault_arguments import FAULT_EXAMPLES, add_fault
from hlsswarm.cli.ladder_arguments import LADDER_EXAMPLES, add_ladder
from hlsswarm.cli.limit_arguments import LIMIT_EXAMPLES, add_set_limit
from hlsswarm.cli.origin_arguments import ORIGIN_EXAMPLES, add_demo, add_origin
from hlsswarm.cli.report_arguments import REPORT_EXAMPLES, add_report
from hlsswarm.cli.rig_arguments import RIG_EXAMPLES, SERVE_EXAMPLES, add_rig, add_serve
from hlsswarm.cli.size_arguments import SIZE_EXAMPLES, add_size
from hlsswarm.cli.stream_arguments import (
    CONSUME_EXAMPLES,
    PUBLISH_EXAMPLES,
    RTSP_EXAMPLES,
    VIDEO_EXAMPLES,
    add_consume,
    add_publish,
    add_rtsp,
    add_video,
)
from hlsswarm.core.settings import RUN_SETTINGS
from hlsswarm.errors import ExitStatus

DOCTOR_SETTINGS = ("clients", "ramp-rate", "measure", "ffmpeg", "manager")


@dataclass(frozen=True)
class Command:
    """One command of the command line; `function` is `module.function` within `hlsswarm.cli`."""

    name: str
    help: str
    examples: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    function: str

    def call(self, arguments: argparse.Namespace) -> ExitStatus:
        """Carry it out; its exit status. Raises HlsSwarmError."""
        module, _, name = self.function.partition(".")
        found = getattr(importlib.import_module(f"hlsswarm.cli.{module}"), name)
        status: ExitStatus = found(arguments)
        return status


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, [s for s in RUN_SETTINGS if s.name in DOCTOR_SETTINGS])


def _add_status(parser: argparse.ArgumentParser) -> None:
    add_manager(parser)
    parser.add_argument("--units", action="store_true", help="list every unit")
    parser.add_argument("--json", action="store_true", help="as JSON")


def _add_stop(parser: argparse.ArgumentParser) -> None:
    add_manager(parser)
    parser.add_argument("run", nargs="*", metavar="RUN", help="runs to end")
    parser.add_argument("--all", action="store_true", help="end everything of hlsswarm")


def _add_ffmpeg(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("build", "options"), help="what to do")
    parser.add_argument("--again", action="store_true", help="build anew, from a newer source")


def _add_logs(parser: argparse.ArgumentParser) -> None:
    add_manager(parser)
    parser.add_argument(
        "unit", metavar="UNIT", nargs="?", help="a unit, or the name of an encoder or a rig's swarm"
    )
    parser.add_argument("--disk", action="store_true", help="say what all logs take")
    parser.add_argument(
        "-n", "--lines", type=int, default=20, metavar="LINES", help="how many (default 20)"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what comes")


COMMANDS: tuple[Command, ...] = (
    Command(
        "run", "run a swarm of clients against a stream", RUN_EXAMPLES, add_run, "run_command.run"
    ),
    Command(
        "serve",
        "keep the rig that a file describes: origins, encoders, swarms, for good",
        SERVE_EXAMPLES,
        add_serve,
        "serve_command.serve",
    ),
    Command(
        "rig",
        "show and steer the rig that `serve` keeps",
        RIG_EXAMPLES,
        add_rig,
        "rig_command.rig",
    ),
    Command(
        "check",
        "say what is wrong with a rig's file, or what rig it would be",
        CHECK_EXAMPLES,
        add_check,
        "configuration_command.check",
    ),
    Command(
        "config",
        "write a rig's file anew, in order and without secrets",
        CONFIG_EXAMPLES,
        add_config,
        "configuration_command.config",
    ),
    Command(
        "schema",
        "what a rig's file can hold, as JSON Schema",
        SCHEMA_EXAMPLES,
        add_schema,
        "configuration_command.schema",
    ),
    Command(
        "options",
        "what a rig's file can hold, for people",
        OPTIONS_EXAMPLES,
        add_options,
        "configuration_command.options",
    ),
    Command(
        "doctor",
        "hold this machine against what so many clients need",
        "examples:\n  hlsswarm doctor --clients 1000 --ramp-rate 50\n",
        _add_doctor,
        "run_command.doctor",
    ),
    Command(
        "size",
        "compute how many machines so many viewers take",
        SIZE_EXAMPLES,
        add_size,
        "size_command.size",
    ),
    Command(
        "report",
        "show what `run --out DIR` has kept, of one run or of several together",
        REPORT_EXAMPLES,
        add_report,
        "report_command.report",
    ),
    Command(
        "status",
        "show runs and units, as systemd has them",
        "examples:\n  hlsswarm status\n  hlsswarm status --units\n  hlsswarm status --json\n",
        _add_status,
        "runs_command.status",
    ),
    Command(
        "logs",
        "show the last messages of an encoder, a web server or another service",
        "examples:\n  hlsswarm logs live/cam1\n  hlsswarm logs nginx -n 50 --follow\n"
        "  hlsswarm logs evening\n  hlsswarm logs --disk\n"
        "  hlsswarm logs hlsswarm-origin8080-encoder-default.service\n",
        _add_logs,
        "logs_command.logs",
    ),
    Command(
        "set-limit",
        "change the limits of a run, a part of it or a unit while it runs, or show them",
        LIMIT_EXAMPLES,
        add_set_limit,
        "limit_command.set_limit",
    ),
    Command(
        "stop",
        "end runs and test origins, whoever started them",
        "examples:\n  hlsswarm stop a1b2c3\n  hlsswarm stop --all\n",
        _add_stop,
        "runs_command.stop",
    ),
    Command(
        "ffmpeg",
        "build an ffmpeg that only plays, which clients need less memory and CPU with",
        "examples:\n  hlsswarm ffmpeg build\n  hlsswarm ffmpeg options\n",
        _add_ffmpeg,
        "ffmpeg_command.ffmpeg",
    ),
    Command("origin", "run the test origin", ORIGIN_EXAMPLES, add_origin, "origin_command.origin"),
    Command(
        "encoder",
        "run preview encoders: any input as live HLS in a directory",
        ENCODER_EXAMPLES,
        add_encoder,
        "encoder_command.encoder",
    ),
    Command(
        "fault",
        "have the test origin fail: errors, delays, cut connections, stale playlists, outages",
        FAULT_EXAMPLES,
        add_fault,
        "fault_command.fault",
    ),
    Command(
        "demo",
        "start the test origin, run a swarm against it, sum up, stop everything",
        "examples:\n  hlsswarm demo\n  hlsswarm demo --clients 50 --duration 1m\n",
        add_demo,
        "origin_command.demo",
    ),
    Command(
        "ladder",
        "make renditions of each live source: a ladder that can be changed while it runs",
        LADDER_EXAMPLES,
        add_ladder,
        "ladder_command.ladder",
    ),
    Command(
        "publish",
        "push streams to an RTSP, SRT or RTMP server, again and again",
        PUBLISH_EXAMPLES,
        add_publish,
        "publish_command.publish",
    ),
    Command("rtsp", "run an RTSP server", RTSP_EXAMPLES, add_rtsp, "rtsp_command.rtsp"),
    Command(
        "consume",
        "read streams and report frames, gaps and latency of each",
        CONSUME_EXAMPLES,
        add_consume,
        "consume_command.consume",
    ),
    Command("video", "make test videos", VIDEO_EXAMPLES, add_video, "video_command.video"),
)
"""In the order in which help shows them."""
