"""What cannot be meant is told when a machine is evaluated, in words of those who wrote it."""

from __future__ import annotations

import pytest

from tests.nix.modules.support import GUEST, failed_assertions, guest, machine
from tests.nix.private_nix import NixError, configuration

STORE = "${builtins.storeDir}/0000000000000000000000000000000a-secret"
ASSERTIONS = {
    "token in the store": (
        f'services.hlsswarm = {{ enable = true; apiTokenFile = "{STORE}"; }};',
        "this machine could read apiTokenFile, because the file lies in the Nix store.",
    ),
    "secret header in the store": (
        'services.hlsswarm = { enable = true; settings.swarm = [ { name = "a"; url = "http://a/";'
        f' header-file = "{STORE}"; }} ]; }};',
        "could read settings.swarm: header-file of a, because",
    ),
    "key as a path literal": (
        "services.hlsswarm = { enable = true; settings.api.tls-key = ./key.pem; };",
        "could read settings.api.tls-key, because",
    ),
    "secret in a header": (
        'services.hlsswarm = { enable = true; settings.swarm = [ { name = "a"; url = "http://a/";'
        ' header = [ "authorization: Bearer x" ]; } ]; };',
        "a secret of swarm a would lie in the Nix store",
    ),
    "password in a URL": (
        'services.hlsswarm = { enable = true; settings.encoder = [ { name = "cam";'
        ' input = "rtsp://me:secret@10.0.0.7/s"; } ]; };',
        "a secret of encoder cam would lie in the Nix store",
    ),
    "API for everybody": (
        'services.hlsswarm = { enable = true; settings.api.listen = "0.0.0.0:9180"; };',
        'over TCP (settings.api.listen = "0.0.0.0:9180") anybody could steer the rig. Give'
        " apiTokenFile",
    ),
    "a firewall for nothing": (
        "services.hlsswarm = { enable = true; openFirewall = true; };",
        "openFirewall opens nothing: all of the rig listens on loopback (127.0.0.1:9090).",
    ),
    "another manager": (
        'services.hlsswarm = { enable = true; settings.manager = "embedded"; };',
        "the service speaks to the machine's own systemd. Leave it out.",
    ),
    "an origin that nobody reaches": (
        "services.hlsswarm.testOrigin = { enable = true; openFirewall = true;"
        ' address = "127.0.0.1"; };',
        "testOrigin.openFirewall opens port 8080, but the origin listens on 127.0.0.1 alone",
    ),
    "names without a certificate": (
        'services.hlsswarm.testOrigin = { enable = true; tlsNames = [ "a.lab" ]; };',
        "testOrigin.tlsNames: without tls = true there is no certificate to put names into.",
    ),
    "the port of nginx": (
        "services.nginx.enable = true;"
        " services.hlsswarm.testOrigin = { enable = true; port = 80; };",
        "testOrigin.port: 80 is that of services.nginx. Choose another port",
    ),
    "nothing to scrape": (
        "services.hlsswarm = { enable = true; monitoring.enable = true;"
        ' settings.metrics.listen = "off"; };',
        'settings.metrics.listen is "off", so Prometheus finds nothing of this rig.',
    ),
    "nothing to look at": (
        "services.hlsswarm.monitoring.enable = true;",
        "monitoring has nothing to look at: enable services.hlsswarm here, or name rigs",
    ),
    "two on one port": (
        "services.hlsswarm = { enable = true; monitoring.enable = true; };"
        " services.prometheus.port = 9090;",
        "services.prometheus.port: 9090 is that of the rig's own metrics",
    ),
    "limits from within a container": (
        "boot.isContainer = true; services.hlsswarm.tuning.enable = true;",
        "tuning: a container cannot set limits of the kernel.",
    ),
}
GUESTS = {
    "a network of its own": (
        'services.hlsswarm.microvm = { enable = true; network = "tap"; address = "192.168.1.5"; };',
        "microvm.address: 192.168.1.5 is not in 10.177.0.0/24, the network of the host's bridge.",
    ),
    "memory that QEMU stumbles over": (
        "services.hlsswarm.microvm = { enable = true; memory = 2048; };",
        "QEMU's microvm machine does not start with exactly 2048 MiB. Take 2047 or 2049.",
    ),
}
TYPES = {
    "clients as a word": ("[ { name = \"a\"; clients = \"many\"; } ]", "clients"),
    "clients without end": ("[ { name = \"a\"; clients = 1000000; } ]", "clients"),
    "a variant that there is not": ("[ { name = \"a\"; variant = \"best\"; } ]", "variant"),
    "a path from here": ("[ { name = \"a\"; header-file = \"secret\"; } ]", "header-file"),
    "no list": ("{ a.clients = 3; }", "swarm"),
}  # fmt: skip


@pytest.mark.parametrize("case", ASSERTIONS)
def test_a_machine_that_cannot_be_meant(case: str) -> None:
    module, sentence = ASSERTIONS[case]
    (message,) = failed_assertions(f"{{ {module} }}")
    assert message.startswith("services.")
    assert sentence in message


@pytest.mark.parametrize("case", GUESTS)
def test_a_guest_that_cannot_be_meant(case: str) -> None:
    module, sentence = GUESTS[case]
    (message,) = failed_assertions(guest(f"{{ {module} }}"), modules=GUEST)
    assert sentence in message


def test_a_guest_without_microvm_nix() -> None:
    (message,) = failed_assertions("{ services.hlsswarm.microvm.enable = true; }", modules=GUEST)
    assert "this machine knows nothing of microvm.nix. Import inputs.microvm.nixosModul" in message


@pytest.mark.parametrize("case", TYPES)
def test_a_value_that_cannot_be(case: str) -> None:
    swarm, key = TYPES[case]
    module = f"{{ services.hlsswarm.enable = true; services.hlsswarm.settings.swarm = {swarm}; }}"
    with pytest.raises(NixError, match=rf"{key}\S* is not of type"):
        configuration(module, "config.services.hlsswarm.document")


def test_an_item_without_a_name() -> None:
    module = "{ services.hlsswarm = { enable = true; settings.swarm = [ { clients = 3; } ]; }; }"
    with pytest.raises(NixError, match=r"name\S* was accessed but has no value defined"):
        configuration(module, "config.services.hlsswarm.document")


def test_an_option_that_there_is_not() -> None:
    with pytest.raises(NixError, match=r"services\.hlsswarm\.tuning\.clint\S* does not exist"):
        configuration("{ services.hlsswarm.tuning.clint = 3; }", "config.services.hlsswarm.tuning")


def test_a_wrong_machine_is_no_system() -> None:
    module, sentence = ASSERTIONS["API for everybody"]
    with pytest.raises(NixError, match="Failed assertions"):
        configuration(f"{{ {module} }}", "config.system.build.toplevel.drvPath")
    assert sentence


def test_a_rig_that_is_off_asks_for_nothing() -> None:
    wanted = "{ units = config.systemd.services ? hlsswarm; file = config.environment.etc; }"
    found = machine("{ }", wanted.replace("etc;", 'etc ? "hlsswarm/hlsswarm.toml";'))
    assert found == {"units": False, "file": False}
