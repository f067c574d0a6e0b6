"""A rig is steered through its API: swarms, items, faults, events, and over the daemon's death."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import tomli_w

from hlsswarm.api.table import OPERATIONS, document
from hlsswarm.core.rig_reading import read_rig
from hlsswarm.errors import ConfigurationError, HlsSwarmError, PreflightError, UsageError
from tests.api.conftest import Rig
from tests.rig.daemons import stop_by_hand
from tests.support import wait_for

DOCUMENT = document()


def test_what_is_told_is_what_the_document_says(rig: Rig) -> None:
    for operation in OPERATIONS:
        schema = operation.answer.schema
        if operation.method != "GET" or schema is None:
            continue
        path = operation.path.replace("{section}", "origin")
        path = path.replace("{name}", "main" if "items" in path else "evening")
        if path == "/v1/ladders/evening":
            continue
        whole = {**schema, "components": DOCUMENT["components"]}
        jsonschema.validate(rig.api.call("GET", path), whole)
    assert rig.api.call("GET", "/v1/openapi.json") == DOCUMENT
    assert rig.api.text("/readyz") == "ready\n"
    assert 'hlsswarm_clients_target{swarm="evening"} 2.0' in rig.api.text("/metrics")


def test_a_swarm_is_started_scaled_paused_stopped_and_removed(rig: Rig) -> None:
    table = {"name": "second", "url": rig.stream, "clients": 1, "ramp-rate": 10}
    made = rig.api.call("POST", "/v1/swarms", table)
    assert (made["name"], made["clients"]["target"]) == ("second", 1)
    rig.wait_for_clients(1, "second")
    assert rig.api.call("PATCH", "/v1/swarms/second", {"clients": 3})["clients"]["target"] == 3
    rig.wait_for_clients(3, "second")
    assert rig.api.call("POST", "/v1/swarms/second/pause")["state"] == "paused"
    rig.api.call("PATCH", "/v1/swarms/second", {"clients": 4})
    rows = wait_for(
        "rows after the pause",
        lambda: len(found := rig.api.call("GET", "/v1/swarms/second/rows")["rows"]) > 3 and found,
    )
    assert max(sum(row["clients"].values()) - row["clients"]["idle"] for row in rows) == 3
    assert rig.api.call("POST", "/v1/swarms/second/resume")["state"] == "running"
    rig.wait_for_clients(4, "second")
    rig.api.call("PATCH", "/v1/swarms/second", {"clients": 2})
    rig.wait_for_clients(2, "second")
    with pytest.raises(PreflightError, match="already"):
        rig.api.call("POST", "/v1/swarms", table)
    with pytest.raises(PreflightError, match="variant cannot be changed now"):
        rig.api.call("PATCH", "/v1/swarms/second", {"variant": "lowest"})
    stopped = rig.api.call("POST", "/v1/swarms/second/stop")
    assert (stopped["state"], stopped["clients"]["active"]) == ("stopped", 0)
    assert stopped["verdict"] is not None
    assert rig.daemon.place.units("second", "client") == []
    rig.api.call("PATCH", "/v1/swarms/second", {"variant": "lowest", "clients": 1})
    assert rig.api.call("POST", "/v1/swarms/second/start")["clients"]["target"] == 1
    rig.wait_for_clients(1, "second")
    rig.api.call("DELETE", "/v1/swarms/second")
    assert [swarm["name"] for swarm in rig.api.call("GET", "/v1/swarms")["swarms"]] == ["evening"]
    with pytest.raises(UsageError, match="There is no swarm 'second'"):
        rig.swarm("second")


def test_clients_that_somebody_stopped_are_started_again_by_order(rig: Rig) -> None:
    rig.wait_for_clients(2)
    unit = "hlsswarm-evening-client-0002.service"
    stop_by_hand(rig.daemon.place, unit)
    wait_for("its absence", lambda: rig.swarm()["clients"]["stopped_outside"] == [unit])
    done = rig.api.call("POST", "/v1/swarms/evening/resume-clients")["done"]
    assert done == ["1 client was started again"]
    assert rig.wait_for_clients(2)["clients"]["stopped_outside"] == []


def test_all_that_is_wrong_is_told_at_once(rig: Rig) -> None:
    table = {"name": "Bad Name", "url": "ftp://x", "clients": 0, "cliens": 3}
    status, answer = rig.send("POST", "/v1/swarms", table)
    assert status == 400
    assert {each["where"] for each in answer["problems"]} >= {"url", "clients", "cliens"}
    with pytest.raises(ConfigurationError, match=r"clients: .*\n.*cliens: .*Is clients meant"):
        rig.api.call("POST", "/v1/swarms", table)
    port = rig.daemon.origin_port
    status, answer = rig.send("POST", "/v1/items/origin", {"name": "other", "port": port})
    assert (status, answer["problems"][0]["where"]) == (400, "port")


def test_an_item_is_stopped_and_started(rig: Rig) -> None:
    table = {"name": "cam", "input": "lavfi:testsrc2=size=64x36:rate=5"}
    assert rig.api.call("POST", "/v1/items/encoder", table)["kind"] == "encoder"
    item = "/v1/items/encoder/cam"

    def is_in(state: str) -> bool:
        return bool(rig.api.call("GET", item)["state"] == state)

    wait_for("the encoder", lambda: is_in("running"), timeout_seconds=40)
    with pytest.raises(PreflightError, match="runs already"):
        rig.api.call("POST", f"{item}/start")
    assert rig.api.call("POST", f"{item}/stop")["state"] == "stopped"
    rig.api.call("POST", f"{item}/start")
    wait_for("the encoder again", lambda: is_in("running"), timeout_seconds=40)
    rig.api.call("DELETE", item)
    assert [each["name"] for each in rig.api.call("GET", "/v1/items")["items"]] == ["main"]


def test_a_fault_begins_and_ends(rig: Rig) -> None:
    faults = f"/v1/origins/{rig.daemon.origin_port}/faults"
    made = rig.api.call("POST", faults, {"fault": "status=503 share=10%"})
    assert made["fault"] == "status=503 on=segments share=10%"
    assert rig.api.call("GET", "/v1/faults")["faults"] == [made]
    rig.api.call("DELETE", f"{faults}/{made['number']}")
    assert rig.api.call("GET", "/v1/faults")["faults"] == []
    with pytest.raises(UsageError, match="There is no fault"):
        rig.api.call("DELETE", f"{faults}/{made['number']}")
    with pytest.raises(UsageError, match="No test origin runs on port 9"):
        rig.api.call("POST", "/v1/origins/9/faults", {"fault": "outage"})


def test_events_are_followed_and_taken_up_again(rig: Rig) -> None:
    api, seen = rig.api, []
    followed = iter(api.events())
    before = api.call("GET", "/v1/events")["events"]
    for event in before:
        assert next(followed) == event
    api.call("POST", "/v1/swarms/evening/pause")
    seen.append(next(followed))
    api.call("POST", "/v1/swarms/evening/resume")
    seen.append(next(followed))
    assert [(each["item"], each["kind"]) for each in seen] == [
        ("evening", "paused"),
        ("evening", "running"),
    ]
    later = api.call("GET", f"/v1/events?after={seen[0]['number']}")["events"]
    assert later[0] == seen[1]
    assert before[-1]["number"] < seen[0]["number"] < seen[1]["number"]


def test_commands_show_and_steer(rig: Rig, tmp_path: Path) -> None:
    place = rig.daemon.place
    assert "evening" in place.done("rig").out
    assert json.loads(place.done("rig", "--json").out)["schema"] == "hlsswarm.rig/1"
    assert place.done("rig", "scale", "evening", "3").out == "evening: 3 clients.\n"
    rig.wait_for_clients(3)
    assert "resized" in place.done("rig", "events").out
    saved = tmp_path / "saved.toml"
    place.done("config", "--write", str(saved))
    config = read_rig(saved.read_text()).config
    assert config is not None
    assert [swarm.values["clients"] for swarm in config.swarms] == [3]
    tables = {"swarm": [{"name": "third", "url": rig.stream, "clients": 1}]}
    (tmp_path / "third.toml").write_text(tomli_w.dumps(tables))
    place.done("rig", "start", str(tmp_path / "third.toml"))
    place.done("rig", "remove", "third")
    assert place.done("rig", "reload").out == "Nothing has changed.\n"
    assert rig.swarm()["clients"]["target"] == 3
    refused = place.run("rig", "scale", "evening", "0")
    assert (refused.status, refused.sentence) == (104, "clients: 0 is too little. The least is 1.")
    nobody = place.run("rig", env={"HLSSWARM_RUNTIME_DIR": str(tmp_path)})
    assert (nobody.status, nobody.sentence) == (106, "No rig is kept here: no daemon answers.")


def test_a_killed_daemon_is_steered_on_and_no_counter_runs_backwards(rig: Rig) -> None:
    rig.api.call("PATCH", "/v1/swarms/evening", {"clients": 4})
    rig.wait_for_clients(4)
    before, clients = rig.swarm()["requests"]["segment"], rig.daemon.processes()
    told: list[dict[str, Any]] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            with contextlib.suppress(HlsSwarmError):
                told.append(rig.swarm())
            time.sleep(0.05)

    rig.api.call("POST", "/v1/swarms", {"name": "ended", "url": rig.stream, "clients": 1})
    watching = threading.Thread(target=watch)
    watching.start()
    try:
        rig.api.call("POST", "/v1/swarms/evening/pause")
        rig.api.call("POST", "/v1/swarms/ended/stop")
        # What was ordered holds from the moment that it is answered.
        rig.daemon.kill(signal.SIGKILL)
        wait_for("more segments", lambda: rig.swarm()["requests"]["segment"] > before + 8)
    finally:
        ended.set()
        watching.join()
    rig.wait_for_clients(4)
    assert rig.daemon.processes() == clients
    assert told[-1]["clients"]["target"] == 4
    assert (rig.swarm()["state"], rig.swarm("ended")["state"]) == ("paused", "stopped")
    rig.api.call("POST", "/v1/swarms/evening/resume")
    rig.api.call("DELETE", "/v1/swarms/ended")
    for name in ("requests", "received_bytes"):
        counts = [swarm[name]["segment"] for swarm in told]
        assert counts == sorted(counts)
    restarts = [swarm["restarts"] for swarm in told]
    assert restarts == sorted(restarts)
