"""The image as an appliance, for people without this lab: commands for a shell that boot it.

Knows which files of theirs go in, and by which words; what QEMU is told is what it is told by the
tests (vm_qemu.py), but for a disk that is kept and for consoles.

`python -m tests.lab.vm_appliance` builds what is missing, and prints paths and commands.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import tomli_w

from tests.lab.vm_image import Image, ImageError, built
from tests.lab.vm_micro import ORIGIN_PORT, ORIGIN_PORTS, origin_guest
from tests.lab.vm_qemu import (
    RIG,
    Settings,
    consoles,
    credential_words,
    disk,
    file_line,
    hardware,
    network,
    tmpfiles_lines,
)

_HERE = Image(Path("disk.ext4"), Path("vmlinuz"), Path("initrd.img"))
"""Copies: those of the cache go when the source changes."""
_RIG = "hlsswarm.toml"
_CREDENTIAL = "rig.tmpfiles"
_KEY = "$HOME/.ssh/id_ed25519.pub"
SETTINGS = Settings("hlsswarm", forwards=ORIGIN_PORTS)


def words() -> list[str]:
    """qemu(1): the appliance; paths are relative, and `$HOME` is the shell's to read."""
    return [
        *hardware(SETTINGS, _HERE, accelerators="kvm:tcg"),
        *credential_words({"tmpfiles.extra": _CREDENTIAL, "ssh.authorized_keys.root": _KEY}),
        *disk(SETTINGS, f"file={_HERE.disk},format=raw"),
        # The shell of the tests gets nobody; people have ssh.
        *consoles(SETTINGS, log="stdio,id=log,signal=on", shell="null,id=shell"),
        *network(SETTINGS),
    ]


def commands(image: Image) -> str:
    """Lines for a shell: a rig of one origin, the files, and QEMU."""
    rig = tomli_w.dumps(origin_guest(None, emulated=False).rig)
    encoded = f"$(base64 -w 0 {_RIG})"
    files = " ".join(shlex.quote(str(path)) for path in (image.disk, image.kernel, image.initrd))
    ssh = next(host for host, inside in ORIGIN_PORTS.items() if inside == 22)
    return "\n".join([
        "# In a directory of its own; QEMU 8 or later, x86-64.",
        f"cp --sparse=always {files} .",
        "# The rig: what others are to reach listens on 0.0.0.0.",
        f"cat >{_RIG} <<'END'\n{rig}END",
        "# Files that are made at the first boot, as a systemd credential: tmpfiles.d(5).",
        f'cat >{_CREDENTIAL} <<END\n{tmpfiles_lines(SETTINGS)}{file_line("f~", RIG, encoded)}\nEND',
        " \\\n  ".join(["qemu-system-x86_64", *_lines(words())]),
        f"# Its stream: http://127.0.0.1:{ORIGIN_PORT}/stream.m3u8",
        f"# Its end:    ssh -p {ssh} root@127.0.0.1 poweroff",
    ])  # fmt: skip


def _lines(options: Sequence[str]) -> Iterator[str]:
    """An option and its value on each line."""
    line: list[str] = []
    for word in options:
        if word.startswith("-") and line:
            yield " ".join(line)
            line = []
        line.append(f'"{word}"' if "$HOME" in word else shlex.quote(word))
    yield " ".join(line)


def main() -> int:
    """Build, and say where it is and how it is booted."""
    if os.geteuid() != 0:
        print("vm_appliance: building an image needs root.", file=sys.stderr)
        return 1
    try:
        image = built()
    except ImageError as error:
        print(f"vm_appliance: {error}", file=sys.stderr)
        return 1
    print(f"disk:   {image.disk}\nkernel: {image.kernel}\ninitrd: {image.initrd}\n")
    print(commands(image))
    return 0


if __name__ == "__main__":
    sys.exit(main())
