"""Names of units and slices: built and taken apart again."""

from __future__ import annotations

import random
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core import names
from hlsswarm.core.names import UnitName, parse_unit, run_of_slice

RUNS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=16)
MEMBERS = st.from_regex(r"[A-Za-z0-9_.]{1,20}", fullmatch=True)


@given(RUNS, st.integers(1, 100_000))
def test_a_clients_unit_is_taken_apart_as_it_was_built(run: str, number: int) -> None:
    name = names.client_unit(run, number)
    parsed = parse_unit(name)
    assert parsed == UnitName(run, "client", f"{number:04d}")
    assert fnmatchcase(name, names.run_pattern(run))
    assert fnmatchcase(name, names.UNIT_PATTERN)


@given(RUNS, MEMBERS)
def test_an_origins_units_are_taken_apart_as_they_were_built(run: str, member: str) -> None:
    assert parse_unit(names.encoder_unit(run, member)) == UnitName(run, "encoder", member)
    assert parse_unit(names.nginx_unit(run)) == UnitName(run, "nginx", "")


@given(RUNS, RUNS)
def test_no_run_takes_another_runs_units_for_its_own(one: str, other: str) -> None:
    matches = fnmatchcase(names.client_unit(other, 1), names.run_pattern(one))
    assert matches == (one == other)


@given(st.text())
def test_any_other_name_is_not_ours(name: str) -> None:
    parsed = parse_unit(name)
    assert parsed is None or name.startswith(f"hlsswarm-{parsed.run}-{parsed.role}")
    run = run_of_slice(name)
    assert run is None or name == names.run_slice(run)


@pytest.mark.parametrize(
    "name",
    [
        "ssh.service",
        "hlsswarm.service",
        "hlsswarm-probe-0a1b2c3d.service",
        "hlsswarm-A-client-0001.service",
        "hlsswarm-a-b-client-0001.service",
        "hlsswarm-a1-client-0001.service\n",
        "xhlsswarm-a1-client-0001.service",
        "hlsswarm-a1-client-0001.slice",
        "hlsswarm-a1-other-0001.service",
    ],
)
def test_these_are_no_members(name: str) -> None:
    assert parse_unit(name) is None


@given(RUNS)
def test_only_a_runs_top_slice_is_the_run(run: str) -> None:
    assert run_of_slice(names.run_slice(run)) == run
    assert run_of_slice(names.clients_slice(run)) is None
    assert run_of_slice(names.origin_slice(run)) is None
    assert run_of_slice(names.ROOT_SLICE) is None


@given(RUNS)
def test_slices_lie_in_each_other_as_systemd_slice_5_says(run: str) -> None:
    top = names.cgroup_path(names.run_slice(run))
    assert top == f"hlsswarm.slice/hlsswarm-{run}.slice"
    for part in (names.clients_slice(run), names.origin_slice(run)):
        assert names.cgroup_path(part) == f"{top}/{part}"
    assert names.cgroup_path(names.ROOT_SLICE) == names.ROOT_SLICE


@given(st.integers())
def test_new_run_ids_are_run_ids(seed: int) -> None:
    run = names.new_run_id(random.Random(seed))
    assert names.is_run_id(run)
    assert len(run) == 6
    assert run[0].isalpha()


@pytest.mark.parametrize("text", ["", "A", "a-b", "a_b", "a" * 17, "ä", "a\n", "a b", "a.b", "a/b"])
def test_these_are_no_run_ids(text: str) -> None:
    assert not names.is_run_id(text)
