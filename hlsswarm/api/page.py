"""The page's files, which are part of the package; uPlot is the report's (report/assets)."""

from __future__ import annotations

from http import HTTPStatus
from importlib.resources import files

from hlsswarm.api.errors import ApiError
from hlsswarm.api.routes import Call, Reply

_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css"}
_PLACES = {
    "index.html": "hlsswarm.api",
    "rig.js": "hlsswarm.api",
    "plots.js": "hlsswarm.api",
    "rig.css": "hlsswarm.api",
    "uPlot.iife.min.js": "hlsswarm.report",
    "uPlot.min.css": "hlsswarm.report",
}
NAMES = list(_PLACES)
"""All of them."""


async def index(_: Call) -> Reply:
    """The page itself."""
    return _file("index.html")


async def file(call: Call) -> Reply:
    """One file of the page."""
    return _file(call.path["file"])


def _file(name: str) -> Reply:
    if name not in _PLACES:
        raise ApiError(HTTPStatus.NOT_FOUND, "There is no such file.")
    package = _PLACES[name]
    folder = "page" if package == "hlsswarm.api" else "assets"
    data = files(package).joinpath(folder, name).read_bytes()
    return Reply(data, content_type=f"{_TYPES[name.rpartition('.')[2]]}; charset=utf-8")
