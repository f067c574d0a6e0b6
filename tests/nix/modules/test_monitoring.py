"""Monitoring, the test origin's ports, and guests: what is scraped, opened, forwarded."""

from __future__ import annotations

import re
from typing import Any

from tests.nix.modules.support import GUEST, guest, machine

SCRAPED = """map
  (job: { inherit (job) job_name; targets = (builtins.head job.static_configs).targets; })
  config.services.prometheus.scrapeConfigs"""
FIREWALL = "config.networking.firewall.allowedTCPPorts"


def _jobs(module: str) -> dict[str, list[str]]:
    found: list[dict[str, Any]] = machine(module, SCRAPED)
    return {job["job_name"]: job["targets"] for job in found}


def test_this_rig_and_others_are_scraped() -> None:
    jobs = _jobs(
        """{ services.hlsswarm = {
          testOrigin = { enable = true; exporter.enable = true; };
          settings.metrics.listen = "0.0.0.0:9190";
          monitoring = { enable = true; targets = [ "b:9090" ]; runTargets = [ "127.0.0.1:1" ]; };
        }; }"""
    )
    assert jobs == {
        "hlsswarm": ["127.0.0.1:9190", "b:9090"],
        "hlsswarm-run": ["127.0.0.1:1"],
        "node": ["127.0.0.1:9100"],
        "nginx": ["127.0.0.1:9113"],
    }


def test_monitoring_alone_looks_at_others() -> None:
    module = '{ services.hlsswarm.monitoring = { enable = true; targets = [ "b:9090" ]; }; }'
    assert _jobs(module) == {"hlsswarm": ["b:9090"], "node": ["127.0.0.1:9100"]}
    assert machine(module, "config.systemd.services ? hlsswarm") is False


def test_rules_and_dashboard_are_those_of_the_repository() -> None:
    module = "{ services.hlsswarm = { enable = true; monitoring.enable = true; }; }"
    found = machine(
        module,
        """{
          rules = map (path: builtins.readFile path) config.services.prometheus.ruleFiles;
          sources = config.services.grafana.provision.datasources.settings.datasources;
          boards = config.services.grafana.provision.dashboards.settings.providers;
          key = config.services.grafana.settings.security.secret_key;
          port = config.services.prometheus.port;
        }""",
    )
    assert "groups:" in found["rules"][0]
    (source,) = found["sources"]
    assert source["url"] == f"http://127.0.0.1:{found['port']}"
    assert found["boards"][0]["options"]["path"].startswith("/nix/store/")
    assert found["key"] == "$__file{/var/lib/hlsswarm-grafana/secret-key}"


def test_the_node_exporter_leaves_clients_out() -> None:
    module = "{ services.hlsswarm = { enable = true; monitoring.enable = true; }; }"
    node = "config.services.prometheus.exporters.node"
    found = machine(module, f"{{ inherit ({node}) extraFlags enabledCollectors; }}")
    assert found["enabledCollectors"] == ["systemd"]
    (flag,) = found["extraFlags"]
    expression = re.fullmatch(r"--collector\.systemd\.unit-exclude='(.*)'", flag)
    assert expression is not None
    excluded = re.compile(expression[1])
    for unit in ("hlsswarm-evening-client-0007.service", "hlsswarm-a.slice", "x.mount"):
        assert excluded.fullmatch(unit), unit
    for unit in ("hlsswarm.service", "hlsswarm-origin8080-nginx.service", "sshd.service"):
        assert not excluded.fullmatch(unit), unit


def test_what_others_are_to_reach_is_opened_and_nothing_else() -> None:
    module = """{ services.hlsswarm = {
      enable = true;
      openFirewall = true;
      settings.metrics.listen = "0.0.0.0:9190";
      settings.origin = [ { name = "in"; port = 8081; }
        { name = "out"; port = 8082; listen = "10.0.0.1"; }
        { name = "no"; port = 8083; listen = "0.0.0.0"; enabled = false; } ];
    }; }"""
    ports = machine(module, FIREWALL)
    assert set(ports) >= {9190, 8082}
    assert not {8081, 8083, 9180} & set(ports)


def test_a_test_origin_is_closed_unless_opened() -> None:
    assert 8080 not in machine("{ services.hlsswarm.testOrigin.enable = true; }", FIREWALL)
    module = "{ services.hlsswarm.testOrigin = { enable = true; openFirewall = true; }; }"
    assert 8080 in machine(module, FIREWALL)


def test_figures_of_a_tls_origin_are_asked_for_over_tls() -> None:
    module = """{ services.hlsswarm.testOrigin = { enable = true; tls = true; port = 8443;
      address = "10.0.0.1"; exporter.enable = true; }; }"""
    exporter = "config.services.prometheus.exporters.nginx"
    found = machine(module, f"{{ inherit ({exporter}) scrapeUri sslVerify listenAddress; }}")
    assert found == {
        "scrapeUri": "https://10.0.0.1:8443/nginx_status",
        "sslVerify": False,
        "listenAddress": "127.0.0.1",
    }


VM = """{
  inherit (config.microvm) mem vcpu hypervisor;
  ports = map (p: { inherit (p) host guest; }) (config.microvm.forwardPorts or [ ]);
  interfaces = map (i: { inherit (i) type id; }) config.microvm.interfaces;
}"""


def _ports(found: dict[str, Any]) -> dict[int, int]:
    return {each["host"]["port"]: each["guest"]["port"] for each in found["ports"]}


def test_an_origin_guest() -> None:
    found = machine(guest("{ services.hlsswarm.microvm.enable = true; }"), VM, modules=GUEST)
    assert (found["mem"], found["vcpu"], found["hypervisor"]) == (4096, 4, "qemu")
    assert _ports(found) == {17080: 8080, 17122: 22, 17113: 9113, 17100: 9100}
    assert {each["host"]["address"] for each in found["ports"]} == {"127.0.0.1"}
    assert found["interfaces"] == [{"type": "user", "id": "hls-user"}]


def test_a_swarm_guest() -> None:
    module = 'services.hlsswarm.microvm = { enable = true; role = "swarm"; };'
    found = machine(guest(f"{{ {module} }}"), VM, modules=GUEST)
    assert _ports(found) == {17222: 22, 17290: 9090, 17200: 9100}
    ports = machine(guest(f"{{ {module} }}"), FIREWALL, modules=GUEST)
    assert 9090 in ports
    assert 8080 not in ports


def test_a_guest_on_a_tap_device() -> None:
    module = guest('{ services.hlsswarm.microvm = { enable = true; network = "tap"; }; }')
    found = machine(module, VM, modules=GUEST)
    assert found["ports"] == []
    assert found["interfaces"] == [{"type": "tap", "id": "hls-origin"}]
    address = 'config.systemd.network.networks."10-hlsswarm".address'
    assert machine(module, address, modules=GUEST) == ["10.177.0.10/24"]
