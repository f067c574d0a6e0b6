"""Values of settings as TOML has them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.kinds import described
from hlsswarm.core.setting import (
    Setting,
    duration,
    integer,
    one_of,
    percent,
    port,
    size,
    switch,
    within,
)
from hlsswarm.core.setting_values import WrongValueError, read_table, read_value
from tests.core.rig_documents import JUNK

ROWS = {
    "text": Setting("text", "g", "h", str),
    "path": Setting("path", "g", "h", Path),
    "count": Setting("count", "g", "h", integer),
    "few": Setting("few", "g", "h", within(0, 5)),
    "port": Setting("port", "g", "h", port),
    "rate": Setting("rate", "g", "h", described(float, minimum=0)),
    "time": Setting("time", "g", "h", duration),
    "size": Setting("size", "g", "h", size),
    "share": Setting("share", "g", "h", percent),
    "word": Setting("word", "g", "h", one_of("one", "two")),
    "on": Setting("on", "g", "h", switch),
    "given": Setting("given", "g", "h", bool, flag=True),
    "many": Setting("many", "g", "h", integer, repeat=True),
}


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("text", "a b", "a b"),
        ("path", "/a", Path("/a")),
        ("count", -3, -3),
        ("few", 5, 5),
        ("port", 65535, 65535),
        ("rate", 2, 2.0),
        ("rate", 1e-5, 1e-5),
        ("time", "1h30m", 5400.0),
        ("time", 90, 90.0),
        ("time", 0.00001, 0.00001),
        ("size", "2G", 2 << 30),
        ("size", 1024, 1024),
        ("share", "150%", 1.5),
        ("share", 50, 0.5),
        ("word", "two", "two"),
        ("on", True, True),
        ("on", "off", False),
        ("given", False, False),
    ],
)
def test_right_values(name: str, value: Any, read: Any) -> None:
    assert read_value(ROWS[name], value) == read


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", 3),
        ("text", True),
        ("path", ""),
        ("path", "a\0b"),
        ("count", "3"),
        ("count", 3.0),
        ("count", True),
        pytest.param("count", 10**5000, id="huge"),
        ("few", 6),
        ("few", -1),
        ("port", 0),
        ("rate", -0.5),
        ("rate", math.nan),
        ("rate", math.inf),
        ("time", "90 s"),
        ("time", " 90s"),
        ("time", "٣s"),
        ("time", -1),
        ("size", 0),
        ("size", "2 apples"),
        ("share", 0),
        ("word", "three"),
        ("word", ["one"]),
        ("on", "yes"),
        ("on", 1),
        ("given", "on"),
        ("given", {}),
    ],
)
def test_wrong_values(name: str, value: Any) -> None:
    with pytest.raises(WrongValueError) as caught:
        read_value(ROWS[name], value)
    assert str(caught.value).endswith(".")
    assert caught.value.hint.endswith(".")


def test_a_table_is_read_as_a_whole() -> None:
    read = read_table(ROWS.values(), {"count": 1, "cuont": 2, "few": 9, "many": [1, "x", "y"]})
    assert read.values == {"count": 1}
    assert [each.path for each in read.wrong] == [("cuont",), ("few",), ("many", 1), ("many", 2)]
    assert read.wrong[0].hint == "Is count meant?"


def test_a_list_is_a_list() -> None:
    (wrong,) = read_table(ROWS.values(), {"many": 1}).wrong
    assert (wrong.sentence, wrong.hint) == ("many is a list.", "Write many = [1].")


def test_underscores_only_where_they_are_allowed() -> None:
    rows = [Setting("two-words", "g", "h", integer)]
    assert read_table(rows, {"two_words": 1}, either_dash=True).values == {"two_words": 1}
    (wrong,) = read_table(rows, {"two_words": 1}).wrong
    assert wrong.hint == "Is two-words meant?"
    (twice,) = read_table(rows, {"two_words": 1, "two-words": 2}, either_dash=True).wrong
    assert "twice" in twice.sentence


@given(st.sampled_from(sorted(ROWS)), JUNK)
def test_no_value_is_a_traceback(name: str, value: Any) -> None:
    read = read_table(ROWS.values(), {name: value})
    assert bool(read.wrong) != (name.replace("-", "_") in read.values)
