"""Packages: what they are made of is what the rest of the repository says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from hlsswarm.ffmpeg_minimal.build import options
from hlsswarm.places import MINIMAL_FFMPEG_ENVIRONMENT
from hlsswarm.units.embedded import SYSTEMD_ENVIRONMENT
from tests.lab.apt_tree import REPOSITORY
from tests.nix.private_nix import NIXPKGS, STUB, evaluate

NIXPKGS_NAMES = {"ffmpeg": "ffmpeg-headless", "nginx-light": "nginx"}
"""Debian's packages, where nixpkgs calls them otherwise."""
ABSOLUTE = re.compile(r"""["=]((?:/usr)?/s?bin/[a-z-]+)""")
"""A program of Debian's, as our source names one for a unit."""


def package(wanted: str) -> Any:
    """Something of our packages, by an expression over `own` and `pkgs`."""
    return evaluate(
        f"""
        let
          pkgs = import {NIXPKGS} {{ system = "x86_64-linux"; }};
          own = import ./nix/packages.nix {{ inherit pkgs; }};
        in
        {wanted}
        """
    )


def test_the_minimal_ffmpeg_has_the_options_of_the_build_on_debian() -> None:
    flags = package("own.ffmpeg-minimal.configureFlags")
    assert flags[-len(options()) :] == options()
    assert package("own.ffmpeg-minimal.meta.license.shortName").startswith("lgpl3Plus")


def test_its_tls_library_is_the_one_that_the_options_name() -> None:
    assert "--enable-mbedtls" in options()
    assert package("map (p: p.pname) own.ffmpeg-minimal.buildInputs") == ["mbedtls"]
    # As on Debian: its other two parts are named in `Requires.private` alone.
    assert "--pkg-config-flags=--static" in package("own.ffmpeg-minimal.configureFlags")


def test_python_libraries_are_those_of_the_project() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = {re.split("[<>=]", line)[0] for line in project["dependencies"]}
    found = set(package("map (p: p.pname) own.hlsswarm.library.dependencies"))
    assert {name.lower() for name in found} >= wanted
    assert package("own.hlsswarm.version") == project["version"]


def absolute_programs(tree: Path) -> set[str]:
    """Programs that source below `tree` names by absolute paths."""
    return {
        found
        for path in tree.rglob("*.py")
        for found in ABSOLUTE.findall(path.read_text())
    }  # fmt: skip


def test_no_unit_names_a_program_that_nixos_does_not_have(tmp_path: Path) -> None:
    """What the package's build does to the source is done here for real."""
    tree = tmp_path / "hlsswarm"
    shutil.copytree(REPOSITORY / "hlsswarm", tree, ignore=shutil.ignore_patterns("__pycache__"))
    programs = package("builtins.attrNames own.hlsswarm.programs")
    assert absolute_programs(tree) == {*programs, "/bin/sh"}
    script = package("own.hlsswarm.library.postPatch")
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, check=True)
    assert absolute_programs(tree) == {"/bin/sh"}
    specs = (tree / "core/service_specs.py").read_text()
    assert re.search(r'_KILL = "/nix/store/[^"]+/bin/kill"', specs)
    programs_module = (tree / "programs.py").read_text()
    assert re.search(r'Path\("/nix/store/[^"]+/truetype/DejaVuSans.ttf"\)', programs_module)


def test_the_command_finds_what_it_needs() -> None:
    script = package("own.hlsswarm.buildCommand")
    assert "-I -m hlsswarm" in script
    for variable in (SYSTEMD_ENVIRONMENT, MINIMAL_FFMPEG_ENVIRONMENT):
        assert f"--set-default {variable} /nix/store/" in script
    looked_for = {
        found
        for path in (REPOSITORY / "hlsswarm").rglob("*.py")
        if path.parent.name != "ffmpeg_minimal"  # builds on Debian
        for found in re.findall(r'find_program\([^)]*package="([^"]+)"', path.read_text())
    }
    assert {"ffmpeg", "nginx-light"} <= looked_for
    for name in looked_for:
        assert re.search(rf"/nix/store/\w+-{NIXPKGS_NAMES.get(name, name)}[^:]*/bin", script), name


def test_images_differ_from_those_of_the_containerfile_in_what_they_are_made_of_alone() -> None:
    """Environment, ports, signal and health check are what containers/Containerfile says."""
    config = package("own.swarm-container.image.config")
    lines = (REPOSITORY / "containers/Containerfile").read_text().splitlines()
    text = "\n".join(lines)
    here = dict(word.split("=", 1) for word in config["Env"])
    said = dict(re.findall(r"(HLSSWARM_[A-Z_]+|LANG|PYTHON[A-Z]+)=(\S+)", text))
    del said["HLSSWARM_FFMPEG_MINIMAL"]  # here the program knows it by itself
    assert {name: here.get(name) for name in said} == said
    assert f"STOPSIGNAL {config['StopSignal']}" in lines
    ports = {f"{port}/tcp" for line in re.findall(r"EXPOSE (.+)", text) for port in line.split()}
    assert set(config["ExposedPorts"]) == ports
    assert config["Cmd"] == ["--help"]
    assert package("own.test-origin-container.image.config.Cmd") == ["origin", "run"]


@pytest.mark.skipif(NIXPKGS != STUB, reason="nixpkgs keeps no text of what it joins")
def test_the_image_has_the_group_that_nginx_runs_as() -> None:
    """nixpkgs' nginx, made where only `nogroup` is there, ends at once where it is missing."""
    lines = package(
        "pkgs.lib.concatMap (p: p.arguments.override.extraGroupLines or [ ])"
        " own.swarm-container.image.contents"
    )
    assert lines == ["nogroup:x:65534:"]


def test_the_image_with_systemd_is_told_to_end_and_asked_for_its_health_as_the_other_one() -> None:
    machine = '{ config.system.build.toplevel = "/nix/store/machine"; }'
    config = package(
        "(pkgs.callPackage ./nix/swarm-systemd-container.nix"
        f" {{ inherit (own) swarm-container; machine = {machine}; }}).image.config"
    )
    text = (REPOSITORY / "containers/Containerfile.systemd").read_text()
    assert f"STOPSIGNAL {config['StopSignal']}\n" in text
    said = re.search(r"HEALTHCHECK .*\n\s+CMD (\[.*\])", text)
    assert said is not None
    assert [Path(word).name for word in json.loads(said[1])] == [
        Path(word).name for word in config["Healthcheck"]["Test"][1:]
    ]
    assert f"CMD {json.dumps(config['Cmd'])}" in text
