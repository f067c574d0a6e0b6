"""`hlsswarm status` and `hlsswarm stop`."""

from __future__ import annotations

import argparse
import json

from hlsswarm.cli.arguments import check_manager
from hlsswarm.cli.output import say
from hlsswarm.controller import runs
from hlsswarm.controller.log_bounds import bound_logs
from hlsswarm.core import names
from hlsswarm.core.usage import USAGE_COLUMNS, usage_cells, usage_document, usage_words
from hlsswarm.errors import ExitStatus, UsageError
from hlsswarm.units.runtime_directory import runtime_directory

STATUS_SCHEMA = "hlsswarm.status/1"


def status(arguments: argparse.Namespace) -> ExitStatus:
    """Show runs and units."""
    kind = check_manager(arguments.manager, remote=True)
    bound_logs(runtime_directory())
    found = runs.status(kind, usage=True, unit_usage=arguments.units)
    if arguments.json:
        say(json.dumps(_document(found), indent=2, ensure_ascii=False))
        return ExitStatus.OK
    if not found:
        say("Nothing of hlsswarm runs.")
    width = max((len(run.run) for run in found), default=0)
    above = ""
    for run in found:
        manager = f"systemd {run.systemd_version} ({run.manager} manager)"
        if manager != above:
            say(manager)
            above = manager
        say(f"  {run.run:<{width}}  {run.description or 'units without a slice'}")
        say(f"  {'':<{width}}  {_counted(run)}")
        if arguments.units:
            say(f"  {'':<{width}}  uses {usage_words(run.usage)}")
            for line in _unit_lines(run):
                say(f"    {line}")
    return ExitStatus.OK


def _unit_lines(run: runs.RunStatus) -> list[str]:
    """A table of the units, and what each uses."""
    rows: list[tuple[str, ...]] = [("unit", "state", *USAGE_COLUMNS)]
    rows += [
        (unit.name, f"{unit.active} ({unit.sub})", *usage_cells(run.unit_usage[unit.name]))
        for unit in run.units
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    texts = 2  # what follows are numbers
    return [
        "  ".join(
            cell.ljust(width) if index < texts else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (rows if run.units else [])
    ]


def _counted(run: runs.RunStatus) -> str:
    """Units by role and sub state: `client: 198 running, 2 auto-restart; nginx: 1 running`."""
    roles = []
    for role in names.ROLES:
        counts = sorted(run.counts(role).items(), key=lambda item: (-item[1], item[0]))
        if counts:
            roles.append(f"{role}: " + ", ".join(f"{count} {sub}" for sub, count in counts))
    return "; ".join(roles) or "no units"


def _document(found: list[runs.RunStatus]) -> dict[str, object]:
    return {
        "schema": STATUS_SCHEMA,
        "runs": [
            {
                "run": run.run,
                "description": run.description,
                "systemd": {"manager": run.manager, "version": run.systemd_version},
                "usage": usage_document(run.usage),
                "units": [
                    {"name": unit.name, "active": unit.active, "sub": unit.sub}
                    | (
                        {"usage": usage_document(run.unit_usage[unit.name])}
                        if unit.name in run.unit_usage
                        else {}
                    )
                    for unit in run.units
                ],
            }
            for run in found
        ],
    }


def stop(arguments: argparse.Namespace) -> ExitStatus:
    """End runs."""
    kind = check_manager(arguments.manager, remote=True)
    wanted: list[str] = arguments.run
    if bool(wanted) == arguments.all:
        raise UsageError(
            "Name the runs to stop, or --all.", hint="`hlsswarm status` shows what runs."
        )
    for run in wanted:
        if not names.is_run_id(run):
            raise UsageError(f"{run!r} cannot be a run.", hint=f"Runs have {names.RUN_ID_HELP}.")
    stopped = runs.stop(kind, None if arguments.all else wanted)
    for run in stopped:
        say(f"Stopped {run}.")
    missing = [run for run in wanted if run not in stopped]
    if missing:
        raise UsageError(
            f"There is no run {', '.join(missing)}.", hint="`hlsswarm status` shows what runs."
        )
    if not stopped:
        say("Nothing of hlsswarm runs.")
    return ExitStatus.OK
