"""Operations on swarms, and on the rig as a whole."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from hlsswarm.api.documents import (
    not_ready,
    rig_document,
    row_document,
    swarm_document,
    swarm_documents,
    units_document,
)
from hlsswarm.api.errors import ApiError
from hlsswarm.api.events import event_stream, number_before
from hlsswarm.api.routes import Call, Reply, Stream
from hlsswarm.controller import runs
from hlsswarm.core.rig_text import write_config
from hlsswarm.metrics.server import exposition
from hlsswarm.rig.steering import NotNowError
from hlsswarm.rig.swarm import RigSwarm

TEXT_TYPE = "text/plain; charset=utf-8"
TOML_TYPE = "application/toml"


async def rig(call: Call) -> Reply:
    """Everything at a glance."""
    return Reply(rig_document(call.controls.steering))


async def units(call: Call) -> Reply:
    """Units as systemd lists them."""
    kind = call.controls.steering.rig.manager_kind
    return Reply(units_document(await call.in_thread(lambda: runs.status(kind))))


async def configuration(call: Call) -> Reply:
    """The rig as TOML."""
    text = write_config(call.controls.steering.config)
    return Reply(text.encode(), content_type=TOML_TYPE)


async def reload(call: Call) -> Reply:
    """Read the file again."""
    return Reply({"done": await call.controls.reload()})


async def events(call: Call) -> Reply:
    """The last events."""
    found = call.controls.steering.rig.events.since(number_before(call))
    return Reply({"events": [event.as_dict() for event in found]})


async def stream(call: Call) -> Stream:
    """Events as they come."""
    return Stream(event_stream(call), "text/event-stream")


async def healthy(_: Call) -> Reply:
    """Whether the daemon works."""
    return Reply(b"ok\n", content_type=TEXT_TYPE)


async def ready(call: Call) -> Reply:
    """Whether everything has started."""
    waiting = not_ready(call.controls.steering.rig)
    if waiting:
        raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, f"Not started yet: {', '.join(waiting)}.")
    return Reply(b"ready\n", content_type=TEXT_TYPE)


async def metrics(call: Call) -> Reply:
    """Every series."""
    content_type, text = exposition(call.controls.registries)
    return Reply(text, content_type=content_type)


# --- swarms ---------------------------------------------------------------------------------------


async def swarms(call: Call) -> Reply:
    """All of them."""
    return Reply({"swarms": swarm_documents(call.controls.steering)})


async def swarm(call: Call) -> Reply:
    """One of them."""
    return Reply(_document(call))


async def add_swarm(call: Call) -> Reply:
    """Start one."""
    steering = call.controls.steering
    item = await steering.add("swarm", call.body)
    return Reply(swarm_document(steering, item), HTTPStatus.CREATED)


async def change_swarm(call: Call) -> Reply:
    """Scale it, or change what else can be changed."""
    if not call.body:
        raise ApiError(HTTPStatus.BAD_REQUEST, "There is nothing to change.", '{"clients": 50}')
    await call.controls.steering.change("swarm", call.path["name"], call.body)
    return Reply(_document(call))


async def start_swarm(call: Call) -> Reply:
    """Start one that was stopped."""
    await call.controls.steering.start("swarm", call.path["name"])
    return Reply(_document(call))


async def stop_swarm(call: Call) -> Reply:
    """End its clients; it stays known, with its verdict."""
    await call.controls.steering.stop("swarm", call.path["name"])
    return Reply(_document(call))


async def remove_swarm(call: Call) -> Reply:
    """End it and forget it."""
    await call.controls.steering.remove("swarm", call.path["name"])
    return Reply({"done": [f"removed swarm {call.path['name']}"]})


async def pause_swarm(call: Call) -> Reply:
    """Let the ramp stand still."""
    return _paused(call, paused=True)


async def resume_swarm(call: Call) -> Reply:
    """Let the ramp go on."""
    return _paused(call, paused=False)


def _paused(call: Call, *, paused: bool) -> Reply:
    _running(call).pause(paused=paused)
    call.controls.steering.rig.save()
    return Reply(_document(call))


async def resume_clients(call: Call) -> Reply:
    """Start clients again that somebody stopped."""
    count = _running(call).resume_stopped()
    words = "client was" if count == 1 else "clients were"
    return Reply({"done": [f"{count} {words} started again"]})


async def rows(call: Call) -> Reply:
    """The last minutes, a row a second."""
    steering, name = call.controls.steering, call.path["name"]
    steering.item("swarm", name)
    after = call.query.get("after", 0)
    kept = steering.rig.swarms[name].kept_rows.rows if name in steering.rig.swarms else ()
    return Reply({"rows": [row_document(row) for row in kept if row.time > after]})


def _document(call: Call) -> dict[str, Any]:
    steering = call.controls.steering
    return swarm_document(steering, steering.item("swarm", call.path["name"]))


def _running(call: Call) -> RigSwarm:
    """Raises NotThereError, NotNowError."""
    steering, name = call.controls.steering, call.path["name"]
    steering.item("swarm", name)
    there = steering.rig.swarms.get(name)
    if there is None or not (there.is_open or there.state == "waiting"):
        raise NotNowError(f"The swarm {name!r} does not run.", hint="Start it.")
    return there
