"""`hlsswarm set-limit`: limits of units that run."""

from __future__ import annotations

import argparse
import json
from typing import Any

from hlsswarm.cli.arguments import check_manager
from hlsswarm.cli.output import say
from hlsswarm.controller.limits import LimitState, UnitLimits, change_limits, limits_now
from hlsswarm.core.limits import LIVE_KINDS, NONE, LimitKind
from hlsswarm.core.names import unit_of
from hlsswarm.core.usage import usage_document, usage_words
from hlsswarm.errors import ExitStatus, UsageError

LIMITS_SCHEMA = "hlsswarm.limits/1"


def set_limit(arguments: argparse.Namespace) -> ExitStatus:
    """Change limits of a unit that runs, or show them."""
    kind = check_manager(arguments.manager)
    try:
        unit = unit_of(arguments.unit)
    except ValueError:
        raise UsageError(
            f"{arguments.unit!r} names no unit of hlsswarm.",
            hint="Give a run (a1b2c3), a part (a1b2c3/clients), a member (a1b2c3/client-7), "
            "or a unit's name.",
        ) from None
    values = _values(arguments)
    if values and arguments.show:
        raise UsageError("--show changes nothing.", hint="Give limits, or --show.")
    found = change_limits(kind, unit, values) if values else limits_now(kind, unit)
    if arguments.json:
        say(json.dumps(_document(found), indent=2, ensure_ascii=False))
        return ExitStatus.OK
    for line in _lines(found):
        say(line)
    return ExitStatus.OK


def _values(arguments: argparse.Namespace) -> dict[LimitKind, Any]:
    given = {kind: getattr(arguments, kind.key) for kind in LIVE_KINDS}
    return {
        kind: None if value == NONE else value for kind, value in given.items() if value is not None
    }


def _lines(found: UnitLimits) -> list[str]:
    """A table of limits, and what the unit uses."""
    until = "until it ends" if found.is_transient else "until the next boot"
    rows = [("limit", "systemd", "kernel", "")]
    rows += [
        (
            state.kind.systemd_name,
            state.kind.shown(state.systemd),
            "-" if found.waits else _kernel(state),
            _files(state),
        )
        for state in found.states
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [
        f"{found.unit} ({found.manager} manager), limits {until}:",
        *("  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows),
        "  It waits for its next start, and has them from then on."
        if found.waits
        else f"  It uses {usage_words(found.usage)}.",
    ]


def _kernel(state: LimitState) -> str:
    if state.kernel is not None:
        return state.kind.shown(state.kernel.value)
    return "-" if state.systemd is None or not state.kind.is_live else "not enforced"


def _files(state: LimitState) -> str:
    return "" if state.kernel is None else ", ".join(path.name for path in state.kernel.files)


def _document(found: UnitLimits) -> dict[str, object]:
    return {
        "schema": LIMITS_SCHEMA,
        "unit": found.unit,
        "manager": found.manager,
        "transient": found.is_transient,
        "limits": {
            state.kind.name: {
                "systemd": _plain(state.systemd),
                "kernel": None if state.kernel is None else _plain(state.kernel.value),
                "enforced": state.kernel is not None,
                "holds": state.holds,
                "files": [] if state.kernel is None else [str(f) for f in state.kernel.files],
            }
            for state in found.states
        },
        "usage": usage_document(found.usage),
    }


def _plain(value: Any) -> object:
    return value if isinstance(value, (int, float, type(None))) else str(value)
