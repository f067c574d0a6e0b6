"""MicroVMs for people: their rigs are right, their ports are told, and KVM is tried."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from hlsswarm.cli.main import main
from tests.lab import vm_kvm, vm_micro
from tests.lab.vm_image import Image
from tests.lab.vm_qemu import Settings, kernel_words, qemu_options

IMAGE = Image(Path("/c/disk"), Path("/c/vmlinuz"), Path("/c/initrd"))
ORIGINS = [
    vm_micro.origin_guest(None, emulated=False),
    vm_micro.origin_guest(None, emulated=True),
    vm_micro.origin_guest("4k-abr", emulated=True),
]


def settings(*words: str, emulated: bool = True, guest: vm_micro.Guest = ORIGINS[0]) -> Settings:
    arguments = vm_micro._arguments(["origin", *words], emulated=emulated)
    return vm_micro.settings_of("origin", guest, arguments, emulated=emulated)


@pytest.mark.parametrize("guest", [*ORIGINS, vm_micro.swarm_guest("http://10.0.2.2:17080/a", 7)])
def test_the_rig_of_a_guest_is_right(guest: vm_micro.Guest, tmp_path: Path) -> None:
    (text,) = settings(guest=guest).files.values()
    (tmp_path / "rig.toml").write_text(text)
    assert main(["check", str(tmp_path / "rig.toml")]) == 0


def test_an_emulated_processor_encodes_little_unless_asked() -> None:
    origins = [
        tomllib.loads(next(iter(settings(guest=guest).files.values())))["origin"][0]
        for guest in ORIGINS
    ]
    assert [origin["profile"] for origin in origins] == ["default", "default", "4k-abr"]
    assert ["set" in origin for origin in origins] == [False, True, False]
    assert [origin.get("encode", "live") for origin in origins] == ["live", "once", "once"]


def test_ports_of_both_guests_differ_and_are_only_the_loopbacks() -> None:
    assert not set(vm_micro.ORIGIN_PORTS) & set(vm_micro.SWARM_PORTS)
    words = qemu_options(settings(), IMAGE, Path("/d"), accelerators="tcg", lan_port=0)
    forwards = re.findall(r"hostfwd=tcp:([0-9.]+):(\d+)-:(\d+)", " ".join(words))
    assert {address for address, _, _ in forwards} == {"127.0.0.1"}
    assert {int(host): int(inside) for _, host, inside in forwards} == vm_micro.ORIGIN_PORTS


def test_a_microvm_has_no_pci_and_is_told_its_speed_when_emulated() -> None:
    emulated = settings("--machine", "microvm")
    line = " ".join(qemu_options(emulated, IMAGE, Path("/d"), accelerators="tcg", lan_port=0))
    assert "-machine microvm,acpi=on" in line
    assert "pci" not in line
    assert emulated.tsc_khz > 0
    assert f"tsc_early_khz={emulated.tsc_khz}" in kernel_words(emulated)
    on_kvm = settings(emulated=False)
    assert (on_kvm.machine_type, on_kvm.tsc_khz) == ("microvm", 0)
    assert settings().machine_type == "q35"


def test_a_key_becomes_a_credential(tmp_path: Path) -> None:
    key = tmp_path / "id.pub"
    key.write_text("ssh-ed25519 AAAA me\n")
    assert settings("--ssh-key", str(key)).credentials == {
        "ssh.authorized_keys.root": "ssh-ed25519 AAAA me\n"
    }


def test_a_machine_without_kvm_is_told_in_a_sentence(tmp_path: Path) -> None:
    assert "There is no" in vm_kvm.trouble(str(tmp_path / "kvm"))
    (tmp_path / "kvm").touch()  # opens, and is none
    assert "makes no machine" in vm_kvm.trouble(str(tmp_path / "kvm"))


def test_the_sentence_and_the_status_agree(capsys: pytest.CaptureFixture[str]) -> None:
    status = vm_kvm.main()
    told = capsys.readouterr().out
    assert told.startswith("KVM can be used" if status == 0 else "KVM cannot be used here. ")
