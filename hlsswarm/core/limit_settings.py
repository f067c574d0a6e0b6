"""Limits as settings: rows of the tables of settings, and the Limits that their values are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hlsswarm.core.limits import LIMIT_KINDS, LimitKind
from hlsswarm.core.setting import Setting
from hlsswarm.core.unit_specs import CLIENT_LIMITS, Limits

SWARM_KINDS = tuple(kind for kind in LIMIT_KINDS if kind.name not in {"io-read-max", "oom-policy"})
"""What a whole swarm can be limited in: it reads no disk, and a slice has no policy."""
CLIENT_KINDS = tuple(kind for kind in LIMIT_KINDS if not kind.name.startswith("io-"))
"""What one client can be limited in: it reads and writes no disk."""
SERVICE_KINDS = LIMIT_KINDS
"""What an encoder or another service can be limited in."""


def limit_setting(kind: LimitKind, whose: str, *, prefix: str = "") -> Setting:
    """The row of one limit; `whose` says in words what it is a limit of, if anything."""
    default = getattr(CLIENT_LIMITS, kind.field) if prefix else None
    return Setting(
        f"{prefix}{kind.name}",
        "systemd",
        kind.help.format(f" of {whose}" if whose else ""),
        kind.parse,
        default,
        kind.metavar,
        kind.wanted,
        live=not prefix,  # of slices at once; of clients with their next start
    )


def limits_of(values: Mapping[str, Any], kinds: Sequence[LimitKind], *, prefix: str = "") -> Limits:
    """The Limits that settings mean; `values` are by key, as a command line gives them."""
    start = prefix.replace("-", "_")
    return Limits(**{kind.field: values[start + kind.key] for kind in kinds})
