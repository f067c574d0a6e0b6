"""--resolve by an /etc/hosts of the unit's own, on a real manager, with TLS as it should be."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path

import pytest

from hlsswarm.controller.machine import checks_certificates, gives_mount_namespaces
from hlsswarm.core.commands import ClientOptions, client_command
from hlsswarm.core.resolve import (
    HOSTS_PATH,
    NSSWITCH_PATH,
    Resolution,
    hosts_text,
    nsswitch_text,
    unit_properties,
)
from hlsswarm.core.unit_specs import Limits, Property, RestartPolicy, UnitSpec, client_spec
from hlsswarm.telemetry.ffmpeg_program import find_ffmpeg
from tests.client_options.web import NAME, PROGRAMS, SEGMENTS, TLS_ADDRESS, Web, version_of
from tests.support import wait_for
from tests.units.live import PATIENT, Live, Run

every_ffmpeg = pytest.mark.parametrize("program", PROGRAMS)
_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
"""Where Debian's GnuTLS has its authorities."""


def test_manager_gives_mount_namespaces(live: Live, tmp_path: Path) -> None:
    """The probe's answer, and that it leaves nothing."""
    manager = live.manager
    assert live.play(lambda: gives_mount_namespaces(manager, tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_manager_without_them_is_found_out(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that takes the property and does nothing about it, and one that fails the unit."""
    manager = live.manager
    start = manager.start

    def without_mounts(spec: UnitSpec, *instead: Property) -> UnitSpec:
        kept = tuple(p for p in spec.properties if p.name != "BindReadOnlyPaths")
        return UnitSpec(spec.name, (*kept, *instead))

    def ignoring(spec: UnitSpec) -> str:
        return start(without_mounts(spec))

    def failing(spec: UnitSpec) -> str:
        missing = Property("BindReadOnlyPaths", "a(ssbt)", [("/missing", HOSTS_PATH, False, 0)])
        return start(without_mounts(spec, missing))

    for other in (ignoring, failing):
        monkeypatch.setattr(manager, "start", other)
        assert not live.play(lambda: gives_mount_namespaces(manager, tmp_path))


def play_in_unit(
    run: Run, origin: Web, program: str, agent: str, *, trusted: bool, words: tuple[str, ...] = ()
) -> None:
    """Run one client of the made-up name in a unit, to the end of its VOD or its failure.

    `trusted` puts the test's authority into the unit's bundle; `words` go before the input.
    """
    resolution = Resolution("hosts", NAME, TLS_ADDRESS)
    options = ClientOptions(
        origin.tls_url("master.m3u8"), user_agent=agent, resolution=resolution, reconnect=False
    )
    command = list(client_command(Path(program), version_of(program), options, client=1))
    command[command.index("-i") : command.index("-i")] = words
    hosts, switch = run.directory / "hosts", run.directory / "nsswitch.conf"
    hosts.write_text(hosts_text(Path(HOSTS_PATH).read_text(), resolution))
    switch.write_text(nsswitch_text(Path(NSSWITCH_PATH).read_text()))
    extra = list(unit_properties(hosts, switch))
    if trusted:
        bundle = (str(origin.authority), _BUNDLE, False, 0)
        extra.append(Property("BindReadOnlyPaths", "a(ssbt)", [bundle]))
    spec = client_spec(
        run.run,
        1,
        tuple(command),
        abilities=run.live.abilities,
        # A file: a socket that nobody reads would stop the client.
        telemetry_socket=run.directory / "client.log",
        restart=RestartPolicy(PATIENT, 1, when="no"),
        limits=Limits(),
    )
    run.start(dataclasses.replace(spec, properties=(*spec.properties, *extra)))
    wait_for("the client's end", lambda: not run.live.manager.is_active(spec.name))


@every_ffmpeg
def test_name_and_certificate_stay_intact(a_run: Run, origin: Web, program: str) -> None:
    agent = f"hosts-{Path(program).name}-"
    play_in_unit(
        a_run, origin, program, agent, trusted=True, words=("-tls_verify", "1", "-ca_file", _BUNDLE)
    )
    requests = origin.requests(agent)
    assert len(requests) == 1 + 3 + 3 * SEGMENTS
    assert {request.sni for request in requests} == {NAME}
    assert {request.host.partition(":")[0] for request in requests} == {NAME}


@every_ffmpeg
def test_a_wrong_certificate_is_refused(a_run: Run, origin: Web, program: str) -> None:
    """The check is a real one: by an authority that the unit does not know, nothing comes."""
    agent = f"untrusted-{Path(program).name}-"
    play_in_unit(a_run, origin, program, agent, trusted=False, words=("-tls_verify", "1"))
    assert origin.requests(agent) == []


@every_ffmpeg
def test_what_is_checked_by_default(a_run: Run, origin: Web, program: str) -> None:
    agent = f"default-{Path(program).name}-"
    play_in_unit(a_run, origin, program, agent, trusted=False)
    assert (origin.requests(agent) == []) == checks_certificates(find_ffmpeg(program))


def test_the_machine_itself_does_not_know_the_name() -> None:
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo(NAME, 443)
