"""Limits: how they are typed, what systemd and the kernel make of them, and back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.limit_settings import CLIENT_KINDS, limit_setting, limits_of
from hlsswarm.core.limits import (
    INFINITY,
    LIMIT_KINDS,
    LIVE_KINDS,
    NONE,
    Bandwidth,
    LimitKind,
    or_none,
    size_text,
)
from hlsswarm.core.quantities import parse_size
from hlsswarm.core.unit_specs import CLIENT_LIMITS, Abilities, Limits


def kind(name: str) -> LimitKind:
    return next(one for one in LIMIT_KINDS if one.name == name)


TYPED: dict[str, tuple[str, Any]] = {
    "memory-max": ("64M", 64 << 20),
    "memory-high": ("1G", 1 << 30),
    "cpu-quota": ("20%", 0.2),
    "cpu-weight": ("50", 50),
    "tasks-max": ("9", 9),
    "io-weight": ("20", 20),
    "io-read-max": ("/var/x:10M", Bandwidth("/var/x", 10 << 20)),
    "oom-policy": ("kill", "kill"),
}


@pytest.mark.parametrize("one", LIMIT_KINDS, ids=lambda one: str(one.name))
def test_each_is_read_shown_and_a_field_of_limits(one: LimitKind) -> None:
    text, value = TYPED[one.name]
    assert one.parse(text) == value
    assert one.shown(value) == text
    assert one.shown(None) == NONE
    limits = Limits(**{one.field: value})
    assert limits.given() == (one,)
    [made] = [item for item in limits.properties() if item.name == one.bus_name]
    assert made.signature == one.signature
    raw = made.value if one.signature != "s" else value.encode()
    assert one.decoded(raw) == value


@pytest.mark.parametrize("one", LIVE_KINDS, ids=lambda one: str(one.name))
def test_none_lifts_a_limit(one: LimitKind) -> None:
    assert or_none(one.parse)(NONE) == NONE
    lifted = one.encoded(None)
    assert lifted == ([] if one.signature == "a(st)" else INFINITY)
    assert one.decoded(lifted) is None


def test_positional_limits_are_memory_cpu_and_tasks() -> None:
    assert Limits(1, 0.5, 2) == Limits(memory_max_bytes=1, cpu_quota=0.5, tasks_max=2)


# Texts of the kernel: v1 as Linux 6.18 has them here, v2 as in cgroup-v2.rst.
@pytest.mark.parametrize(
    ("name", "v1", "text", "value"),
    [
        ("memory-max", True, "67108864", 64 << 20),
        ("memory-max", True, "9223372036854771712", None),
        ("memory-max", False, "max", None),
        ("memory-max", False, "67108864", 64 << 20),
        ("memory-high", False, "1048576", 1 << 20),
        ("cpu-quota", True, "20000 100000", 0.2),
        ("cpu-quota", True, "-1 100000", None),
        ("cpu-quota", False, "150000 100000", 1.5),
        ("cpu-quota", False, "max 100000", None),
        ("cpu-weight", True, "512", 50),
        ("cpu-weight", True, "1024", 100),
        ("cpu-weight", False, "50", 50),
        ("tasks-max", True, "16", 16),
        ("tasks-max", False, "max", None),
        ("io-weight", False, "default 20\n8:16 200", 20),
        ("io-weight", True, "113", 113),
        ("io-read-max", True, "254:0 1048576", 1 << 20),
        ("io-read-max", False, "8:16 rbps=2097152 wbps=max riops=max wiops=120", 2 << 20),
        ("io-read-max", False, "8:16 rbps=max wbps=1 riops=max wiops=120", None),
        ("io-read-max", True, "", None),
    ],
)
def test_what_the_kernel_has(name: str, text: str, value: Any, *, v1: bool) -> None:
    assert kind(name).in_kernel(text, v1=v1) == value


@pytest.mark.parametrize(
    ("name", "wanted", "found", "same"),
    [
        ("memory-max", 10_000_000, 9_998_336, True),  # whole pages
        ("memory-max", 10 << 20, 64 << 20, False),
        ("memory-max", None, None, True),
        ("memory-max", None, 64 << 20, False),
        ("memory-max", 64 << 20, None, False),
        ("cpu-weight", None, 100, True),
        ("cpu-weight", None, 50, False),
        ("cpu-quota", 0.333, 0.33, True),
        ("tasks-max", 9, 10, False),
        ("io-weight", 50, 113, True),  # v1's scale is another
        ("io-read-max", Bandwidth("/", 1 << 20), 1 << 20, True),
    ],
)
def test_whether_the_kernel_holds_it(name: str, wanted: Any, found: Any, *, same: bool) -> None:
    assert kind(name).is_same(wanted, found) is same


@pytest.mark.parametrize("one", LIMIT_KINDS, ids=lambda one: str(one.name))
@given(text=st.text(), v1=st.booleans())
def test_any_text_of_the_kernel_is_a_value_or_a_value_error(
    one: LimitKind, text: str, *, v1: bool
) -> None:
    try:
        one.in_kernel(text, v1=v1)
    except ValueError:
        return


@given(st.integers(1, 1 << 62))
def test_sizes_are_shown_as_they_are_typed(size_bytes: int) -> None:
    assert parse_size(size_text(size_bytes)) == pytest.approx(size_bytes)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cpu-weight", "0"),
        ("cpu-weight", "10001"),
        ("tasks-max", "0"),
        ("io-read-max", "10M"),
        ("io-read-max", "var:10M"),
        ("io-read-max", "/var:fast"),
        ("oom-policy", "ignore"),
        ("memory-max", "-1"),
    ],
)
def test_what_cannot_be_meant(name: str, text: str) -> None:
    with pytest.raises(ValueError):
        kind(name).parse(text)


def test_settings_of_a_client_have_its_defaults_and_come_back_as_limits() -> None:
    rows = {
        row.key: row.default
        for row in (limit_setting(one, "one client", prefix="client-") for one in CLIENT_KINDS)
    }
    assert limits_of(rows, CLIENT_KINDS, prefix="client-") == CLIENT_LIMITS


def test_a_change_lifts_what_is_not_set_any_more() -> None:
    before = Limits(memory_max_bytes=1 << 30, cpu_quota=0.5, oom_policy="kill")
    after = Limits(cpu_quota=1.5, tasks_max=9)
    assert after.changes(before) == [
        ("MemoryMax", "t", INFINITY),
        ("CPUQuotaPerSecUSec", "t", 1_500_000),
        ("TasksMax", "t", 9),
    ]
    assert after.changes(after) == []


def test_what_is_not_enforced_is_told_by_name() -> None:
    limits = Limits(memory_max_bytes=1, memory_high_bytes=1, io_weight=5, oom_policy="kill")
    some = Abilities(252, held_limits=frozenset({"io-weight"}))
    assert some.does_not_hold(limits) == ("memory-high", "oom-policy")
    assert some.does_not_hold(CLIENT_LIMITS) == ()
