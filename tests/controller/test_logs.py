"""Logs of services: which one a word means, and what is said of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hlsswarm.controller import logs
from hlsswarm.controller.log_tail import last_lines
from hlsswarm.controller.logs import ServiceLog, short_forms
from hlsswarm.errors import PreflightError, UsageError
from tests.support import Place, place, wait_for

ENCODER = "hlsswarm-encoders-encoder-live.cam1.service"


@pytest.mark.parametrize(
    "word",
    [
        ENCODER,
        "hlsswarm-encoders-encoder-live.cam1",
        "encoders-encoder-live.cam1",
        "encoder-live.cam1",
        "live.cam1",
        "live/cam1",
    ],
)
def test_words_for_a_unit(word: str) -> None:
    assert word in short_forms(ENCODER)


def test_a_service_without_a_member_is_named_by_its_role() -> None:
    forms = short_forms("hlsswarm-origin8080-nginx.service")
    assert {"nginx", "origin8080-nginx"} <= forms
    assert "" not in forms


def fake_there(monkeypatch: pytest.MonkeyPatch, *units: str) -> None:
    found = [ServiceLog(unit, "embedded", None) for unit in units]
    monkeypatch.setattr(logs, "_logs", lambda kind: found)


def test_one_of_several_is_to_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    units = ("hlsswarm-origin8080-nginx.service", "hlsswarm-origin8081-nginx.service")
    fake_there(monkeypatch, *units)
    with pytest.raises(UsageError, match="may be one of several") as told:
        logs.find_log("auto", "nginx")
    assert all(unit in (told.value.hint or "") for unit in units)
    assert logs.find_log("auto", "origin8081-nginx").unit == units[1]


def test_messages_of_clients_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_there(monkeypatch, "hlsswarm-a1-client-0001.service", ENCODER)
    with pytest.raises(UsageError, match="not kept"):
        logs.find_log("auto", "client-0001")
    with pytest.raises(UsageError) as told:
        logs.find_log("auto", "x")
    assert told.value.hint == "There is live/cam1."


def test_a_swarm_without_a_journal_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_there(monkeypatch, "hlsswarm-evening-client-0001.service", ENCODER)
    with pytest.raises(UsageError, match="journal has nothing of swarm evening") as told:
        logs.find_log("auto", "evening")
    assert "rig events" in (told.value.hint or "")


def test_a_swarms_log_is_the_journals(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [ServiceLog("hlsswarm-evening-client-0001.service", "system", None)]
    monkeypatch.setattr(logs, "_logs", lambda kind: there)
    assert logs.find_log("auto", "evening").swarm == "evening"


def test_no_file_and_no_journal_is_told() -> None:
    with pytest.raises(PreflightError, match="has left no messages"):
        logs.show(ServiceLog(ENCODER, "embedded", None), 5, print, follow=False)


@pytest.mark.parametrize(("count", "first"), [(0, None), (1, 9999), (3, 9997), (200, 9800)])
def test_the_last_lines_of_a_long_log(tmp_path: Path, count: int, first: int | None) -> None:
    log = tmp_path / "x.log"
    log.write_text("".join(f"line {number} {'x' * 300}\n" for number in range(10_000)))
    found = last_lines(log, count)
    assert len(found) == count
    assert first is None or found[0].startswith(f"line {first} ")


def test_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(b"red \x1b[31m\xff\x07 end\r\n")
    assert last_lines(log, 5) == ["red [31m\ufffd end"]
    assert last_lines(tmp_path / "none.log", 5) == []


def test_passwords_are_not_shown(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("[error] rtsp://me:secret@10.0.0.7/1: Connection refused\n")
    (line,) = last_lines(log, 1)
    assert "secret" not in line
    assert "10.0.0.7/1: Connection refused" in line


def test_commands_of_a_stop_that_found_nothing_are_left_out(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("[error] why\n/usr/bin/tail: invalid PID: ‘’\nkill: failed to parse\n")
    assert last_lines(log, 1) == ["[error] why"]


def test_following_tells_what_comes_and_ends_with_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = ServiceLog(ENCODER, "embedded", tmp_path / "x.log")
    said: list[str] = []
    there = threading.Event()
    there.set()
    monkeypatch.setattr(logs, "_is_there", lambda log: there.is_set())
    assert log.file is not None
    log.file.write_text("old 1\nold 2\n")
    follower = threading.Thread(
        target=logs.show, args=(log, 1, said.append), kwargs={"follow": True}
    )
    follower.start()
    wait_for("the old line", lambda: said == ["old 2"])
    with log.file.open("a") as file:
        file.write("new 1\nha")
    wait_for("the new line", lambda: said[1:] == ["new 1"])
    log.file.write_text("cut\n")  # as prepare does
    wait_for("the line after the cut", lambda: said[2:] == ["cut"])
    there.clear()
    follower.join(10)
    assert not follower.is_alive()


@pytest.fixture
def here() -> Iterator[Place]:
    with place() as made:
        yield made


def test_logs_of_a_run_that_is_there(here: Place) -> None:
    source = "lavfi:testsrc2=size=160x90:rate=5"
    here.done("encoder", "start", "live/cam1", "--input", source, "--no-wait")
    try:
        assert here.done("logs", "live/cam1").out == f"{ENCODER} has said nothing yet.\n"
        told = here.run("logs", "cam2")
        assert (told.status, told.hint) == (2, "There is live/cam1.")
        disk = here.done("logs", "--disk").out
        assert "encoders  0 B" in disk
        assert f"Logs of services take 0 B in {here.runtime_directory}." in disk
        assert here.run("logs").sentence == "logs needs a UNIT, or --disk."
        assert here.run("logs", "live/cam1", "--disk").status == 2
    finally:
        here.done("encoder", "stop", "--all")
    here.nothing_left()
