"""Profiles of the sandbox as properties: what is in each, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.sandbox import (
    ALL_PARTS,
    BASIC_PARTS,
    CANDIDATES,
    LEVELS,
    PART_WORDS,
    UNWALLED,
    Level,
    Part,
    Profile,
    Sandbox,
    hidden_below,
    lacking,
    shown_for_program,
)

PROFILES: tuple[Profile, ...] = ("client", "encoder", "server", "none")
FORBIDDEN = (  # capabilities(7): SYS_ADMIN, SYS_PTRACE, SYS_MODULE, NET_ADMIN, NET_RAW, MKNOD
    *(1 << number for number in (21, 19, 16, 12, 13, 27)),
)


def values(sandbox: Sandbox, able: frozenset[Part] = ALL_PARTS) -> dict[str, list[object]]:
    found: dict[str, list[object]] = {}
    for item in sandbox.properties(able):
        found.setdefault(item.name, []).append(item.value)
    return found


@given(
    st.sampled_from(PROFILES), st.sampled_from(LEVELS), st.frozensets(st.sampled_from([*ALL_PARTS]))
)
def test_never_more_than_the_manager_can(
    profile: Profile, level: Level, able: frozenset[Part]
) -> None:
    sandbox = Sandbox(profile=profile, level=level)
    parts = sandbox.parts(able)
    assert parts <= able
    assert bool(sandbox.properties(able)) == bool(parts - {"processes"})
    if level == "basic":
        assert parts <= BASIC_PARTS
    if level == "off" or profile == "none":
        assert not parts
    assert ("DynamicUser" in values(sandbox, able)) == ("user" in parts)
    assert ("ProtectSystem" in values(sandbox, able)) == ("mounts" in parts)
    assert ("CapabilityBoundingSet" in values(sandbox, able)) == ("capabilities" in parts)
    assert ("SystemCallFilter" in values(sandbox, able)) == ("seccomp" in parts)


def test_client() -> None:
    found = values(Sandbox(profile="client"))
    assert found["CapabilityBoundingSet"] == [0]
    assert found["RestrictAddressFamilies"] == [(True, ["AF_INET", "AF_INET6"])]
    assert found["SystemCallFilter"][1] == (False, ["@privileged", "@resources"])
    assert found["UMask"] == [0o077]
    assert "BindPaths" not in found and "BindReadOnlyPaths" not in found


@pytest.mark.parametrize("profile", ["client", "encoder", "server"])
def test_no_profile_keeps_a_power_over_the_machine(profile: Profile) -> None:
    [kept] = values(Sandbox(profile=profile, reads_others=True))["CapabilityBoundingSet"]
    assert isinstance(kept, int)
    assert not any(kept & power for power in FORBIDDEN)


def test_exceptions() -> None:
    found = values(
        Sandbox(
            profile="encoder",
            readable=(Path("/home/me/in.mp4"),),
            writable=(Path("/tmp/out"),),
            devices=(Path("/dev/dri/renderD128"),),
        )
    )
    assert found["BindReadOnlyPaths"] == [[("/home/me/in.mp4", "/home/me/in.mp4", True, 16384)]]
    assert found["BindPaths"] == [[("/tmp/out", "/tmp/out", True, 16384)]]
    assert found["DeviceAllow"] == [[("/dev/dri/renderD128", "rw")]]
    assert "MemoryDenyWriteExecute" not in found and "ProcSubset" not in found


def test_in_a_user_namespace_there_is_no_device_policy() -> None:
    found = values(Sandbox(profile="encoder"), frozenset({"mounts", "seccomp"}))
    assert found["PrivateUsers"] == [True]
    assert "DevicePolicy" not in found


def test_candidates_go_from_all_to_little() -> None:
    assert CANDIDATES[0] == ALL_PARTS - {"processes"}  # which is found, not asked for
    assert BASIC_PARTS in CANDIDATES
    assert all(candidate for candidate in CANDIDATES)


def test_what_is_lacking_is_said() -> None:
    assert lacking(ALL_PARTS) == ()
    assert lacking(BASIC_PARTS) == tuple(
        PART_WORDS[part] for part in ("user", "mounts", "processes")
    )
    assert UNWALLED.properties(ALL_PARTS) == ()


@pytest.mark.parametrize(
    ("program", "shown"),
    [
        ("/usr/bin/ffmpeg", None),
        ("/homes/me/ffmpeg", None),
        ("/home/me/ffmpeg-9/bin/ffmpeg", "/home/me/ffmpeg-9"),
        ("/home/me/bin/ffmpeg", "/home/me/bin"),
        ("/root/bin/ffmpeg", "/root/bin"),
        ("/root/ffmpeg", "/root/ffmpeg"),
        ("/tmp/ffmpeg", "/tmp/ffmpeg"),
        ("/tmp/build/ffmpeg", "/tmp/build"),
    ],
)
def test_what_a_program_needs_and_no_home(program: str, shown: str | None) -> None:
    assert shown_for_program(Path(program)) == ((Path(shown),) if shown else ())
    assert (hidden_below(Path(program)) is None) == (shown is None)
