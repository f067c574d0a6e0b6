"""Where profiles are found, and how they are listed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hlsswarm.core.shipped_profiles import PROFILES
from hlsswarm.errors import ConfigurationError, UsageError
from hlsswarm.origin.profile_files import find_profile
from hlsswarm.origin.profile_list import profiles_json, profiles_text
from tests.support import REPOSITORY


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    directory = tmp_path / "hlsswarm" / "profiles"
    directory.mkdir(parents=True)
    (directory / "phone.toml").write_text("based_on = 'stress'\nsegment_seconds = 3\n")
    (directory / "default.toml").write_text("based_on = 'stress'\n")
    return directory


def test_a_profile_is_found_by_its_name_or_its_file(own: Path) -> None:
    assert find_profile("vod") is PROFILES["vod"]
    assert find_profile("phone").segment_seconds == 3
    assert find_profile(str(own / "phone.toml"), ["segment_seconds=5"]).segment_seconds == 5
    assert find_profile("default") is PROFILES["default"]


def test_what_is_not_found_or_not_right_is_a_sentence(own: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find_profile("fone")
    assert caught.value.hint == f"There is: {', '.join([*PROFILES, 'phone'])}."
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        find_profile("none.toml")
    (own / "phone.toml").write_text("segment_seconds = \n")
    with pytest.raises(ConfigurationError, match=r"phone\.toml is not TOML"):
        find_profile("phone")
    (own / "phone.toml").write_text("segment_seconds = 3\n")
    with pytest.raises(ConfigurationError, match="needs at least one rendition"):
        profiles_text()


def test_the_list_has_all_profiles_and_what_they_need(own: Path) -> None:
    document = json.loads(profiles_json())
    assert document["schema"] == "hlsswarm.profiles/1"
    assert list(document["profiles"]) == [*PROFILES, "phone"]
    assert document["profiles"]["phone"]["file"] == str(own / "phone.toml")
    default = document["profiles"]["default"]
    assert default["renditions"]["720p"]["video_bitrate_kbps"] == 2000
    assert default["memory_bytes"] > 20e6
    text = profiles_text()
    assert "4k-abr: a ladder of five from 2160p to 360p" in text
    assert "deutsch" in text


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "docs" / "profiles").glob("*.toml")), ids=lambda path: path.stem
)
def test_the_examples_are_profiles(path: Path) -> None:
    assert find_profile(str(path)).name == path.stem
