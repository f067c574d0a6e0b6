"""The command line of a virtual machine: QEMU, its two kinds of x86 machine, the guest's kernel.

    q35       a PC: PCI, firmware tables; what the tests boot
    microvm   no PCI, no disk controller, no video: devices are virtio over mmio, which the guest
              finds by ACPI

Knows qemu(1), kernel-command-line(7) and systemd.system-credentials(7); starts nothing but apt.
QEMU is the suite's own, unpacked: older ones have lost kernels of it in emulation.
"""

from __future__ import annotations

import base64
import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.lab import vm_kvm
from tests.lab.apt_tree import CACHE, unpacked
from tests.lab.vm_image import SUITE, Image

MachineType = Literal["q35", "microvm"]
_PACKAGES = ("qemu-system-x86", "qemu-utils", "seabios", "ipxe-qemu")
_USER_ADDRESS = "10.0.2.15::10.0.2.2:255.255.255.0"
"""Of a guest behind QEMU's user network: address, server, router, mask."""
RIG = "/etc/hlsswarm/hlsswarm.toml"
"""The rig's file, in a guest."""
HOST = "10.0.2.2"
"""The host's loopback, as such a guest sees it."""


@dataclass(frozen=True)
class Qemu:
    """A QEMU in a folder of its own, with its own C library."""

    root: Path

    def words(self, program: str = "qemu-system-x86_64") -> list[str]:
        """The beginning of a command line."""
        libraries = self.root / "usr/lib/x86_64-linux-gnu"
        loader = str(self.root / "usr/lib64/ld-linux-x86-64.so.2")
        search = f"{libraries}:{libraries / 'pulseaudio'}"
        return [loader, "--library-path", search, str(self.root / "usr/bin" / program)]

    def firmware(self) -> list[str]:
        """Where its firmware is."""
        below = ("qemu", "seabios")
        return [word for name in below for word in ("-L", str(self.root / "usr/share" / name))]


def unpacked_qemu(cache: Path = CACHE / "qemu") -> Qemu:
    """The suite's QEMU, fetched once. Raises NotFetchedError."""
    return Qemu(unpacked(SUITE, _PACKAGES, dependencies=True, cache=cache))


@functools.cache
def accelerator() -> str:
    """KVM where it runs guests, emulation (TCG) where not; HLSSWARM_VM_ACCEL says otherwise."""
    return os.environ.get("HLSSWARM_VM_ACCEL") or ("tcg" if vm_kvm.trouble() else "kvm")


@dataclass(frozen=True)
class Settings:
    """One machine, as it is before it boots."""

    name: str
    files: Mapping[str, str] = field(default_factory=dict)
    """Files that it finds at its first boot, by their paths."""
    lan: Sequence[str] = ()
    """Names of all machines on its network, in the order of their addresses; none: no network."""
    forwards: Mapping[int, int] = field(default_factory=dict)
    """Ports of the guest by ports of the host's loopback; any: it is behind a user network."""
    machine_type: MachineType = "q35"
    memory_mib: int = 1024
    processors: int = 2
    tsc_khz: int = 0
    """How fast the processor's own clock runs, if the guest has to be told."""
    credentials: Mapping[str, str] = field(default_factory=dict)
    """Further systemd credentials, by name."""

    @property
    def address(self) -> str:
        """Its address; as with NixOS, the machines are numbered by their names."""
        return lan_address(self.lan.index(self.name))


def lan_address(number: int) -> str:
    """Of the machine with this number, from 0 on."""
    return f"192.168.1.{number + 1}"


def tmpfiles_lines(settings: Settings) -> str:
    """tmpfiles.d(5) lines that make the machine's files at boot, where they are not there yet."""
    hosts = ["127.0.0.1 localhost", f"127.0.1.1 {settings.name}"]
    if settings.lan:
        hosts = hosts[:1] + [f"{lan_address(n)} {name}" for n, name in enumerate(settings.lan)]
    lines = [file_line("f+~", "/etc/hosts", _encoded("\n".join(hosts) + "\n"))]
    lines += [file_line("f~", path, _encoded(text)) for path, text in settings.files.items()]
    return "\n".join(lines) + "\n"


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def file_line(kind: str, path: str, encoded: str) -> str:
    """tmpfiles.d(5): a file with this content, in base64."""
    return f"{kind} {path} 0644 root root - {encoded}"


def kernel_words(settings: Settings) -> list[str]:
    """kernel-command-line(7)."""
    words = ["root=/dev/vda", "rw", "console=ttyS0", "quiet", "panic=-1", "mitigations=off"]
    words += ["fsck.mode=skip"]
    words += ["net.ifnames=0", "systemd.getty_auto=0", "systemd.show_status=0"]
    words += ["systemd.ssh_auto=no"]
    words += ["no_timer_check", f"systemd.hostname={settings.name}"]
    if settings.tsc_khz:
        words.append(f"tsc_early_khz={settings.tsc_khz}")
    if settings.lan:
        words.append(f"ip={settings.address}:::255.255.255.0::eth0:none")
    elif settings.forwards:
        words.append(f"ip={_USER_ADDRESS}::eth0:none")
    return words


def write_credentials(settings: Settings, directory: Path) -> None:
    """The files that `qemu_options` hands to the guest as systemd credentials."""
    for name, text in {"tmpfiles.extra": tmpfiles_lines(settings), **settings.credentials}.items():
        (directory / f"credential.{name}").write_text(text)


def qemu_options(
    settings: Settings, image: Image, directory: Path, *, accelerators: str, lan_port: int
) -> list[str]:
    """qemu(1): a machine with our image, a shell on `shell.sock`, and the network of its test.

    Paths of the machine's own are relative to `directory`, as a socket's name may not be long.
    """
    credentials = {name: f"credential.{name}" for name in ("tmpfiles.extra", *settings.credentials)}
    return [
        *hardware(settings, image, accelerators=accelerators),
        *credential_words(credentials),
        *disk(settings, "file=disk.qcow2,cache=unsafe"),
        *consoles(
            settings,
            log="file,id=log,path=console.log,append=on",
            shell="socket,id=shell,path=shell.sock,server=on,wait=off",
        ),
        *network(settings, lan_port),
    ]


def hardware(settings: Settings, image: Image, *, accelerators: str) -> list[str]:
    """The machine, its kernel and the kernel's words. Accelerators are tried in their order."""
    # Without a clock of its own a guest is in 1970; acpi=on is how Debian's kernel finds virtio.
    micro = settings.machine_type == "microvm"
    machine = "microvm,acpi=on,rtc=on" if micro else settings.machine_type
    options = ["-name", settings.name, "-machine", machine]
    options += ["-m", str(settings.memory_mib), "-smp", str(settings.processors)]
    for name in accelerators.split(":"):
        options += ["-accel", "tcg,thread=multi,tb-size=512" if name == "tcg" else name]
    options += ["-cpu", "max", "-no-user-config", "-nodefaults", "-display", "none", "-no-reboot"]
    options += ["-kernel", str(image.kernel), "-initrd", str(image.initrd)]
    return [*options, "-append", " ".join(kernel_words(settings))]


def credential_words(files: Mapping[str, str]) -> list[str]:
    """systemd credentials by their names, each from a file."""
    options = []
    for name, path in files.items():
        options += ["-fw_cfg", f"name=opt/io.systemd.credentials/{name},file={path}"]
    return options


def _bus(settings: Settings) -> str:
    return "device" if settings.machine_type == "microvm" else "pci"


def disk(settings: Settings, file: str) -> list[str]:
    """The root file system, and randomness."""
    bus = _bus(settings)
    options = ["-drive", f"{file},if=none,id=disk"]
    return [*options, "-device", f"virtio-blk-{bus},drive=disk", "-device", f"virtio-rng-{bus}"]


def consoles(settings: Settings, *, log: str, shell: str) -> list[str]:
    """Where the kernel's and systemd's messages go, and the line of vm-shell.service."""
    options = ["-chardev", log, "-serial", "chardev:log", "-chardev", shell]
    return [*options, "-device", f"virtio-serial-{_bus(settings)}",
            "-device", "virtconsole,chardev=shell"]  # fmt: skip


def network(settings: Settings, lan_port: int = 0) -> list[str]:
    """That of a test's machines, a user network with forwarded ports, or none."""
    number = 0
    if settings.lan:
        number = settings.lan.index(settings.name)
        # The first one listens. A multicast address would need the host to have a route for it.
        way = "listen" if number == 0 else "connect"
        back = f"socket,id=net,{way}=127.0.0.1:{lan_port}"
    elif settings.forwards:
        pairs = settings.forwards.items()
        back = "user,id=net" + "".join(f",hostfwd=tcp:127.0.0.1:{h}-:{g}" for h, g in pairs)
    else:
        return []
    bus = _bus(settings)
    rom = ",romfile=" if bus == "pci" else ""
    mac = f"52:54:00:12:01:{number + 1:02x}"
    return ["-netdev", back, "-device", f"virtio-net-{bus},netdev=net,mac={mac}{rom}"]
