"""Tables, and their places in a text."""

from __future__ import annotations

import re

import pytest

from bench import results
from bench.__main__ import DOCS
from bench.tables import TABLES, markdown, table, with_tables
from tests.bench.documents import MACHINE, a_document


def test_a_table_is_aligned() -> None:
    """Words to the left, figures to the right."""
    assert markdown(("what", "n"), [("a", "1"), ("longer", "1,000")]).splitlines() == [
        "| what   |     n |",
        "|--------|------:|",
        "| a      |     1 |",
        "| longer | 1,000 |",
    ]


@pytest.mark.parametrize("name", TABLES)
def test_each_table_has_rows_of_equal_length(name: str) -> None:
    """As many cells as the head has, and nothing that Python would print of a missing figure."""
    lines = table(a_document(), name).splitlines()
    assert len(lines) > 2
    assert len({line.count("|") for line in lines}) == 1
    assert not re.search(r"None|nan|\{", "\n".join(lines))


@pytest.mark.parametrize("name", set(TABLES) - {"goals", "machine"})
def test_what_was_not_measured_is_told(name: str) -> None:
    """No empty table."""
    assert table(results.fresh(MACHINE, quick=False), name) == "Not measured in this run."


def test_goals_tell_figure_and_result() -> None:
    """The reader sees what was missed."""
    shown = table(a_document(), "goals")
    assert re.search(r"every segment +\| +≥ 3,000 \| +2,000 \| +NOT met \|", shown)
    assert "| stop 1,000 clients" in shown


def test_a_text_is_filled_and_can_be_filled_again() -> None:
    """Only what stands between the marks is replaced."""
    text = "before\n<!-- bench: startup -->\nold\n<!-- end -->\nafter\n"
    filled = with_tables(text, a_document())
    assert "old" not in filled
    assert "| `hlsswarm --help` | 114 ms |" in filled
    assert filled.startswith("before\n") and filled.endswith("\nafter\n")
    assert with_tables(filled, a_document()) == filled


def test_the_page_has_a_place_for_every_table() -> None:
    """And no place without a table."""
    places = re.findall(r"<!-- bench: (\w+) -->", DOCS.read_text())
    assert sorted(places) == sorted(TABLES)
