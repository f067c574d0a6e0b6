"""`hlsswarm publish`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hlsswarm.cli.arguments import check_manager
from hlsswarm.cli.config_file import read_document, read_values
from hlsswarm.cli.output import say, say_on
from hlsswarm.cli.rtsp_command import rtsp_options
from hlsswarm.core.publish import streams_of
from hlsswarm.core.publish_report import PublishLimits
from hlsswarm.core.publish_settings import PUBLISH_SETTINGS, STREAM_SETTINGS
from hlsswarm.errors import ConfigurationError, ExitStatus, UsageError
from hlsswarm.publishers.publish import PublishOptions
from hlsswarm.publishers.publish import publish as publish_streams
from hlsswarm.report.files import check_writable, write_atomically

_TABLES = "stream"
_FILE = "file"
"""What a table may call its `source`, too."""


def publish(arguments: argparse.Namespace) -> ExitStatus:
    """Push streams, and report what became of them."""
    general, tables = _configuration(arguments.publish_config)
    given = {key: value for key, value in vars(arguments).items() if value is not None}
    chosen = {setting.key: setting.default_value for setting in PUBLISH_SETTINGS}
    chosen |= {key: value for key, value in (general | given).items() if key in chosen}
    options = _options(arguments, general, tables, chosen)
    json_file: Path | None = chosen["json"]
    if json_file is not None:
        check_writable(json_file)
    result = publish_streams(options, say_on)
    say("\n" + result.table)
    if json_file is not None:
        write_atomically(json_file, json.dumps(result.document, indent=2) + "\n")
        say(f"Report: {json_file}")
    if result.interrupted:
        return ExitStatus.ABORTED
    return ExitStatus.OK if result.well else ExitStatus.FAILED


def _options(
    arguments: argparse.Namespace,
    general: Mapping[str, Any],
    tables: list[dict[str, Any]],
    chosen: Mapping[str, Any],
) -> PublishOptions:
    """What is asked for. Raises UsageError or ConfigurationError."""
    url = arguments.url or general.get("url")
    server = None
    if arguments.serve:
        if url is not None:
            raise UsageError(
                f"--serve starts a server, and {url} is one.", hint="Leave out one of them."
            )
        server = rtsp_options(arguments)
        url = server.url
    keys = {setting.key for setting in STREAM_SETTINGS}
    flags = {key: value for key, value in vars(arguments).items() if key in keys}
    streams = streams_of(
        url,
        chosen["streams"],
        {key: value for key, value in flags.items() if value is not None},
        tables,
        {key: value for key, value in general.items() if key in keys},
    )
    return PublishOptions(
        streams=streams,
        limits=PublishLimits(
            chosen["max_streams"], chosen["max_memory_percent"], chosen["max_cpu_percent"]
        ),
        duration_seconds=chosen["duration"],
        report_interval_seconds=chosen["report_interval"],
        serve=server,
        manager=check_manager(arguments.manager),
        ffmpeg=arguments.ffmpeg,
    )


def _configuration(path: Path | None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """General settings and `[[stream]]` tables of --config. Raises ConfigurationError.

    Files are taken from the directory of the configuration, so that it can be called from anywhere.
    """
    if path is None:
        return {}, []
    found = read_document(path)
    tables = found.pop(_TABLES, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigurationError(f"{path}: streams are [[{_TABLES}]] tables.")
    general = read_values(path, found, (*PUBLISH_SETTINGS, *STREAM_SETTINGS), texts=("url",))
    read = []
    for number, stream in enumerate(tables):
        if _FILE in stream and "source" not in stream:
            stream["source"] = stream.pop(_FILE)
        place = (_TABLES, number)
        read.append(read_values(path, stream, STREAM_SETTINGS, texts=("url", "name"), where=place))
    for values in (general, *read):
        source = values.get("source")
        if source is not None and (path.parent / source).is_file():
            values["source"] = str(path.parent / source)
    return general, read
