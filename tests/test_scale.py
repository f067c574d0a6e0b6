"""Past one machine: segments on several hosts, and several addresses on one, on a real network.

Hosts are network namespaces of this machine (tests.lab.network), each with a systemd of its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.network import Host, hosts
from tests.support import AccessLine, Origin, Place, logged, origin, place

HOSTS = 3
CLIENTS = 8
OFF = ("--metrics", "off", "--summary-interval", "200ms")


def on(here: Place, host: Host) -> Place:
    """A place whose commands run on a host."""
    return dataclasses.replace(here, before=host.inside)


@pytest.fixture(scope="module")
def network() -> Iterator[tuple[Origin, tuple[Host, ...]]]:
    """An origin on a host of its own, and further hosts."""
    with hosts(1 + HOSTS) as made, place() as here:
        first, *others = made
        with origin(on(here, first), address=first.address) as playing:
            yield playing, tuple(others)


def by_client(lines: list[AccessLine]) -> dict[str, set[str]]:
    """The addresses that each client came from."""
    found: dict[str, set[str]] = {}
    for line in lines:
        found.setdefault(line.user_agent.rpartition("/")[2], set()).add(line.address)
    return found


def test_segments_on_three_hosts_are_one_run(
    network: tuple[Origin, tuple[Host, ...]], tmp_path: Path
) -> None:
    """Everybody once, each on the host that has it; merged, the figures are those of nginx."""
    playing, machines = network
    begin = time.time() + 7
    with contextlib.ExitStack() as stack:
        places = [on(stack.enter_context(place()), host) for host in machines]
        commands = [
            one.start(
                "run", playing.url, "--clients", str(CLIENTS), "--segment", f"{k}/{HOSTS}",
                "--start-at", str(begin), "--ramp-rate", "8",
                "--user-agent", "scale", "--out", str(tmp_path / str(k)), *OFF,
            )
            for k, one in enumerate(places, start=1)
        ]  # fmt: skip
        for k, command in enumerate(commands, start=1):
            command.wait_for_line(f" of {CLIENTS} clients (segment {k}/{HOSTS})")
        for k, command in enumerate(commands, start=1):
            own = len(range(k, CLIENTS + 1, HOSTS))
            command.wait_for_line(f" streaming:{own}/{own}", timeout_seconds=60)
        for command in commands:
            command.signal(signal.SIGINT)
        for command in commands:
            finished = command.finished()
            assert finished.status == 105, f"{finished.out}\n{finished.err}"
        names = [str(tmp_path / str(k)) for k in range(1, HOSTS + 1)]
        report = json.loads(places[0].done("report", *names, "--format", "json").out)
        apart = places[0].run("report", *names[:2], "--judge")
        again = places[0].run("report", names[0], names[1], names[1])

    lines = logged(playing.access_log, "scale/client-")
    assert by_client(lines) == {
        f"client-{number}": {machines[(number - 1) % HOSTS].address}
        for number in range(1, CLIENTS + 1)
    }
    summary = report["summary"]
    assert (summary["clients"]["target"], summary["clients"]["streamed"]) == (CLIENTS, CLIENTS)
    assert report["plan"]["clients"] == CLIENTS
    assert report["verdict"] != "void", report["reasons"]
    segments = [line for line in lines if line.is_segment]
    # As one run: what is asked for as the stop begins is counted and not logged (test_end_to_end),
    # here by each of the runs.
    assert 0 <= summary["segments"]["requests"] - len(segments) <= HOSTS
    assert 0 <= summary["playlists"]["requests"] - (len(lines) - len(segments)) <= CLIENTS
    parts = [json.loads((tmp_path / str(k) / "summary.json").read_text()) for k in (1, 2, 3)]
    for section, figure in (
        ("segments", "requests"),
        ("segments", "bytes"),
        ("sessions", "started"),
    ):
        assert summary[section][figure] == sum(part[section][figure] for part in parts)
    began = [datetime.datetime.fromisoformat(part["started_at"]).timestamp() for part in parts]
    assert min(began) >= int(begin), began  # told to the second
    assert apart.status == 107
    assert "Segment 3/3 is missing: these are 6 of 8 clients." in apart.out
    assert (again.status, again.sentence) == (2, f"{names[1]} is named twice.")


def test_clients_of_one_machine_come_from_several_addresses(
    network: tuple[Origin, tuple[Host, ...]], tmp_path: Path
) -> None:
    playing, (one, two, own) = network
    with place() as anywhere:
        here = on(anywhere, own)
        # It starts the manager, which finds namespaces that came later, too.
        first = here.start(
            "run", playing.url, "--clients", "1", "--run-id", "first", "--user-agent", "first", *OFF
        )
        first.wait_for_line("Run first")
        with hosts(1) as (late,):
            command = here.start(
                "run", playing.url, "--clients", "6", "--ramp-rate", "0",
                "--network-namespace", one.namespace,
                "--network-namespace", f"/run/netns/{two.namespace}",
                "--user-agent", "spread", "--json", str(tmp_path / "summary.json"), *OFF,
            )  # fmt: skip
            command.wait_for_line(" streaming:6/6", timeout_seconds=60)
            command.signal(signal.SIGINT)
            finished = command.finished()
            alone = here.start(
                "run", playing.url, "--clients", "1", "-v", "--skip-preflight",
                "--reconnect", "off", "--network-namespace", late.namespace,
                "--user-agent", "late", *OFF,
            )  # fmt: skip
            ended = alone.wait_for_line("#1 exited")
            alone.signal(signal.SIGINT)
            alone.finished()
        first.signal(signal.SIGINT)
        first.finished()
    lines = logged(playing.access_log, "spread/client-")
    assert by_client(lines) == {
        f"client-{number}": {(one if number % 2 else two).address} for number in range(1, 7)
    }
    told = f"Clients are in turn in the network namespaces {one.namespace}, {two.namespace}."
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert told in summary["notes"]
    assert told in finished.out
    assert summary["clients"]["streamed"] == 6
    # It has no way to the origin: that its client asks for nothing shows that it was in there.
    assert "status 225" not in ended  # EXIT_NETWORK: systemd could not put it there
    assert Counter(line.user_agent for line in logged(playing.access_log, "late")) == Counter()


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("nowhere-at-all", "The network namespace /run/netns/nowhere-at-all cannot be opened"),
        ("/etc/hosts", "/etc/hosts is no network namespace."),
        ("/proc/self/ns/mnt", "/proc/self/ns/mnt is no network namespace."),
    ],
)
def test_what_is_no_network_namespace_is_refused(value: str, sentence: str) -> None:
    with place() as here:
        finished = here.run(
            "run",
            "http://127.0.0.1:9/x.m3u8",
            "--skip-preflight",
            "--network-namespace",
            value,
            *OFF,
        )
        assert finished.status == 106
        assert finished.sentence.startswith(sentence)
        here.nothing_left()


def test_a_time_to_begin_that_has_gone_by_is_refused() -> None:
    with place() as here:
        finished = here.run(
            "run", "http://127.0.0.1:9/x.m3u8", "--skip-preflight", *OFF,
            "--start-at", "2026-01-01T00:00:00Z",
        )  # fmt: skip
        assert finished.status == 106
        assert finished.sentence == "--start-at 2026-01-01T00:00:00Z has gone by."
        here.nothing_left()
