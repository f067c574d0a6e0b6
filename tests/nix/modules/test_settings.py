"""`settings`: its options are the program's own, and what is written is what our loader reads."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hlsswarm.core import rig_schema
from hlsswarm.core.rig_reading import read_rig
from tests.core.rig_documents import right_documents
from tests.nix.modules.support import golden, machine
from tests.support import REPOSITORY

OPTIONS = REPOSITORY / "nixos-modules" / "options.json"
FILES = [
    REPOSITORY / "systemd" / "hlsswarm.toml",
    *sorted((REPOSITORY / "tests/vm").glob("*.toml")),
]
ALL = """{
  services.hlsswarm = {
    enable = true;
    apiTokenFile = "/run/secrets/token";
    settings.api.listen = "0.0.0.0:9180";
    settings.limits = { memory-max = "8G"; cpu-quota = 600; };
    settings.swarm = [
      { name = "evening"; url = "https://cdn.example/a.m3u8"; clients = 200; ip-filter = "off"; }
      { name = "later"; enabled = false; threshold = [ "playback_failures: rate<1%" ]; }
    ];
    settings.encoder = [ { name = "live/cam"; input = "rtsp://10.0.0.7/s"; fps = 25; } ];
    settings.ladder = [ { name = "ladder"; rungs = "720p,360p"; } ];
    testOrigin = { enable = true; openFirewall = true; tls = true; tlsNames = [ "a.lab" ]; };
  };
}"""


def _document(module: str) -> dict[str, Any]:
    """What a machine's file says, after our own loader has read it."""
    document: dict[str, Any] = machine(module, "config.services.hlsswarm.document")
    text = tomli_w.dumps(document)
    assert read_rig(text).problems == ()
    return document


def test_the_options_are_those_of_the_program() -> None:
    """`UPDATE_GOLDEN=1` writes the file anew."""
    table = {"schema": rig_schema.OPTIONS_SCHEMA, "options": rig_schema.options()}
    wanted = json.dumps(table, indent=2, ensure_ascii=False) + "\n"
    assert golden(OPTIONS, wanted) == wanted


def test_every_section_and_key_is_an_option() -> None:
    wanted = "lib.mapAttrs (_: builtins.typeOf) config.services.hlsswarm.settings"
    names = {row["name"].split(".")[0] for row in rig_schema.options()}
    assert set(machine("{ services.hlsswarm.enable = true; }", wanted)) == names


def test_what_is_not_set_is_not_written() -> None:
    assert _document("{ services.hlsswarm.enable = true; }") == {}


def test_an_origin_alone() -> None:
    document = _document("{ services.hlsswarm.testOrigin.enable = true; }")
    assert document["origin"] == [
        {
            "name": "test-origin",
            "profile": "default",
            "port": 8080,
            "listen": "127.0.0.1",
            "encode": "live",
            "tls": False,
        }
    ]


def test_all_sections_together() -> None:
    document = _document(ALL)
    assert document["api"]["token-file"] == "/run/credentials/hlsswarm.service/api-token"
    assert document["origin"][0]["listen"] == "0.0.0.0"
    assert document["origin"][0]["tls-name"] == ["a.lab"]
    assert [swarm["name"] for swarm in document["swarm"]] == ["evening", "later"]


@pytest.mark.parametrize("profile", ["default", "low-latency", "4k-abr", "stress", "logged", "vod"])
def test_profiles(profile: str) -> None:
    module = f'{{ services.hlsswarm.testOrigin = {{ enable = true; profile = "{profile}"; }}; }}'
    assert _document(module)["origin"][0]["profile"] == profile


def test_a_key_that_is_not_known_is_for_the_check_at_build() -> None:
    module = """{ services.hlsswarm.enable = true;
      services.hlsswarm.settings.swarm = [ { name = "a"; url = "http://a/"; ramp_rate = 3; } ]; }"""
    document = machine(module, "config.services.hlsswarm.document")
    problems = read_rig(tomli_w.dumps(document)).problems
    assert [each.sentence for each in problems] == ["There is no setting 'ramp_rate'."]
    assert [each.hint for each in problems] == ["Is ramp-rate meant?"]


@pytest.mark.parametrize(("text", "status"), [('manager = "system"', 0), ("a = 1", 104)])
def test_the_build_lets_no_wrong_file_through(tmp_path: Path, text: str, status: int) -> None:
    """Its script is run here, with programs and files of this machine in the store's places."""
    script = machine(
        "{ services.hlsswarm.enable = true; }",
        "with config.services.hlsswarm; configFile.buildCommand or configFile.arguments.script",
    )
    (tmp_path / "settings.toml").write_text(text)
    here = re.sub(r"/nix/store/\S+/bin/hlsswarm", f"{sys.executable} -m hlsswarm", script)
    here, places = re.subn(r"/nix/store/\S+hlsswarm\.toml", f"{tmp_path}/settings.toml", here)
    assert places == 1
    done = subprocess.run(
        ["bash", "-e", "-c", here],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "out": f"{tmp_path}/out", "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == status, done.stderr
    assert (tmp_path / "out").exists() is (status == 0)
    assert status == 0 or "hlsswarm.toml:1: a: There is no setting" in done.stdout


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_a_file_becomes_settings(file: Path) -> None:
    """As docs/nixos.md says: settings = fromTOML (readFile FILE)."""
    module = f"""{{ services.hlsswarm.enable = true;
      services.hlsswarm.settings = fromTOML (builtins.readFile {file}); }}"""
    assert _document(module) == _pruned(tomllib.loads(file.read_text()))


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents=st.lists(right_documents(), min_size=6, max_size=6))
def test_whatever_the_program_reads_goes_through(documents: list[dict[str, Any]]) -> None:
    text = json.dumps(json.dumps([_plain(each) for each in documents])).replace("${", "\\${")
    lib_of = """
      document: (lib.evalModules { modules = [
        { options.settings = lib.mkOption { inherit (made) type; }; config.settings = document; }
      ]; }).config.settings
    """
    found = machine(
        "{ services.hlsswarm.enable = true; }",
        f"""let
          format = pkgs.formats.toml {{ }};
          made = import {REPOSITORY}/nixos-modules/settings.nix {{ inherit lib format; }};
          written = {lib_of};
        in map (each: made.document (written each)) (builtins.fromJSON {text})""",
    )
    for before, after in zip(documents, found, strict=True):
        assert after == _pruned(before)


def _plain(document: dict[str, Any]) -> Any:
    return tomllib.loads(tomli_w.dumps(document))


def _pruned(value: Any) -> Any:
    """Without what is empty, which says nothing."""
    if isinstance(value, dict):
        each = {key: _pruned(inner) for key, inner in value.items()}
        return {key: inner for key, inner in each.items() if inner not in ([], {})}
    return [_pruned(inner) for inner in value] if isinstance(value, list) else value
