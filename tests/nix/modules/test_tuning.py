"""Limits of the kernel: what the module sets is enough for what `hlsswarm doctor` asks for."""

from __future__ import annotations

import math
from typing import Any

import pytest

from hlsswarm.core.doctor import Level, Machine, Needs, checks
from tests.nix.modules.support import machine
from tests.support import REPOSITORY

OFF = {
    "ephemeralPorts": {"net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports"},
    "timeWaitReuse": {"net.ipv4.tcp_tw_reuse"},
    "conntrack": {"net.netfilter.nf_conntrack_max"},
    "backlog": {"net.core.somaxconn"},
    "tasks": {"kernel.threads-max"},
    "inotify": {"fs.inotify.max_user_watches", "fs.inotify.max_user_instances"},
}
OURS = set().union(*OFF.values())
LOOKED_AT = {"tasks of the system", "ephemeral ports", "conntrack", "somaxconn", "open files"}


def _tuned(words: str, more: str = "") -> dict[str, Any]:
    found: dict[str, Any] = machine(
        f"{{ services.hlsswarm.tuning = {{ enable = true; {words} }}; {more} }}",
        """{
          sysctl = lib.filterAttrs (_: v: v != null) config.boot.kernel.sysctl;
          limits = config.security.pam.loginLimits or [ ];
          modules = config.boot.kernelModules;
          clients = config.services.hlsswarm.tuning.clients;
        }""",
    )
    return found


@pytest.mark.parametrize("clients", [10, 500, 5000])
def test_the_doctor_has_nothing_to_say(clients: int) -> None:
    found = _tuned(f"clients = {clients};")
    sysctl = found["sysctl"]
    first, last = map(int, sysctl["net.ipv4.ip_local_port_range"].split())
    there = Machine(
        threads_free=float(sysctl["kernel.threads-max"]),
        ports=last - first + 1,
        time_wait_reuse=sysctl["net.ipv4.tcp_tw_reuse"],
        conntrack_free=float(sysctl["net.netfilter.nf_conntrack_max"]),
        somaxconn=sysctl["net.core.somaxconn"],
        open_files_limit=float(found["limits"][0]["value"]),
        memory_available_bytes=math.inf,
    )
    needs = Needs(clients, ramp_rate_per_second=0.0, target_duration_seconds=2.0)
    levels = {each.name: each.level for each in checks(there, needs) if each.name in LOOKED_AT}
    assert levels == dict.fromkeys(LOOKED_AT, Level.OK)


def test_clients_are_those_of_the_enabled_swarms() -> None:
    swarms = """services.hlsswarm.settings.swarm = [
      { name = "a"; clients = 300; } { name = "b"; } { name = "c"; clients = 90; enabled = false; }
    ];"""
    assert _tuned("", swarms)["clients"] == 310


def test_what_listens_keeps_its_port() -> None:
    rig = """services.hlsswarm = {
      testOrigin = { enable = true; port = 8088; };
      settings.api.listen = "127.0.0.1:9180";
      apiTokenFile = "/run/secrets/token";
    };"""
    reserved = _tuned("", rig)["sysctl"]["net.ipv4.ip_local_reserved_ports"]
    assert reserved == "8088,9090,9180"


def test_what_looks_at_the_rig_keeps_its_port_as_well() -> None:
    rig = """services.hlsswarm = {
      testOrigin = { enable = true; exporter.enable = true; };
      monitoring.enable = true;
    };"""
    reserved = _tuned("", rig)["sysctl"]["net.ipv4.ip_local_reserved_ports"]
    assert reserved == "3000,8080,9090,9091,9100,9113"


@pytest.mark.parametrize("name", OFF)
def test_each_can_be_left_out(name: str) -> None:
    before = _tuned("inotify = false;" if name == "inotify" else "")["sysctl"]
    after = _tuned(f"{name} = false;")["sysctl"]
    untuned = machine("{ }", "lib.filterAttrs (_: v: v != null) config.boot.kernel.sysctl")
    gone = {key for key in OFF[name] if after.get(key) == untuned.get(key)}
    assert gone == OFF[name]
    assert {key for key in OURS - OFF[name] if key not in after} == set()
    assert before.keys() >= after.keys()


def test_login_limits_can_be_left_out() -> None:
    assert _tuned("openFiles = false;")["limits"] == []


def test_your_own_word_is_the_last() -> None:
    own = 'boot.kernel.sysctl."net.core.somaxconn" = 77;'
    assert _tuned("", own)["sysctl"]["net.core.somaxconn"] == 77


def test_each_has_its_reason_in_the_documentation() -> None:
    text = (REPOSITORY / "docs" / "nixos-options.md").read_text()
    for name in (*OFF, "openFiles"):
        assert f"### `services.hlsswarm.tuning.{name}`" in text
    for key in OURS:
        assert key.rpartition(".")[2] in text or key.endswith("reserved_ports")
