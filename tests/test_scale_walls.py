"""A client in a network namespace is walled in as any other: it reaches the plan's hosts alone.

On a system manager of its own (tests.lab.system_machine), where the kernel filters addresses.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.lab.system_machine import SystemMachine
from tests.support import REPOSITORY

NAMED, OTHER = "10.214.0.1", "10.214.0.2"
WEB, LOG, SAID = "/root/web", "/root/web.log", "/root/run.out"
UNIT = "walled-run"
_UNTIL_ENDED = f"until grep -q '] #1 ' {SAID}; do sleep 0.1; done; cat {SAID}"
_NETWORK = f"""
ip netns add server
ip netns add clients
ip -n server link add eth0 type veth peer name eth0 netns clients
ip -n server addr add {NAMED}/24 dev eth0
ip -n server addr add {OTHER}/24 dev eth0
ip -n clients addr add 10.214.0.9/24 dev eth0
ip -n server link set eth0 up
ip -n clients link set eth0 up
mkdir -p {WEB}
cat >{WEB}/stream.m3u8 <<END
#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:2
#EXTINF:2.0,
http://{OTHER}:8000/other.ts
#EXT-X-ENDLIST
END
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[SystemMachine]:
    """With a web server of two addresses in one namespace, and another for clients."""
    with SystemMachine() as made:
        made.run(["sh", "-e"], input=_NETWORK, check=True)
        serve = [sys.executable, "-u", "-m", "http.server", "8000", "--directory", WEB]
        where = ["-p", "NetworkNamespacePath=/run/netns/server", "-p", f"StandardError=file:{LOG}"]
        made.run(["systemd-run", "-q", "--service-type=exec", *where, *serve], check=True)
        yield made


def asked_for(machine: SystemMachine, *flags: str) -> list[str]:
    """The paths that a client asked the server for, until its process ended."""
    machine.run(["truncate", "-s", "0", LOG, SAID], check=True)
    run = [sys.executable, "-m", "hlsswarm", "run", "-v", "--manager", "system", "--clients", "1",
           "--skip-preflight", "--reconnect", "off", "--network-namespace", "clients",
           "--metrics", "off", *flags, f"http://{NAMED}:8000/stream.m3u8"]  # fmt: skip
    settings = [f"--setenv=PYTHONPATH={REPOSITORY}", "--setenv=PYTHONDONTWRITEBYTECODE=1",
                "-p", f"StandardOutput=file:{SAID}"]  # fmt: skip
    machine.run(["systemd-run", "-q", "--collect", f"--unit={UNIT}", *settings, *run], check=True)
    # One command that waits: each one is a cgroup that has to be made.
    said = machine.run(["sh", "-c", _UNTIL_ENDED], timeout=60, check=True).stdout
    machine.run(["systemctl", "stop", UNIT], check=True)
    assert "IP address filters" not in said, said
    log = machine.run(["cat", LOG], check=True).stdout
    return sorted({line.split('"')[1].split()[1] for line in log.splitlines() if '"' in line})


def test_what_the_plan_does_not_name_is_out_of_reach(machine: SystemMachine) -> None:
    assert asked_for(machine) == ["/stream.m3u8"]


def test_without_the_filter_it_is_within_reach(machine: SystemMachine) -> None:
    assert asked_for(machine, "--ip-filter", "off") == ["/other.ts", "/stream.m3u8"]
