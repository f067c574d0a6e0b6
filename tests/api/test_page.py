"""The rig's page in a real browser: what it shows, that it steers, and what it withstands."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web

from hlsswarm.api.page import NAMES, file, index
from hlsswarm.api.routes import Call
from tests.api.browser import Tab, browser
from tests.api.conftest import Rig

_HACK = "document.title='hacked'"
BAD = f'</script><img src=x onerror="{_HACK}"><script>{_HACK}</script>'
TEXT = "document.body.innerText"
DRAWN = """
[...document.querySelectorAll("canvas")].filter((canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let drawn = 0;
  for (let i = 3; i < data.length; i += 4) drawn += data[i] > 100;
  return drawn > 100;
}).length
"""


def press(words: str, place: str = "document") -> str:
    """Script that presses the button with these words."""
    find = f'[...{place}.querySelectorAll("button")]'
    return f"{find}.find((b) => b.textContent === {json.dumps(words)} && b.offsetParent).click()"


def article(name: str) -> str:
    """Script that finds a swarm's card."""
    label = json.dumps(f'[aria-label="Swarm {name}"]')
    return f"document.querySelector({label})"


def test_a_person_opens_it_with_the_token_and_steers(rig: Rig, tmp_path: Path) -> None:
    async def steer() -> None:
        async with browser(tmp_path / "profile") as tab:
            await tab.open(f"http://127.0.0.1:{rig.port}/")
            await tab.wait_for("the question", "!document.getElementById('token').hidden")
            assert "evening" not in await tab.value(TEXT)
            await tab.type("not the token at all")
            await tab.press("Enter", 13, "\r")
            await tab.wait_for(
                "the refusal",
                "document.getElementById('status').innerText.includes('not the token')",
            )
            await tab.type(rig.token)
            await tab.press("Enter", 13, "\r")
            await tab.wait_for("the swarm", f"!!{article('evening')}")
            await steered(tab)
            # What is refused is told to the console by the browser itself.
            assert all("responded with a status of 40" in each for each in tab.complaints)
            assert await tab.value("document.cookie + JSON.stringify(localStorage)") == "{}"

    async def steered(tab: Tab) -> None:
        await tab.wait_for("plots", f"{DRAWN} >= 4")
        await tab.value("document.querySelector('summary').focus()")
        # By the keyboard alone from here to the new swarm.
        await tab.press("Enter", 13, "\r")
        for text in ("webby", rig.stream, "2"):
            await tab.press("Tab", 9)
            if text == "2":
                await tab.value("document.activeElement.select()")
            await tab.type(text)
        await tab.press("Enter", 13, "\r")
        card = article("webby")
        await tab.wait_for("the new swarm", f"!!{card}")
        await asyncio.to_thread(rig.wait_for_clients, 2, "webby")
        await tab.value(f"{card}.querySelector('input').value = 3")
        await tab.value(press("Scale", card))
        await asyncio.to_thread(rig.wait_for_clients, 3, "webby")
        await tab.value(press("Pause ramp", card))
        await tab.wait_for("the pause", f"{card}.innerText.includes('paused')")
        await tab.value(press("Resume ramp", card))
        await tab.wait_for("the end of it", f"!{card}.innerText.includes('paused')")
        await tab.value(press("Stop", card))
        assert (await asyncio.to_thread(rig.swarm, "webby"))["state"] == "running"
        await tab.value(press("Really stop?", card))
        await tab.wait_for("the stop", f"{card}.innerText.includes('stopped')")
        await tab.value(press("Remove", card))
        await tab.value(press("Really remove?", card))
        await tab.wait_for("its end", f"!{card}")
        await tab.wait_for(
            "the event", "document.getElementById('events').innerText.includes('removed')"
        )
        await tab.value("document.getElementById('new').open = true")
        await tab.value("document.forms.start.elements.name.value = 'Bad Name'")
        await tab.value(f"document.forms.start.elements.url.value = '{rig.stream}'")
        await tab.value("document.forms.start.requestSubmit()")
        await tab.wait_for(
            "the refusal", "document.getElementById('start-problem').innerText.includes('name: ')"
        )

    asyncio.run(steer())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_of_others_are_text_at_every_width(scheme: str, tmp_path: Path) -> None:
    """On a made-up rig whose every word is markup, or longer than any line."""
    row = {
        "clients": {"streaming": 5}, "segments": 3, "failed": 0, "bytes": 10**6,
        "segment_p95_seconds": 0.02, "restarts": 0, "stalls": 0, "http_errors": 0,
    }  # fmt: skip
    rows = [{**row, "time": 1_800_000_000 + second} for second in range(60)]
    swarm = {
        "name": BAD, "state": "running", "reason": BAD, "url": "http://" + "x" * 400,
        "clients": {"target": 10**9, "active": 10**9, "started": 1, "states": {BAD: 1},
                    "stopped_outside": [BAD]},
        "restarts": 10**12, "requests": {"segment": 10**12}, "failed_requests": {"segment": 9},
        "received_bytes": {}, "stalls": 7, "verdict": "failing", "reasons": [BAD],
        "thresholds": [{"threshold": BAD, "value": 1.5, "passed": False, "had_data": True}],
    }  # fmt: skip
    item = {"kind": "encoder", "name": BAD, "state": "waiting", "reason": BAD * 3}
    event = {"number": 5, "time": 1.8e9, "kind": BAD, "item": BAD, "message": BAD}
    documents = {
        "/v1/rig": {"manager": BAD, "swarms": [swarm], "items": [item],
                    "state": {"failures": 1, "trouble": BAD}},
    }  # fmt: skip

    async def looked_at() -> None:
        async with MadeUp(documents, rows, event) as port, browser(tmp_path / "profile") as tab:
            await tab.scheme(scheme)
            await tab.open(f"http://127.0.0.1:{port}/")
            await tab.wait_for("plots", f"{DRAWN} >= 4")
            await tab.wait_for("the event", "document.getElementById('events').children.length")
            shown = await tab.value(TEXT)
            assert shown.count("onerror") >= 8
            assert await tab.value("document.title") == "hlsswarm rig"
            assert await tab.value("document.images.length") == 0
            for width in (1280, 700, 400):
                await tab.size(width, 900)
                await asyncio.sleep(0.3)
                assert await tab.value("document.documentElement.scrollWidth") <= width
            ground = await tab.value("getComputedStyle(document.body).backgroundColor")
            assert ground == ("rgb(17, 22, 29)" if scheme == "dark" else "rgb(245, 246, 248)")
            assert tab.complaints == []

    asyncio.run(looked_at())


class MadeUp:
    """A server with the page's own files, and documents that we make up."""

    def __init__(self, documents: dict[str, Any], rows: list[Any], event: dict[str, Any]) -> None:
        self._documents = documents
        self._rows = rows
        self._event = event

    async def __aenter__(self) -> int:
        """Its port."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        name = request.path.removeprefix("/page/")
        if request.path == "/" or name in NAMES:
            call = Call(cast(Any, None), cast(Any, None), {"file": name}, {}, {}, {})
            reply = await (index(call) if request.path == "/" else file(call))
            return web.Response(body=reply.body, headers={"Content-Type": reply.content_type})
        if request.path == "/v1/events/stream":
            data = (
                f"id: 5\ndata: {json.dumps(self._event)}\n\n"
                if "after=0" in request.path_qs
                else ""
            )
            return web.Response(text=data, content_type="text/event-stream")
        if request.path.endswith("/rows"):
            given = self._rows if request.query["after"] == "0" else []
            return web.json_response({"rows": given})
        return web.json_response(self._documents[request.path])
