"""MicroVMs from Debian packages, for people without Nix: a test origin, or a swarm.

    make microvm-origin        the origin's stream on the host's port 17080
    make microvm-swarm         clients of it, or of another URL; figures on port 17190

Each is the image of the VM tests, booted straight into its kernel, with a rig's file of its own;
nothing of it is kept. It runs in the foreground until Ctrl+C. Where KVM runs guests the machine
is QEMU's `microvm`; in emulation it is a PC, unless asked: a microvm has no clock by which Linux
could find the processor's speed on a busy host, so it has to be told (`host_tsc_khz`).

Knows the rig's file and the ports; what a machine is: vm_machine.py, vm_qemu.py.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tomli_w

from hlsswarm.ffmpeg_minimal.debian import NotFetchedError
from tests.lab.vm_image import ImageError, built
from tests.lab.vm_kvm import trouble
from tests.lab.vm_machine import Machine, MachineFailed, workplace
from tests.lab.vm_qemu import HOST, RIG, MachineType, Settings, accelerator, unpacked_qemu

ORIGIN_PORT = 17080
ORIGIN_PORTS = {ORIGIN_PORT: 8080, 17122: 22, 17090: 9090}
SWARM_PORTS = {17222: 22, 17190: 9090}
_EMULATED: Mapping[str, object] = {
    "profile": "default",
    "encode": "once",
    "set": ["720p.frame_rate=4", "720p.width=160", "720p.height=90"],
}
"""What an emulated processor can encode."""
_ENCODED: Mapping[str, Mapping[str, object]] = {"4k-abr": {"encode": "once"}}
"""What takes more than a machine has while it plays, as `make test-origin-4k-abr` has it."""


@dataclass(frozen=True)
class Guest:
    """A MicroVM: its rig, ports of the guest by those of the host, and what to tell of it."""

    rig: Mapping[str, object]
    ports: Mapping[int, int]
    ready: int
    """The port of the guest that is open when it is of use."""
    told: Sequence[str]


def origin_guest(profile: str | None, *, emulated: bool) -> Guest:
    """A test origin; in emulation a small picture, unless a profile was asked for."""
    chosen: Mapping[str, object] = _EMULATED
    if profile or not emulated:
        chosen = {"profile": profile or "default", **_ENCODED.get(profile or "", {})}
    origin = {"name": "main", "listen": "0.0.0.0", "port": 8080, **chosen}
    url = f"http://127.0.0.1:{ORIGIN_PORT}/stream.m3u8"
    told = [f"It plays: {url}", f"Try: hlsswarm run --clients 5 --duration 20s {url}"]
    if chosen is _EMULATED:
        told.append("The picture is 160x90: the processor is emulated. PROFILE=default is 720p.")
    return Guest({"metrics": _METRICS, "origin": [origin]}, ORIGIN_PORTS, 8080, told)


def swarm_guest(url: str, clients: int) -> Guest:
    """Clients of a URL; the host's own loopback is 10.0.2.2 for them."""
    swarm = {"name": "watch", "url": url, "clients": clients, "ramp-rate": 5}
    told = [f"{clients} clients of {url}", "Figures: http://127.0.0.1:17190/metrics"]
    return Guest({"metrics": _METRICS, "swarm": [swarm]}, SWARM_PORTS, 9090, told)


_METRICS = {"listen": "0.0.0.0:9090"}


def settings_of(
    name: str, guest: Guest, arguments: argparse.Namespace, *, emulated: bool
) -> Settings:
    """The machine that a guest runs on."""
    told_speed = emulated and arguments.machine == "microvm"
    keys = arguments.ssh_key.read_text() if arguments.ssh_key else None
    return Settings(
        f"microvm-{name}",
        {RIG: tomli_w.dumps(guest.rig)},
        forwards=guest.ports,
        machine_type=arguments.machine,
        memory_mib=arguments.memory,
        processors=arguments.processors,
        tsc_khz=host_tsc_khz(Path("/proc/cpuinfo").read_text()) if told_speed else 0,
        # tmpfiles.d of systemd: provision.conf.
        credentials={"ssh.authorized_keys.root": keys} if keys else {},
    )


def host_tsc_khz(cpuinfo: str) -> int:
    """Of the processors in /proc/cpuinfo: an emulated one counts the host's own ticks."""
    for line in cpuinfo.splitlines():
        if line.startswith("cpu MHz"):
            return int(float(line.rpartition(":")[2]) * 1000)
    return 0


def _arguments(words: Sequence[str], *, emulated: bool) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="vm_micro", description="A MicroVM in the foreground.")
    machine: MachineType = "q35" if emulated else "microvm"
    parser.add_argument("guest", choices=("origin", "swarm"))
    parser.add_argument("--profile", help="origin: its profile")
    parser.add_argument("--url", default=f"http://{HOST}:{ORIGIN_PORT}/stream.m3u8")
    parser.add_argument("--clients", type=int, default=3 if emulated else 50)
    parser.add_argument("--machine", choices=("q35", "microvm"), default=machine)
    parser.add_argument("--memory", type=int, default=1024 if emulated else 4096, metavar="MIB")
    parser.add_argument("--processors", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--ssh-key", type=Path, help="a public key that may log in as root")
    return parser.parse_args(words)


def serve(machine: Machine, guest: Guest) -> None:
    """Boot, tell, and stay until a signal or the machine's end. Raises MachineFailed."""
    machine.start()
    machine.wait_for_unit("hlsswarm.service")
    machine.wait_for_open_port(guest.ready)
    for line in guest.told:
        print(line, flush=True)
    for host, inside in guest.ports.items():
        print(f"  127.0.0.1:{host} is its port {inside}", flush=True)
    print("Ctrl+C ends it.", flush=True)
    while machine.runs():
        time.sleep(0.5)


def main(words: Sequence[str]) -> int:
    """Run one."""
    emulated = accelerator() == "tcg"
    arguments = _arguments(words, emulated=emulated)
    if emulated:
        print(f"Emulated, ten to twenty times slower: {trouble()}", flush=True)
    guest = (
        origin_guest(arguments.profile, emulated=emulated)
        if arguments.guest == "origin"
        else swarm_guest(arguments.url, arguments.clients)
    )

    def interrupted(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupted)
    try:
        image, qemu = built(), unpacked_qemu()
        settings = settings_of(arguments.guest, guest, arguments, emulated=emulated)
        with workplace() as directory, image.held():
            machine = Machine(settings, qemu, image, directory / settings.name)
            try:
                serve(machine, guest)
                print("The machine has ended.", file=sys.stderr)
            finally:
                machine.end()  # nothing of it is kept
    except KeyboardInterrupt:
        print("Ended.", flush=True)
        return 0
    except (ImageError, MachineFailed, NotFetchedError, OSError) as error:
        print(f"vm_micro: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
