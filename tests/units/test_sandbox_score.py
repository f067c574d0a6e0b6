"""What systemd-analyze thinks of the profiles: 0 is safe, 10 is not at all."""

from __future__ import annotations

import re

from hlsswarm.core.hosts import deny_all
from hlsswarm.core.sandbox import ALL_PARTS, Profile, Sandbox
from hlsswarm.core.unit_specs import Property
from tests.lab.system_machine import SystemMachine

WORST: dict[Profile, float] = {"client": 1.5, "encoder": 2.5, "server": 4.0}
_CAPABILITIES = {
    **{0: "CAP_CHOWN", 1: "CAP_DAC_OVERRIDE", 2: "CAP_DAC_READ_SEARCH", 5: "CAP_KILL"},
    **{6: "CAP_SETGID", 7: "CAP_SETUID", 10: "CAP_NET_BIND_SERVICE", 24: "CAP_SYS_RESOURCE"},
}


def unit_file(properties: tuple[Property, ...]) -> str:
    """Properties as lines of a unit file, as far as systemd-analyze looks at them."""
    lines = ["[Service]", "ExecStart=/bin/true"]
    for name, _, value in properties:
        if name == "RestrictNamespaces":
            shown: object = "yes"
        elif name in {"CapabilityBoundingSet", "AmbientCapabilities"}:
            shown = " ".join(word for bit, word in _CAPABILITIES.items() if value >> bit & 1)
        elif isinstance(value, tuple) and isinstance(value[0], bool):
            shown = ("" if value[0] else "~") + " ".join(value[1])
        elif name == "IPAddressDeny":
            shown = "any"
        elif isinstance(value, list):
            if not all(isinstance(item, str) for item in value):
                continue
            shown = " ".join(value)
        elif isinstance(value, bool):
            shown = "yes" if value else "no"
        else:
            shown = f"{value:04o}" if name == "UMask" else value
        lines.append(f"{name}={shown}")
    return "\n".join(lines) + "\n"


def test_scores() -> None:
    """The whole client as it is without addresses that it may reach: they cost 0.1 to 0.2."""
    files = {
        profile: unit_file(
            (
                *Sandbox(profile=profile).properties(ALL_PARTS),
                *([deny_all()] if profile == "client" else []),
            )
        )
        for profile in WORST
    }
    scores = {}
    with SystemMachine() as machine:
        for profile, text in files.items():
            path = f"/tmp/{profile}.service"
            machine.run(["tee", path], input=text, check=True)
            done = machine.run(["systemd-analyze", "security", "--offline=true", path])
            found = re.search(r"exposure level for .*: ([0-9.]+) ", done.stdout)
            assert found is not None, done.stdout + done.stderr
            scores[profile] = float(found[1])
    print(scores)
    assert all(scores[profile] <= worst for profile, worst in WORST.items()), scores
