"""The NixOS unit is that of systemd/, directive by directive, and systemd understands it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hlsswarm.places import MINIMAL_FFMPEG_ENVIRONMENT
from tests.nix.modules.support import UnitRoot, machine, read_unit
from tests.nix.private_nix import NIXPKGS, NixError, evaluate
from tests.support import REPOSITORY

RIG = '{ services.hlsswarm.enable = true; services.hlsswarm.apiTokenFile = "/run/secrets/token"; }'
SYSTEMD = REPOSITORY / "systemd"
SCORE_MAX = 2.0
READER = f"import {REPOSITORY}/nixos-modules/unit-file.nix {{ lib = import {NIXPKGS}/lib; }}"


@pytest.fixture(scope="module")
def text() -> str:
    unit: str = machine(RIG, 'config.systemd.units."hlsswarm.service".text')
    return unit


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, text: str) -> UnitRoot:
    made = UnitRoot(tmp_path_factory.mktemp("root"))
    made.add("hlsswarm.service", text)
    return made


def _here(value: str) -> str:
    """A command as systemd/ has it: without the directories of the store."""
    value = re.sub(r"/nix/store/[^/]+/bin/hlsswarm", "@bindir@/hlsswarm", value)
    return re.sub(r"/nix/store/[^/]+/bin/kill", "/bin/kill", value)


def test_each_directive_is_that_of_the_unit_file(text: str) -> None:
    wanted = read_unit((SYSTEMD / "hlsswarm.service").read_text())
    found = read_unit(text)
    del wanted["Install"]  # a link in NixOS; the next test
    ours = {key: list(map(_here, values)) for key, values in found["Service"].items()}
    assert ours.pop("LoadCredential") == ["api-token:/run/secrets/token"]
    # PATH and the like, and what NixOS notes for itself.
    ours = {k: v for k, v in ours.items() if k != "Environment" and not k.startswith("X-")}
    assert ours == wanted["Service"]
    unit = {k: v for k, v in found["Unit"].items() if not k.startswith("X-")}
    assert unit == wanted["Unit"]


def test_it_is_installed_as_the_unit_file_says() -> None:
    wanted = read_unit((SYSTEMD / "hlsswarm.service").read_text())["Install"]["WantedBy"]
    assert machine(RIG, "config.systemd.services.hlsswarm.wantedBy") == wanted


def test_the_slice_is_that_of_the_unit_file() -> None:
    wanted = read_unit((SYSTEMD / "hlsswarm.slice").read_text())
    found = machine(RIG, "{ inherit (config.systemd.slices.hlsswarm) description sliceConfig; }")
    assert [found["description"]] == wanted["Unit"]["Description"]
    assert {key: [value] for key, value in found["sliceConfig"].items()} == wanted["Slice"]


def test_directories_and_rights_are_those_of_the_files() -> None:
    wanted = "rules = config.systemd.tmpfiles.rules; polkit = config.security.polkit.extraConfig;"
    found = machine(RIG, f"{{ {wanted} }}")
    lines = (SYSTEMD / "tmpfiles.conf").read_text().splitlines()
    for line in (line for line in lines if not line.startswith("#")):
        assert line in found["rules"]
    assert (SYSTEMD / "50-hlsswarm.rules").read_text().strip() in found["polkit"]
    groups = (SYSTEMD / "sysusers.conf").read_text().splitlines()
    assert [line.split()[1] for line in groups if line.startswith("g ")] == ["hlsswarm"]
    assert machine(RIG, "config.users.groups ? hlsswarm") is True


def test_a_change_is_a_reload_and_an_upgrade_never_a_stop() -> None:
    found = machine(
        RIG,
        "{ inherit (config.systemd.services.hlsswarm) stopIfChanged;"
        " reloads = builtins.length config.systemd.services.hlsswarm.reloadTriggers; }",
    )
    assert found == {"stopIfChanged": False, "reloads": 1}


def test_clients_have_an_ffmpeg_of_their_own_unless_they_are_to_have_none() -> None:
    variable = f"config.systemd.services.hlsswarm.environment.{MINIMAL_FFMPEG_ENVIRONMENT}"
    assert re.search("-ffmpeg-minimal[^/]*/bin/ffmpeg$", machine(RIG, variable))
    # The package's command sets what is not set, and leaves alone what is empty.
    without = f"{{ imports = [ ({RIG}) ]; services.hlsswarm.clientFfmpeg = null; }}"
    assert machine(without, variable) == ""


def test_systemd_understands_it(root: UnitRoot) -> None:
    assert root.verified("hlsswarm.service") == ""


def test_systemd_tells_a_word_that_it_does_not_know(root: UnitRoot, text: str) -> None:
    root.add("wrong.service", text.replace("ProtectSystem=strict", "ProtectSystem=stritc"))
    assert "Failed to parse protect system value" in root.verified("wrong.service")


def test_it_is_walled_in(root: UnitRoot) -> None:
    assert root.exposure("hlsswarm.service") <= SCORE_MAX


def test_a_service_without_walls_is_told(root: UnitRoot, text: str) -> None:
    root.add("open.service", text.replace("CapabilityBoundingSet=\n", ""))
    assert root.exposure("open.service") > SCORE_MAX


def test_monitoring_brings_a_unit_that_systemd_understands(tmp_path: Path) -> None:
    module = "{ services.hlsswarm.enable = true; services.hlsswarm.monitoring.enable = true; }"
    name = "hlsswarm-grafana-key.service"
    unit = machine(module, f'config.systemd.units."{name}".text')
    root = UnitRoot(tmp_path)
    # NixOS makes a program of `script`.
    root.add(name, unit if "ExecStart=" in unit else f"{unit}ExecStart=/nix/store/key/bin/key\n")
    assert "key.service" not in root.verified(name)


@pytest.mark.parametrize("line", ["ExecStart=/bin/a \\\\", "no pair", "[two words]"])
def test_a_line_that_is_not_understood_is_told(line: str) -> None:
    with pytest.raises(NixError, match="does not understand this line of a unit file"):
        evaluate(f'{READER} "[Unit]\\n{line}\\n"')


def test_a_unit_file_is_read() -> None:
    text = '"# no\\n; no\\n[Service]\\n\\nA=1=2\\n  B= \\nC=x\\nC=y \\n[Install]\\nC=z"'
    assert evaluate(f"{READER} {text}") == {
        "Service": {"A": "1=2", "B": "", "C": ["x", "y"]},
        "Install": {"C": "z"},
    }
