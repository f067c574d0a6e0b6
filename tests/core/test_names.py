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
MEMBERS = st.from_regex(r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,19}", fullmatch=True)


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


@given(RUNS, st.sampled_from(names.ROLES), MEMBERS | st.just(""))
def test_every_role_is_taken_apart_as_it_was_built(run: str, role: str, member: str) -> None:
    unit = names.service_unit(run, role, member)
    assert parse_unit(unit) == UnitName(run, role, member)
    assert names.log_file(unit) == (f"{role}-{member}.log" if member else f"{role}.log")


@given(RUNS, st.sampled_from(names.PARTS))
def test_a_part_of_a_run_lies_in_the_runs_slice(run: str, part: str) -> None:
    """systemd.slice(5): what stands before the last dash names the slice above."""
    slice_name = names.part_slice(run, part)
    assert f"{slice_name.removesuffix('.slice').rpartition('-')[0]}.slice" == names.run_slice(run)
    assert run_of_slice(slice_name) is None


def test_a_strange_unit_has_no_log_of_ours() -> None:
    with pytest.raises(ValueError, match="no unit of ours"):
        names.log_file("ssh.service")


@given(st.integers())
def test_new_run_ids_are_run_ids(seed: int) -> None:
    run = names.new_run_id(random.Random(seed))
    assert names.is_run_id(run)
    assert len(run) == 6
    assert run[0].isalpha()


@pytest.mark.parametrize("text", ["", "A", "a-b", "a_b", "a" * 17, "ä", "a\n", "a b", "a.b", "a/b"])
def test_these_are_no_run_ids(text: str) -> None:
    assert not names.is_run_id(text)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("a1b2c3", "hlsswarm-a1b2c3.slice"),
        ("a1b2c3/clients", "hlsswarm-a1b2c3-clients.slice"),
        ("a1b2c3/client-7", "hlsswarm-a1b2c3-client-0007.service"),
        ("a1b2c3/client-0007", "hlsswarm-a1b2c3-client-0007.service"),
        ("origin8080/nginx", "hlsswarm-origin8080-nginx.service"),
        ("encoders/encoder-x", "hlsswarm-encoders-encoder-x.service"),
        ("hlsswarm-a1-client-0001.service", "hlsswarm-a1-client-0001.service"),
        ("hlsswarm-a1-clients.slice", "hlsswarm-a1-clients.slice"),
        ("hlsswarm.slice", "hlsswarm.slice"),
    ],
)
def test_what_somebody_means_by_a_unit(text: str, unit: str) -> None:
    assert names.unit_of(text) == unit


@pytest.mark.parametrize(
    "text",
    ["", "/", "A", "a1/", "a1/nobody", "a1/../x", "system.slice", "ssh.service", "a1/client-"],
)
def test_what_means_no_unit_of_ours(text: str) -> None:
    with pytest.raises(ValueError, match="names no unit"):
        names.unit_of(text)
