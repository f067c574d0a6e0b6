"""Documents of rigs for property tests, made of the tables of settings: right ones, and any."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from hlsswarm.core.kinds import BOOLEAN, INTEGER, NUMBER, STRING
from hlsswarm.core.rig_sections import ITEMS, MANAGER, SINGLE, Section
from hlsswarm.core.setting import Setting

Documents = st.SearchStrategy[dict[str, Any]]

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
JUNK = (
    TEXTS
    | st.integers(-(1 << 62), 1 << 62)
    | st.floats()
    | st.booleans()
    | st.datetimes()
    | st.lists(st.integers() | TEXTS, max_size=2)
    | st.dictionaries(TEXTS, TEXTS, max_size=2)
)
_NOT_TRIED = {"name", "enabled", "input", "url", "set", "run-id"}
"""Values of these are given by hand, or have a grammar of their own."""
# Together they can contradict others, which is no matter of one value.
_CONTRADICT = {
    "api": {"listen", "tls-cert", "tls-key"},
    "metrics": {"listen"},
    "origin": {"port", "access-log"},
    "ladder": {"metrics"},
    "publisher": {"streams"},
    "swarm": {"ca-file", "tls-verify", "timeout", "resolve", "segment",
              "backoff-min", "backoff-max", "user-agent"},
}  # fmt: skip


def one_value(row: Setting) -> st.SearchStrategy[Any]:
    """Values of a setting's kind; most of them are right."""
    kind = row.kind
    if kind.choices:
        words: st.SearchStrategy[Any] = st.sampled_from(kind.choices)
        return words | st.booleans() if BOOLEAN in kind.types else words
    found = []
    if kind.example is not None:
        found.append(st.just(kind.example))
    elif STRING in kind.types:
        found.append(st.just("/tmp/x" if kind.name == "path" else "some"))
    if INTEGER in kind.types or NUMBER in kind.types:
        least = 1 if kind.minimum is None else int(max(1, kind.minimum))
        most = 100 if kind.maximum is None else int(kind.maximum)
        found.append(st.integers(least, max(least, most)))
    if BOOLEAN in kind.types:
        found.append(st.booleans())
    return st.one_of(found)


def values(row: Setting) -> st.SearchStrategy[Any]:
    """Values of a setting, lists where it takes several."""
    one = one_value(row)
    return st.lists(one, max_size=2) if row.repeat else one


def _right_table(section: Section) -> Documents:
    left_out = _NOT_TRIED | _CONTRADICT.get(section.name, set())
    rows = [row for row in section.rows if row.name not in left_out]
    return st.fixed_dictionaries({}, optional={row.name: values(row) for row in rows})


@st.composite
def right_documents(draw: st.DrawFn) -> dict[str, Any]:
    """Documents in which nothing contradicts anything."""
    document: dict[str, Any] = {MANAGER.name: draw(values(MANAGER))}
    document |= {section.name: draw(_right_table(section)) for section in SINGLE}
    for section in ITEMS:
        tables = draw(st.lists(_right_table(section), max_size=2))
        document[section.name] = [
            {**table, **_by_hand(section, number), "enabled": draw(st.booleans())}
            for number, table in enumerate(tables)
        ]
    return document


def _by_hand(section: Section, number: int) -> dict[str, Any]:
    own: dict[str, Any] = {"name": f"{section.name}{number}"}
    if section.name == "origin":
        own["port"] = 8100 + number
    if section.needs:
        row = next(row for row in section.settings if row.name == section.needs)
        own[section.needs] = row.kind.example
    return own


@st.composite
def any_documents(draw: st.DrawFn) -> dict[str, Any]:
    """A right document with a few values put, changed or taken out at random."""
    document = draw(right_documents())
    tables = [document, *(document[section.name] for section in SINGLE)]
    tables += [table for section in ITEMS for table in document[section.name]]
    rows = [row for section in (*SINGLE, *ITEMS) for row in section.rows]
    for _ in range(draw(st.integers(0, 3))):
        table = draw(st.sampled_from(tables))
        row = draw(st.sampled_from(rows))
        key = draw(st.sampled_from([row.name, *table]) | TEXTS)
        table[key] = draw(JUNK | values(row))
    return document
