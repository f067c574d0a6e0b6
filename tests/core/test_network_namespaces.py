"""Clients are dealt out to network namespaces in turn."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.network_namespaces import (
    namespace_of,
    parse_namespace,
    properties,
    sentence,
)

NAMES = st.lists(st.sampled_from("abcdefgh"), min_size=1, unique=True)


@given(NAMES, st.integers(1, 100))
def test_each_has_as_many_clients_as_the_others_or_one_less(names: list[str], count: int) -> None:
    shares = Counter(namespace_of(place, names) for place in range(count))
    sizes = [shares[name] for name in names]
    assert sum(sizes) == count
    assert max(sizes) - min(sizes) <= 1


def test_without_namespaces_nothing_is_said() -> None:
    assert namespace_of(3, ()) is None
    assert properties(None) == ()
    assert properties("/run/netns/a") == (("NetworkNamespacePath", "s", "/run/netns/a"),)


def test_a_name_is_that_of_ip_netns_and_a_path_stays() -> None:
    assert parse_namespace("clients1") == "/run/netns/clients1"
    assert parse_namespace("/proc/7/ns/net") == "/proc/7/ns/net"


@pytest.mark.parametrize("text", ["", "a b", "../x", "a/b", "-x", "/a\0b"])
def test_what_names_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither a name nor a path"):
        parse_namespace(text)


def test_the_spread_is_told_by_name() -> None:
    told = "Clients are in turn in the network namespaces a, /proc/7/ns/net."
    assert sentence(("/run/netns/a", "/proc/7/ns/net")) == told
