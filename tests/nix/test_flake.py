"""The flake: every file parses, every output evaluates, the lock is the one of flake.nix."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lab.apt_tree import REPOSITORY
from tests.nix.flake import STUB_MICROVM, check, copy_flake, lock_fits, shown
from tests.nix.private_nix import STUB, configuration, evaluate, nix

NIX_FILES = sorted(
    path
    for place in ("flake.nix", "nix", "nixos-modules", "tests/nix")
    for path in [REPOSITORY / place, *(REPOSITORY / place).rglob("*")]
    if path.suffix == ".nix"
)
SYSTEMS = {"x86_64-linux", "aarch64-linux"}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The flake as a clean checkout has it, to be spoiled at will."""
    return copy_flake(tmp_path / "flake")


def replace(path: Path, old: str, new: str) -> None:
    """Spoil a file; what is to be replaced has to be there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_files_parse() -> None:
    assert len(NIX_FILES) > 20
    done = nix().run("--parse", *map(str, NIX_FILES), program="nix-instantiate")
    assert done.returncode == 0, done.stderr


def test_a_variable_that_nobody_defines_is_no_nix(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.nix"
    wrong.write_text("{ pkgs }: pkg.hello\n")
    done = nix().run("--parse", str(wrong), program="nix-instantiate")
    assert "undefined variable 'pkg'" in done.stderr


def test_the_lock_is_that_of_the_flake(copy: Path) -> None:
    done = lock_fits(copy)
    assert done.returncode == 0, done.stderr


def test_a_lock_of_other_inputs_is_told(copy: Path) -> None:
    replace(copy / "flake.nix", "nixos-unstable", "nixos-25.11")
    done = lock_fits(copy)
    assert done.returncode != 0


def test_the_lock_pins_what_it_names() -> None:
    nodes = json.loads((REPOSITORY / "flake.lock").read_text())["nodes"]
    assert set(nodes) == {"root", "nixpkgs", "microvm"}
    for name in ("nixpkgs", "microvm"):
        locked = nodes[name]["locked"]
        assert len(locked["rev"]) == 40
        assert locked["narHash"].startswith("sha256-")


def test_every_output_evaluates(copy: Path) -> None:
    """With stubs: no nixpkgs is needed, and a wrong name in our own files is found."""
    done = check(copy, STUB, STUB_MICROVM)
    assert done.returncode == 0, done.stderr


def test_an_output_that_does_not_evaluate_is_told(copy: Path) -> None:
    replace(copy / "nix/machines.nix", 'role = "swarm"', 'role = "viewer"')
    done = check(copy, STUB, STUB_MICROVM)
    assert done.returncode != 0
    assert "viewer" in done.stderr or "role" in done.stderr


def test_outputs_have_the_names_that_the_documentation_tells(copy: Path) -> None:
    outputs = shown(copy)
    for system in SYSTEMS:
        assert set(outputs["packages"][system]) == {
            *("default", "hlsswarm", "ffmpeg-minimal", "swarm-container"),
            *("swarm-systemd-container", "test-origin-container"),
            *("microvm-origin", "microvm-origin-tap", "microvm-swarm"),
        }
        assert set(outputs["apps"][system]) == {
            *("default", "swarm", "demo", "test-origin", "test-origin-low-latency"),
            *("test-origin-4k-abr", "test-origin-stress", "microvm-origin", "microvm-swarm"),
        }
        checks = set(outputs["checks"][system])
        assert checks >= {"hlsswarm", "ffmpeg-minimal", "formatting", "rig-lab-swarm"}
        assert {name for name in outputs["packages"][system] if "container" in name} <= checks
        assert set(outputs["devShells"][system]) == {"default"}
    assert set(outputs["checks"]["x86_64-linux"]) >= {"vm-smoke", "vm-two-machines"}
    assert set(outputs["nixosModules"]) == {
        *("default", "swarm", "test-origin", "monitoring", "tuning", "microvm"),
    }
    assert set(outputs["templates"]) == {"default", "rig"}
    documentation = (REPOSITORY / "docs/nix.md").read_text()
    for group in ("packages", "apps"):
        for name in outputs[group]["x86_64-linux"]:
            assert f"`{name}`" in documentation, name


def test_the_template_is_a_machine() -> None:
    template = REPOSITORY / "nix/templates/rig/configuration.nix"
    names = configuration(
        f"import {template}", "map (s: s.name) config.services.hlsswarm.settings.swarm"
    )
    assert names == ["watch"]
    configuration(f"import {template}", "config.system.build.toplevel.drvPath")


def test_every_vm_script_is_a_check() -> None:
    scripts = {path.stem for path in (REPOSITORY / "tests/vm").glob("*.py")} - {"__init__"}
    text = (REPOSITORY / "nix/checks.nix").read_text()
    assert not [name for name in scripts if f'"{name}"' not in text]


def test_the_stub_refuses_what_nixpkgs_refuses() -> None:
    """What the module tests rest on: an unknown option, a wrong type, a missing value."""
    lib = f"(import {STUB}/lib)"
    module = "{ lib, ... }: { options.port = lib.mkOption { type = lib.types.port; }; }"
    for given, words in (
        ("{ prot = 1; }", "The option `prot' does not exist"),
        ("{ port = 70000; }", "is not of type `16 bit unsigned integer"),
        ("{ }", "was accessed but has no value defined"),
        ("{ imports = [ { port = 1; } { port = 2; } ]; }", "has conflicting definition values"),
    ):
        with pytest.raises(Exception, match=words.replace("(", r"\(")):
            evaluate(f"({lib}.evalModules {{ modules = [ ({module}) ({given}) ]; }}).config.port")
