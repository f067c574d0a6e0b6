"""Another host's systemd, by a real ssh: what runs there is seen and ended from here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest

from hlsswarm.core.names import client_unit
from hlsswarm.units.runtime_directory import fresh_run_directory
from tests.lab.ssh_host import SshHost, ssh_host
from tests.support import REPOSITORY, Place, free_port, place

RUN = "far"
HLSSWARM = [str(REPOSITORY / ".venv/bin/python"), "-m", "hlsswarm"]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHost]:
    with ssh_host(tmp_path_factory.mktemp("ssh"), free_port()) as made:
        yield made


@pytest.fixture
def here() -> Iterator[Place]:
    with place() as made:
        yield made


_LIST = f"systemctl list-units --plain --no-legend 'hlsswarm-{RUN}-client-*.service' | wc -l"


def waited_there(host: SshHost, condition: str) -> None:
    """Wait on the host, in one command: each one is a cgroup that has to be made."""
    host.machine.run(["sh", "-c", f"until {condition}; do sleep 0.1; done"], timeout=60, check=True)


def start_there(host: SshHost) -> None:
    """A run of two clients that find no origin and go on trying."""
    environment = [f"--setenv=PYTHONPATH={REPOSITORY}", "--setenv=PYTHONDONTWRITEBYTECODE=1"]
    host.machine.run(
        ["systemd-run", "-q", "--unit=far-run", *environment, *HLSSWARM, "run", "--manager",
         "system", "--skip-preflight", "--clients", "2", "--ramp-rate", "0", "--run-id", RUN,
         "--metrics", "off", "http://127.0.0.1:9/x.m3u8"],
        check=True,
    )  # fmt: skip
    waited_there(host, f'[ "$({_LIST})" = 2 ]')


def test_a_run_on_another_host_is_seen_and_ended(host: SshHost, here: Place) -> None:
    start_there(host)
    manager = ("--manager", f"ssh:{host.address}")
    shown = here.run("status", *manager, "--json", env=host.environment)
    assert shown.status == 0, shown.err
    (run,) = json.loads(shown.out)["runs"]
    assert (run["run"], run["systemd"]["manager"]) == (RUN, f"ssh:{host.address}")
    names = {unit["name"] for unit in run["units"]}
    assert {client_unit(RUN, n) for n in (1, 2)} <= names

    text = here.run("status", *manager, "--units", env=host.environment)
    assert f"(ssh:{host.address} manager)" in text.out
    assert "client: " in text.out

    # A run of that name here has nothing to do with it.
    here.runtime_directory.mkdir()
    mine = fresh_run_directory(here.runtime_directory, RUN, kind="embedded")
    stopped = here.run("stop", *manager, RUN, env=host.environment)
    assert (stopped.status, stopped.out) == (0, f"Stopped {RUN}.\n"), stopped.err
    assert mine.is_dir()
    shutil.rmtree(mine)
    assert host.machine.run(["sh", "-c", _LIST], check=True).stdout == "0\n"
    waited_there(host, "! systemctl -q is-active far-run")
    again = here.run("stop", *manager, RUN, env=host.environment)
    assert (again.status, again.sentence) == (2, f"There is no run {RUN}.")


def test_a_host_that_does_not_answer_is_told(here: Place, host: SshHost) -> None:
    address = f"root@127.0.0.1:{free_port()}"
    refused = here.run("status", "--manager", f"ssh:{address}", env=host.environment)
    assert refused.status == 106
    assert f"systemd on {address} cannot be reached by ssh." in refused.err
    here.nothing_left()


@pytest.mark.parametrize("host_name", ["", "-oProxyCommand=x", "a b", "root@", "h:port", "a;b"])
def test_what_names_no_host_is_refused(here: Place, host_name: str) -> None:
    refused = here.run("status", f"--manager=ssh:{host_name}")
    assert (refused.status, refused.hint) == (2, "Give ssh:[USER@]HOST[:PORT].")


def test_a_run_is_not_sent_away_without_its_telemetry(here: Place) -> None:
    refused = here.run("run", "--manager", "ssh:far.example", "http://127.0.0.1:9/x.m3u8")
    assert refused.status == 2
    assert refused.sentence.startswith("--manager ssh:HOST is for status and stop")
    assert refused.hint.startswith("ssh far.example hlsswarm")
    here.nothing_left()
