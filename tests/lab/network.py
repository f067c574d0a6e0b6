"""Hosts in a network of their own: network namespaces on one bridge. Needs root and iproute2.

    hub: bridge ─┬─ veth ─ host 1  10.213.0.1
                 ├─ veth ─ host 2  10.213.0.2
                 └─ …

The bridge has a namespace of its own, too: the machine's network sees nothing of it. Knows nothing
of hlsswarm.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

_numbers = count(1)


@dataclass(frozen=True)
class Host:
    """One host: the name of its network namespace, and its address."""

    namespace: str
    address: str

    @property
    def inside(self) -> tuple[str, ...]:
        """Words in front of a command that make it run there.

        `ip netns exec` would cover /sys, and with it the control groups.
        """
        return ("nsenter", f"--net=/run/netns/{self.namespace}", "--")


def _ip(*lines: str) -> None:
    """Carry out commands of ip(8), all or none."""
    subprocess.run(
        ["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True, capture_output=True
    )


@contextlib.contextmanager
def hosts(number: int) -> Iterator[tuple[Host, ...]]:
    """So many hosts that reach each other; gone afterwards."""
    label = f"hlst{os.getpid()}-{next(_numbers)}"
    hub = f"{label}-hub"
    made = [Host(f"{label}-{n}", f"10.213.0.{n}") for n in range(1, number + 1)]
    there = []
    try:
        for name in (hub, *(host.namespace for host in made)):
            _ip(f"netns add {name}")
            there.append(name)
        _in(hub, "link add br0 type bridge", "link set br0 up")
        for n, host in enumerate(made):
            _in(hub, f"link add port{n} type veth peer name eth0 netns {host.namespace}")
            _in(hub, f"link set port{n} master br0", f"link set port{n} up")
            _in(host.namespace, f"addr add {host.address}/24 dev eth0", "link set eth0 up")
            _in(host.namespace, "link set lo up")
        yield tuple(made)
    finally:
        for name in there:
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip(f"netns del {name}")


def _in(namespace: str, *lines: str) -> None:
    subprocess.run(
        ["ip", "-n", namespace, "-batch", "-"],
        input="\n".join(lines),
        text=True,
        check=True,
        capture_output=True,
    )
