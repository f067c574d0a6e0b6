"""Where the other systemd comes from, and what is said when it cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from hlsswarm.ffmpeg_minimal import debian
from hlsswarm.ffmpeg_minimal.debian import NotFetchedError, machines_mirror
from tests.lab import apt_tree, systemd_versions
from tests.lab.systemd_versions import later_systemd

SOURCES = """\
https://packages.example/apt cloud-sdk-bookworm main
http://mirror.example/debian-security bookworm-security main
https://deb.example/node_20.x nodistro main
http://mirror.example/debian bookworm contrib
http://mirror.example/debian bookworm main
http://other.example/debian/ bookworm main
"""


def test_the_mirror_is_the_machines_own() -> None:
    assert machines_mirror(SOURCES) == "http://mirror.example/debian"


@pytest.mark.parametrize("sources", ["", "\n", "http://m.example/ubuntu jammy main\n"])
def test_a_machine_without_a_debian_mirror_says_so(sources: str) -> None:
    with pytest.raises(NotFetchedError, match="name no Debian mirror"):
        machines_mirror(sources)


def test_what_cannot_be_fetched_is_a_sentence_and_leaves_no_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apt_tree, "machines_mirror", lambda: f"file:{tmp_path}/nowhere")
    monkeypatch.setattr(debian, "PAUSE_SECONDS", 0.0)
    with pytest.raises(NotFetchedError, match=r"could not be fetched \(3 attempts\)"):
        later_systemd(tmp_path / "cache")
    assert not (tmp_path / "cache" / systemd_versions.SUITE).exists()


def test_it_is_fetched_once_and_is_whole() -> None:
    systemd = later_systemd()
    assert systemd.program.is_file()
    libraries = Path(systemd.environment["LD_LIBRARY_PATH"])
    assert list(libraries.glob("libsystemd-shared-*.so"))
    assert later_systemd() == systemd
