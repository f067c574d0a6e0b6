"""The VM lab's pure parts: command lines, files of a guest, machines of a script."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from tests.lab import vm_image
from tests.lab.vm_driver import SCRIPTS, machines_of
from tests.lab.vm_machine import shell_line
from tests.lab.vm_qemu import Qemu, Settings, kernel_words, qemu_options, tmpfiles_lines

IMAGE = vm_image.Image(Path("/c/disk"), Path("/c/vmlinuz"), Path("/c/initrd"))
PAIR = ("origin", "swarm")


def options(settings: Settings, accelerators: str = "tcg") -> str:
    words = qemu_options(settings, IMAGE, Path("/d"), accelerators=accelerators, lan_port=29400)
    return " ".join(words)


def test_a_machine_alone_has_no_network() -> None:
    line = options(Settings("machine"))
    assert "-kernel /c/vmlinuz -initrd /c/initrd" in line
    assert "file=disk.qcow2" in line
    assert "net" not in line.replace("net.ifnames=0", "")
    assert not any(word.startswith("ip=") for word in kernel_words(Settings("machine")))


def test_machines_of_a_network_are_numbered_by_their_names() -> None:
    first, second = (Settings(name, lan=PAIR) for name in PAIR)
    assert "socket,id=net,listen=127.0.0.1:29400" in options(first)
    assert "socket,id=net,connect=127.0.0.1:29400" in options(second)
    assert "ip=192.168.1.2:::255.255.255.0::eth0:none" in kernel_words(second)
    macs = [next(w for w in options(m).split(",") if w.startswith("mac=")) for m in (first, second)]
    assert len(set(macs)) == 2


def test_accelerators_are_tried_in_their_order() -> None:
    line = options(Settings("machine"), "kvm:tcg")
    assert line.index("-accel kvm") < line.index("-accel tcg,thread=multi")


def test_files_of_a_guest_are_made_once_and_its_hosts_known() -> None:
    text = 'url = "http://origin/"\n# 100 %\n'
    lines = tmpfiles_lines(Settings("swarm", {"/etc/hlsswarm/hlsswarm.toml": text}, PAIR))
    hosts, rig = (line.split() for line in lines.splitlines())
    assert hosts[:2] == ["f+~", "/etc/hosts"]
    assert rig[:2] == ["f~", "/etc/hlsswarm/hlsswarm.toml"]
    assert base64.b64decode(rig[-1]).decode() == text
    assert "192.168.1.1 origin\n192.168.1.2 swarm\n" in base64.b64decode(hosts[-1]).decode()


@pytest.mark.parametrize(
    ("command", "status", "output"),
    [
        ("echo 'a b'; echo \"$HOME\" >&2", 0, "a b\n"),
        ("false; echo not reached", 1, ""),
        ("echo before; exit 7", 7, "before\n"),
        ("false | cat", 1, ""),
        ("printf '%s' \"it's\"", 0, "it's"),
        ("sleep 30", 124, ""),
    ],
)
def test_a_line_for_the_guests_shell(command: str, status: int, output: str) -> None:
    script = shell_line(command, 1 if "sleep" in command else 20) + "echo ${PIPESTATUS[0]}\n"
    done = subprocess.run(
        ["bash", "--norc"], input=script, capture_output=True, text=True, check=True, timeout=60
    )
    first, second = done.stdout.splitlines()
    assert base64.b64decode(first, validate=True).decode() == output
    assert int(second) == status


def test_machines_of_a_script_are_those_with_a_rigs_file(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text("a = 1\n")
    for name in PAIR:
        (tmp_path / f"two.{name}.toml").write_text(f"# {name}\n")
    (alone,) = machines_of(tmp_path / "one.py")
    assert (alone.name, alone.lan) == ("machine", ())
    assert alone.files == {"/etc/hlsswarm/hlsswarm.toml": "a = 1\n"}
    both = machines_of(tmp_path / "two.py")
    assert [machine.name for machine in both] == ["origin", "swarm"]
    assert [machine.address for machine in both] == ["192.168.1.1", "192.168.1.2"]
    (bare,) = machines_of(tmp_path / "none.py")
    assert (bare.name, dict(bare.files)) == ("machine", {})


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.py")), ids=lambda path: path.stem)
def test_every_script_has_its_rig_and_compiles(script: Path) -> None:
    compile(script.read_text(), str(script), "exec")
    assert all(machine.files for machine in machines_of(script))


def test_every_rigs_file_is_right() -> None:
    from hlsswarm.cli.main import main

    for path in SCRIPTS.glob("*.toml"):
        assert main(["check", str(path)]) == 0, path


def test_qemu_is_run_with_its_own_libraries() -> None:
    words = Qemu(Path("/q")).words("qemu-img")
    assert words[0] == "/q/usr/lib64/ld-linux-x86-64.so.2"
    assert words[-1] == "/q/usr/bin/qemu-img"


def test_the_images_packages_are_asked_for_with_signatures_checked() -> None:
    words = vm_image.bootstrap_words("/t", "http://mirror/debian", ["systemd", "curl"], ["--hook"])
    assert "--include=systemd,curl" in words
    assert words[-3:-1] == ["trixie", "/t"]
    assert words[-1].startswith("deb [signed-by=/usr/share/keyrings/")
    assert "--format=directory" in words
    assert "--format=null" in vm_image.bootstrap_words("-", "http://mirror/debian", [], [])


def test_libraries_are_those_that_the_project_names() -> None:
    names = vm_image.requirements('[project]\ndependencies = ["pystemd>=0.15.3", "rich"]\n')
    assert names == ["pystemd>=0.15.3", "rich"]


def test_an_image_is_known_by_its_content(tmp_path: Path) -> None:
    assert vm_image.key_of("ab", "c") != vm_image.key_of("a", "bc")
    source = tmp_path / "hlsswarm" / "a.py"
    compiled = tmp_path / "hlsswarm" / "__pycache__" / "a.pyc"
    for path in (source, compiled):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert vm_image.files_of([tmp_path]) == [source]
