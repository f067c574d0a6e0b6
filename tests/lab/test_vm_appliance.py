"""What `make vm-image` prints does what it says, up to QEMU's own start."""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

import pytest

from hlsswarm.cli.main import main
from tests.lab import vm_appliance
from tests.lab.vm_image import Image
from tests.lab.vm_micro import ORIGIN_PORTS
from tests.lab.vm_qemu import RIG, Settings, kernel_words, qemu_options
from tests.support import REPOSITORY

DOCUMENTATION = REPOSITORY / "docs" / "vm.md"
BEGIN, END = "<!-- appliance: begin -->\n", "<!-- appliance: end -->"
QEMU = '#!/bin/sh\nfor word; do printf "%s\\n" "$word"; done\n'


@pytest.fixture
def booted(tmp_path: Path) -> tuple[Path, list[str]]:
    """The directory in which the commands were run, and what QEMU was told."""
    cache, programs, here = (tmp_path / name for name in ("the cache", "bin", "here"))
    for directory in (cache, programs, here):
        directory.mkdir()
    image = Image(*(cache / name for name in ("disk.ext4", "vmlinuz", "initrd.img")))
    for path in (image.disk, image.kernel, image.initrd):
        path.write_text(path.name)
    (programs / "qemu-system-x86_64").write_text(QEMU)
    (programs / "qemu-system-x86_64").chmod(0o755)
    done = subprocess.run(
        ["sh", "-eu", "-c", vm_appliance.commands(image)],
        cwd=here,
        env={"PATH": f"{programs}:{os.environ['PATH']}", "HOME": "/home/me"},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
    return here, done.stdout.splitlines()


def test_qemu_is_told_what_the_tests_tell_it(booted: tuple[Path, list[str]]) -> None:
    here, words = booted
    image = Image(Path("disk.ext4"), Path("vmlinuz"), Path("initrd.img"))
    settings = Settings("hlsswarm", forwards=ORIGIN_PORTS)
    lab = qemu_options(settings, image, here, accelerators="kvm:tcg", lan_port=0)
    theirs = {word for word in words if word not in lab}
    assert {word.partition(",")[0] for word in theirs} == {
        *("file=disk.ext4", "stdio", "null"),
        *("name=opt/io.systemd.credentials/tmpfiles.extra",),
        *("name=opt/io.systemd.credentials/ssh.authorized_keys.root",),
    }
    (append,) = (word for word in words if word.startswith("root="))
    assert append.split() == kernel_words(settings)
    assert "net.ifnames=0" in append
    assert "ip=10.0.2.15::10.0.2.2:255.255.255.0::eth0:none" in append
    assert any("hostfwd=tcp:127.0.0.1:17122-:22" in word for word in words)
    assert "name=opt/io.systemd.credentials/ssh.authorized_keys.root,file=/home/me/.ssh/" in (
        "\n".join(words)
    )


def test_the_rig_that_it_finds_is_right(booted: tuple[Path, list[str]]) -> None:
    here, words = booted
    for path in ("disk.ext4", "vmlinuz", "initrd.img"):
        assert (here / path).read_text() == path
    assert "name=opt/io.systemd.credentials/tmpfiles.extra,file=rig.tmpfiles" in words
    hosts, rig = (line.split() for line in (here / "rig.tmpfiles").read_text().splitlines())
    assert hosts[:2] == ["f+~", "/etc/hosts"]
    assert rig[:2] == ["f~", RIG]
    assert base64.b64decode(rig[-1]) == (here / "hlsswarm.toml").read_bytes()
    assert main(["check", str(here / "hlsswarm.toml")]) == 0


def test_the_documentation_is_up_to_date() -> None:
    """UPDATE_GOLDEN=1 renews it."""
    before, _, rest = DOCUMENTATION.read_text().partition(BEGIN)
    block, end, after = rest.partition(END)
    assert end
    image = Image(*(Path("IMAGE") / name for name in ("disk.ext4", "vmlinuz", "initrd.img")))
    wanted = f"```sh\n{vm_appliance.commands(image)}\n```\n"
    if os.environ.get("UPDATE_GOLDEN"):
        DOCUMENTATION.write_text(before + BEGIN + wanted + END + after)
        return
    assert block == wanted, "run this test with UPDATE_GOLDEN=1"
