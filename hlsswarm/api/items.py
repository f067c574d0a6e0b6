"""Operations on what is no swarm: origins and their faults, encoders, ladders, publishers."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from hlsswarm.api.bodies import texts
from hlsswarm.api.documents import item_document, item_documents
from hlsswarm.api.routes import Call, Reply
from hlsswarm.core.faults import parse
from hlsswarm.core.ladder import parse_rung
from hlsswarm.encoders import ladder as ladders
from hlsswarm.errors import PreflightError
from hlsswarm.origin import faults
from hlsswarm.origin.faults import RunningFault
from hlsswarm.rig.steering import NotNowError, NotThereError


async def all_items(call: Call) -> Reply:
    """All of them."""
    return Reply({"items": item_documents(call.controls.steering)})


async def item(call: Call) -> Reply:
    """One of them."""
    return Reply(_document(call))


async def add_item(call: Call) -> Reply:
    """Start one."""
    steering = call.controls.steering
    made = await steering.add(call.path["section"], call.body)
    return Reply(item_document(steering.rig, made), HTTPStatus.CREATED)


async def start_item(call: Call) -> Reply:
    """Start one that was stopped."""
    await call.controls.steering.start(call.path["section"], call.path["name"])
    return Reply(_document(call))


async def stop_item(call: Call) -> Reply:
    """End it; it stays known."""
    await call.controls.steering.stop(call.path["section"], call.path["name"])
    return Reply(_document(call))


async def remove_item(call: Call) -> Reply:
    """End it and forget it."""
    section, name = call.path["section"], call.path["name"]
    await call.controls.steering.remove(section, name)
    return Reply({"done": [f"removed {section} {name}"]})


async def resume_item(call: Call) -> Reply:
    """Start it again, although somebody stopped its units."""
    steering, key = call.controls.steering, (call.path["section"], call.path["name"])
    steering.item(*key)
    kept = steering.rig.items.get(key)
    if kept is None:
        raise NotNowError(f"The {key[0]} {key[1]!r} was stopped by order.", hint="Start it.")
    kept.resume()
    return Reply(_document(call))


def _document(call: Call) -> dict[str, Any]:
    steering = call.controls.steering
    found = steering.item(call.path["section"], call.path["name"])
    return item_document(steering.rig, found)


# --- ladders --------------------------------------------------------------------------------------


async def ladder_list(call: Call) -> Reply:
    """Every ladder that runs on this rig's systemd."""
    kind = _kind(call)
    found = await call.in_thread(lambda: [ladders.document(e) for e in ladders.ladders(kind)])
    return Reply({"ladders": found})


async def ladder(call: Call) -> Reply:
    """One of them."""
    return Reply(await call.in_thread(lambda: ladders.document(_ladder(call))))


async def add_rendition(call: Call) -> Reply:
    """Give every source one more Rendition."""
    words = texts(call.body, "rendition", defaults={"factory": "x264"})
    rung = parse_rung(words["rendition"])

    def added() -> dict[str, Any]:
        there = _ladder(call)
        if any(
            (r.rung.name, r.factory) == (rung.name, words["factory"]) for r in there.wanted.rungs
        ):
            raise NotNowError(f"The ladder has {rung.name} by {words['factory']} already.")
        ladders.add(there, rung, words["factory"])
        return ladders.document(_ladder(call))

    return Reply(await call.in_thread(added), HTTPStatus.CREATED)


async def remove_rendition(call: Call) -> Reply:
    """Take it from every source."""
    name = call.path["rendition"]

    def removed() -> int:
        there = _ladder(call)
        if not any(each.rung.name == name for each in there.wanted.rungs):
            raise NotThereError(f"The ladder has no rendition {name!r}.")
        return ladders.remove(there, name)

    ended = await call.in_thread(removed)
    return Reply({"done": [f"removed {name}", f"{ended} transcoders ended"]})


def _ladder(call: Call) -> ladders.Ladder:
    try:
        return ladders.the_ladder(_kind(call), call.path["name"])
    except PreflightError as error:
        raise NotThereError(error.message, hint=error.hint) from None


# --- faults ---------------------------------------------------------------------------------------


async def fault_list(call: Call) -> Reply:
    """Every fault in force."""
    found = await call.in_thread(lambda: faults.listed(_kind(call)))
    return Reply({"faults": [_fault(each) for each in found]})


async def start_fault(call: Call) -> Reply:
    """Put one in force."""
    kind, port = _kind(call), call.path["port"]
    fault = parse(texts(call.body, "fault")["fault"].split())

    def started() -> RunningFault:
        _origin(kind, port)
        number = asyncio.run(faults.start(kind, port, fault))
        there = [each for each in faults.listed(kind) if (each.port, each.number) == (port, number)]
        # One for a moment may have ended already.
        return there[0] if there else RunningFault(port, number, str(fault), None)

    return Reply(_fault(await call.in_thread(started)), HTTPStatus.CREATED)


async def stop_fault(call: Call) -> Reply:
    """End one."""
    kind, port, number = _kind(call), call.path["port"], call.path["number"]

    def stopped() -> None:
        _origin(kind, port)
        if (port, number) not in {(each.port, each.number) for each in faults.listed(kind)}:
            raise NotThereError(f"There is no fault {number} on port {port}.")
        faults.stop(kind, port, [number])

    await call.in_thread(stopped)
    return Reply({"done": [f"fault {number} of port {port} has ended"]})


def _origin(kind: str, port: int) -> None:
    try:
        faults.check_origin(kind, port)
    except PreflightError as error:
        raise NotThereError(error.message, hint=error.hint) from None


def _fault(fault: RunningFault) -> dict[str, Any]:
    return {
        "port": fault.port,
        "number": fault.number,
        "fault": fault.words,
        "began_at": fault.began_at,
    }


def _kind(call: Call) -> str:
    return call.controls.steering.rig.manager_kind
