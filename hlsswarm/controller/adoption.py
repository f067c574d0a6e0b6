"""A swarm that outlives its controller: what is saved of it, and how the next one takes over.

    controller ── each second ──► saved document        killed
    next one   ◄── saved document, units as systemd lists them, connections that systemd has kept

systemd's list is the truth: what is saved only tells what the list cannot, such as how often a
client has failed, or that a unit which is not there was about to be started again.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hlsswarm.controller.client import Client
from hlsswarm.controller.swarm import Swarm
from hlsswarm.core import names
from hlsswarm.core.measurements import Measurements
from hlsswarm.core.states import Phase
from hlsswarm.telemetry.process_socket import LISTENER, Keeper

SCHEMA = "hlsswarm.swarm-state/1"
_RECORD = (
    "started",
    "restarts",
    "own_failures",
    "peak_active",
    "streaming_seconds",
    "lost_seconds",
)
_TOTALS = ("lines", "recognised_lines", "dropped_bytes", "unattributed_connections")


@dataclass
class Keeping:
    """What a swarm that is to outlive its controller is opened with."""

    keeper: Keeper | None = None
    saved: Mapping[str, Any] | None = None
    """What another controller saved of it last."""
    kept: Mapping[str, socket.socket] = field(default_factory=dict)
    """Sockets that were kept: the listener's, and by unit those of processes."""
    same_boot: bool = False
    """Whether systemd has run ever since: a unit that is gone then was stopped by somebody."""
    ends: bool = False
    """Whether the swarm is to end with this controller, after all."""


def saved(swarm: Swarm) -> dict[str, Any]:
    """What the next controller has to know of a swarm, as JSON takes it."""
    record, totals = swarm.record, swarm.totals
    return {
        "schema": SCHEMA,
        "clients": {str(client.number): _client(client) for client in swarm.clients},
        "record": {name: getattr(record, name) for name in _RECORD},
        "exits": dict(record.exits),
        "totals": {name: getattr(totals, name) for name in _TOTALS},
        "measured": totals.measured.as_dict(),
    }


def _client(client: Client) -> list[object]:
    telemetry = client.telemetry
    return [
        client.phase.value,
        client.failures,
        client.restarts,
        telemetry.segments,
        telemetry.processes,
        client.stopped_outside,
        client.played_to_end,
    ]


def stopped_in(document: Mapping[str, Any]) -> set[int]:
    """Clients of a saved swarm that somebody has stopped."""
    return {int(key) for key, values in document.get("clients", {}).items() if values[5]}


def begin_again(swarm: Swarm, keeping: Keeping) -> None:
    """Go on with a swarm of which nothing runs: its machine was started anew, or somebody has
    stopped all of it.
    """
    _restore(swarm, keeping)
    for client in swarm.clients:
        if keeping.same_boot:
            _absent(swarm, client, was_saved=True)
        else:
            client.phase, client.stopped_outside, client.failures = Phase.WAITING, False, 0


def _restore(swarm: Swarm, keeping: Keeping) -> None:
    if keeping.saved is not None:
        restore_figures(swarm, keeping.saved)


def restore_figures(swarm: Swarm, document: Mapping[str, Any]) -> None:
    """Have counters go on where they were saved. Raises ValueError or KeyError for a document
    that is no such one.
    """
    if document.get("schema") != SCHEMA:
        raise ValueError(f"a swarm's state of schema {document.get('schema')!r}, not {SCHEMA}")
    record, totals = swarm.record, swarm.totals
    measured = Measurements.from_dict(document["measured"])
    for name in _RECORD:
        setattr(record, name, document["record"][name])
    record.exits = Counter({str(key): int(n) for key, n in document["exits"].items()})
    for name in _TOTALS:
        setattr(totals, name, int(document["totals"][name]))
    totals.measured = measured
    for client in swarm.clients:
        values = document["clients"].get(str(client.number))
        if values is not None:
            _restore_client(client, values)


def _restore_client(client: Client, values: list[Any]) -> None:
    phase, client.failures, client.restarts, segments, processes, stopped, played = values
    client.phase = Phase(phase)
    client.telemetry.segments, client.telemetry.processes = segments, processes
    client.stopped_outside, client.played_to_end = stopped, played


def take_over(swarm: Swarm, keeping: Keeping) -> None:
    """Go on with a swarm whose units run: as systemd lists them, and as was saved of it.

    Clients whose process nobody can hear any more are started anew; what was between two starts
    is started; what somebody stopped meanwhile stays stopped.
    """
    _restore(swarm, keeping)
    swarm.listen()
    units = swarm.manager.list_units(names.run_pattern(swarm.run))
    there = {unit.name: unit for unit in units if unit.active not in {"inactive", "failed"}}
    known = {client.unit for client in swarm.clients}
    for unit in there.keys() - known:
        swarm.manager.stop(unit)  # the swarm was made smaller while nobody was there
    swarm.telemetry.start(keeping.kept.get(LISTENER))
    for client in swarm.clients:
        connection = keeping.kept.get(client.unit)
        if client.unit not in there:
            _absent(swarm, client, was_saved=keeping.saved is not None)
            continue
        swarm.restarts.remade.done(client.unit)
        client.stopped_outside = False  # if it was, it was resumed since that was saved
        if connection is not None:
            client.telemetry.continues = True
            client.phase = Phase.RUNNING
            swarm.telemetry.take_over(client.unit, connection)
        else:
            _unheard(swarm, client, there[client.unit].sub)


def _absent(swarm: Swarm, client: Client, *, was_saved: bool) -> None:
    """A client without a unit: not started yet, between two starts, or stopped by somebody."""
    if client.phase is Phase.BACKOFF or swarm.restarts.remade.has(client.unit):
        swarm.restarts.resume(client)
    elif client.phase is Phase.RUNNING and was_saved:
        client.phase, client.stopped_outside = Phase.FINISHED, True
        client.last_end = "was stopped from outside"


def _unheard(swarm: Swarm, client: Client, sub: str) -> None:
    """A unit that is there without a connection: it waits, or its process cannot be heard."""
    if sub == "auto-restart":
        client.phase = Phase.BACKOFF
        return
    if sub == "exited":
        client.phase = Phase.FINISHED
        return
    client.phase = Phase.RUNNING
    swarm.restarts.renew(client)
