"""Lines of keys, held against what tomllib reads of the same text."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from hlsswarm.core.toml_lines import Path, key_lines

TEXT = '''# a comment with [brackets] and = signs
title = "a # b" # x = 1
"quoted key" = 'it''s'
a.b . "c\\u0020d" = 1   # dotted
many = [ # comment ]
  "x = 1", """
[not.a.header]
key = 1
""",
  { p = 1, q.r = [ 2,
    3 ] },
]
[plain]
text = \'\'\'
[[swarm]]
\'\'\'
x = 1
[[swarm]]
name = "one"
[swarm.inner]
deep = 1979-05-27T07:32:00Z
[[swarm]]
name = """a\\"""b""""
empty = []
[[ swarm . "sub" ]]
k = {}
[[swarm.sub]]
k = -inf
'''.replace("'it''s'", "'its'")


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every path there is in a document."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from paths(inner, (*path, number))


def line_of(text: str, fragment: str, *, nth: int = 1) -> int:
    found = [n for n, line in enumerate(text.split("\n"), 1) if fragment in line]
    return found[nth - 1]


def test_each_key_of_a_text_with_everything_in_it() -> None:
    lines = key_lines(TEXT)
    assert set(paths(tomllib.loads(TEXT))) == set(lines)
    expected: dict[Path, int] = {
        ("title",): line_of(TEXT, "title"),
        ("quoted key",): line_of(TEXT, "quoted key"),
        ("a", "b", "c d"): line_of(TEXT, "dotted"),
        ("many", 0): line_of(TEXT, '"x = 1"'),
        ("many", 1): line_of(TEXT, '"x = 1"'),
        ("many", 2, "q", "r", 1): line_of(TEXT, "3 ] }"),
        ("plain", "x"): line_of(TEXT, "x = 1", nth=3),
        ("swarm", 0): line_of(TEXT, "[[swarm]]", nth=2),
        ("swarm", 0, "inner", "deep"): line_of(TEXT, "deep"),
        ("swarm", 1, "name"): line_of(TEXT, 'name = """'),
        ("swarm", 1, "sub", 0): line_of(TEXT, '"sub" ]]'),
        ("swarm", 1, "sub", 1, "k"): line_of(TEXT, "-inf"),
    }
    assert {path: lines[path] for path in expected} == expected
    assert key_lines(TEXT.replace("\n", "\r\n")) == lines


SCALARS = (
    st.integers(-(1 << 62), 1 << 62)
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.datetimes()
)
DOCUMENTS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.recursive(
        SCALARS,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=3
            )
        ),
        max_leaves=12,
    ),
    max_size=4,
)


@given(DOCUMENTS, st.booleans())
def test_every_path_has_a_line_within_the_text(document: dict[str, Any], multiline: bool) -> None:
    text = tomli_w.dumps(document, multiline_strings=multiline)
    lines = key_lines(text)
    assert set(lines) == set(paths(tomllib.loads(text)))
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


@settings(max_examples=300)
@given(st.text("[]{}\"'=.,#ab1 \n\\", max_size=30))
def test_whatever_tomllib_takes_is_walked_to_its_end(text: str) -> None:
    """What it does not take may give anything, but comes back."""
    lines = key_lines(text)
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return
    assert set(lines) == set(paths(document))
