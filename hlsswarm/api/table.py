"""Every operation of the API: the one table that the router and the OpenAPI document stand on."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from hlsswarm.api import items, page, swarms
from hlsswarm.api.openapi import openapi
from hlsswarm.api.routes import Answer, Call, Operation, Parameter, Reply
from hlsswarm.api.schemas import COUNT, PORT, named, record
from hlsswarm.api.schemas import items as listed
from hlsswarm.core.rig_sections import ITEMS

_CONFLICT: Final = (HTTPStatus.CONFLICT,)
_SYSTEMD: Final = (HTTPStatus.SERVICE_UNAVAILABLE,)
_BOTH: Final = (*_CONFLICT, *_SYSTEMD)
_SECTIONS: Final = [each.name for each in ITEMS if each.name != "swarm"]

_NAME: Final = Parameter("name", "its name", {"type": "string", "minLength": 1})
_SECTION: Final = Parameter("section", "what it is", {"type": "string", "enum": _SECTIONS})
_PORT: Final = Parameter("port", "the test origin's port", PORT)
_NUMBER: Final = Parameter("number", "the fault's number", COUNT)
_RENDITION: Final = Parameter("rendition", "its name", {"type": "string", "minLength": 1})
_AFTER_ROW: Final = Parameter(
    "after", "only rows after this time, in seconds since 1970", COUNT, "query"
)
_AFTER_EVENT: Final = Parameter("after", "only events after the one of this number", COUNT, "query")
_LAST_EVENT: Final = Parameter(
    "Last-Event-ID", "the number of the last event that you have", {"type": "string"}, "header"
)
_FILE: Final = Parameter("file", "one of the page's files", {"type": "string", "enum": page.NAMES})

_DONE: Final = Answer("It is done.", named("Done"))
_SWARM: Final = Answer("The swarm.", named("Swarm"))
_ITEM: Final = Answer("The item.", named("Item"))
_NEW_ITEM: Final = {"anyOf": [named(f"New{each.title()}") for each in _SECTIONS]}
_CREATED: Final = HTTPStatus.CREATED


async def _document(_: Call) -> Reply:
    return Reply(document())


_RIG: Final = (
    Operation(
        "GET", "/v1/rig", "rig", "The rig at a glance", swarms.rig,
        Answer("The rig.", named("Rig")),
    ),
    Operation(
        "GET", "/v1/units", "units", "All units of all runs, as systemd lists them", swarms.units,
        Answer("The units.", named("Units")), errors=_SYSTEMD,
    ),
    Operation(
        "GET", "/v1/events", "events", "The last events", swarms.events,
        Answer("The events.", record(events=listed(named("Event")))),
        (_AFTER_EVENT,),
    ),
    Operation(
        "GET", "/v1/events/stream", "event_stream",
        "Events as they come (Server-Sent Events), those that are kept first", swarms.stream,
        Answer("Events without an end.", content_type="text/event-stream"),
        (_AFTER_EVENT, _LAST_EVENT), errors=_SYSTEMD,
    ),
    Operation(
        "GET", "/v1/configuration", "configuration",
        "The rig as it runs, as a file that `hlsswarm serve` takes; secrets are left out",
        swarms.configuration, Answer("TOML.", content_type=swarms.TOML_TYPE),
    ),
    Operation(
        "POST", "/v1/reload", "reload", "Read the file again and do what has changed in it",
        swarms.reload, _DONE, errors=_BOTH,
    ),
    Operation(
        "GET", "/v1/openapi.json", "openapi", "This document", _document,
        Answer("OpenAPI 3.1.", {"type": "object"}),
    ),
    Operation(
        "GET", "/metrics", "metrics", "All series, for Prometheus", swarms.metrics,
        Answer("The series.", content_type="text/plain"),
    ),
    Operation(
        "GET", "/readyz", "readyz", "Whether everything has started", swarms.ready,
        Answer("It has.", content_type="text/plain"), errors=_SYSTEMD,
    ),
    Operation(
        "GET", "/healthz", "healthz", "Whether the daemon answers", swarms.healthy,
        Answer("It does.", content_type="text/plain"), open=True,
    ),
    Operation(
        "GET", "/", "page", "The page that shows and steers the rig", page.index,
        Answer("The page; it asks for the token itself.", content_type="text/html"), open=True,
        section="page",
    ),
    Operation(
        "GET", "/page/{file}", "page_file", "What the page is made of", page.file,
        Answer("A file.", content_type="text/*"), (_FILE,), open=True,
        section="page",
    ),
)  # fmt: skip


def _of_swarm(
    method: str, path: str, name: str, words: str, handler: Any, **more: Any
) -> Operation:
    """An operation on one swarm, which gives that swarm unless `more` says otherwise."""
    known = {
        "answer": _SWARM, "parameters": (_NAME,), "errors": _BOTH, "section": "swarms", **more,
    }  # fmt: skip
    return Operation(method, "/v1/swarms/{name}" + path, name, words, handler, **known)


_SWARMS: Final = (
    Operation(
        "GET", "/v1/swarms", "swarms", "All swarms", swarms.swarms,
        Answer("The swarms.", record(swarms=listed(named("Swarm")))), section="swarms",
    ),
    Operation(
        "POST", "/v1/swarms", "add_swarm", "Start a swarm: the keys of a [[swarm]] table",
        swarms.add_swarm, Answer("The swarm.", named("Swarm"), status=_CREATED),
        body=named("NewSwarm"), errors=_CONFLICT, section="swarms",
    ),
    _of_swarm("GET", "", "swarm", "One swarm", swarms.swarm, errors=()),
    _of_swarm(
        "PATCH", "", "change_swarm", "Scale a swarm, or change what else can be changed",
        swarms.change_swarm, body=named("SwarmChange"),
    ),
    _of_swarm(
        "DELETE", "", "remove_swarm", "End a swarm and forget it", swarms.remove_swarm, answer=_DONE
    ),
    _of_swarm("POST", "/start", "start_swarm", "Start a stopped swarm", swarms.start_swarm),
    _of_swarm(
        "POST", "/stop", "stop_swarm", "End a swarm's clients; it stays known", swarms.stop_swarm
    ),
    _of_swarm("POST", "/pause", "pause_swarm", "Let the ramp stand still", swarms.pause_swarm),
    _of_swarm("POST", "/resume", "resume_swarm", "Let the ramp go on", swarms.resume_swarm),
    _of_swarm(
        "POST", "/resume-clients", "resume_clients", "Start clients again that somebody stopped",
        swarms.resume_clients, answer=_DONE,
    ),
    _of_swarm(
        "GET", "/rows", "rows", "The last minutes of a swarm, a row a second", swarms.rows,
        answer=Answer("The rows.", record(rows=listed(named("Row")))),
        parameters=(_NAME, _AFTER_ROW), errors=(),
    ),
)  # fmt: skip


def _of_item(method: str, path: str, name: str, words: str, handler: Any, **more: Any) -> Operation:
    """An operation on one item, which gives that item unless `more` says otherwise."""
    known = {
        "answer": _ITEM, "parameters": (_SECTION, _NAME), "errors": _BOTH, "section": "items",
        **more,
    }  # fmt: skip
    return Operation(method, "/v1/items/{section}/{name}" + path, name, words, handler, **known)


_ITEMS: Final = (
    Operation(
        "GET", "/v1/items", "items", "Origins, encoders, ladders, publishers", items.all_items,
        Answer("The items.", record(items=listed(named("Item")))), section="items",
    ),
    Operation(
        "POST", "/v1/items/{section}", "add_item",
        "Start one: the keys of a [[section]] table", items.add_item,
        Answer("The item.", named("Item"), status=_CREATED), (_SECTION,), body=_NEW_ITEM,
        errors=_CONFLICT, section="items",
    ),
    _of_item("GET", "", "item", "One item", items.item, errors=()),
    _of_item("DELETE", "", "remove_item", "End it and forget it", items.remove_item, answer=_DONE),
    _of_item("POST", "/start", "start_item", "Start a stopped one", items.start_item),
    _of_item("POST", "/stop", "stop_item", "End it; it stays known", items.stop_item),
    _of_item(
        "POST", "/resume", "resume_item", "Start it again, where somebody stopped its units",
        items.resume_item,
    ),
)  # fmt: skip

_MEDIA: Final = (
    Operation(
        "GET", "/v1/ladders", "ladders", "All ladders that run", items.ladder_list,
        Answer("The ladders.", record(ladders=listed(named("Ladder")))), errors=_SYSTEMD,
        section="media",
    ),
    Operation(
        "GET", "/v1/ladders/{name}", "ladder", "One ladder", items.ladder,
        Answer("The ladder.", named("Ladder")), (_NAME,), errors=_SYSTEMD, section="media",
    ),
    Operation(
        "POST", "/v1/ladders/{name}/renditions", "add_rendition", "Add a Rendition to a ladder",
        items.add_rendition, Answer("The ladder.", named("Ladder"), status=_CREATED), (_NAME,),
        body=named("NewRendition"), errors=_BOTH, section="media",
    ),
    Operation(
        "DELETE", "/v1/ladders/{name}/renditions/{rendition}", "remove_rendition",
        "Take a Rendition away", items.remove_rendition, _DONE, (_NAME, _RENDITION), errors=_BOTH,
        section="media",
    ),
    Operation(
        "GET", "/v1/faults", "faults", "All faults in force", items.fault_list,
        Answer("The faults.", record(faults=listed(named("Fault")))), errors=_SYSTEMD,
        section="media",
    ),
    Operation(
        "POST", "/v1/origins/{port}/faults", "start_fault", "Have a test origin fail",
        items.start_fault, Answer("The fault.", named("Fault"), status=_CREATED), (_PORT,),
        body=named("NewFault"), errors=_BOTH, section="media",
    ),
    Operation(
        "DELETE", "/v1/origins/{port}/faults/{number}", "stop_fault", "End a fault",
        items.stop_fault, _DONE, (_PORT, _NUMBER), errors=_BOTH, section="media",
    ),
)  # fmt: skip

OPERATIONS: Final = (*_RIG, *_SWARMS, *_ITEMS, *_MEDIA)
"""All of them."""


def document() -> dict[str, Any]:
    """The OpenAPI document."""
    return openapi(OPERATIONS)
