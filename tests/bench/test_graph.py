"""The graph of cost against N."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from bench import results
from bench.graph import panels, svg, ticks
from tests.bench.documents import MACHINE, a_document


@given(st.floats(0.001, 1e7))
def test_ticks_reach_the_largest(largest: float) -> None:
    """From 0, evenly, few, and none that nobody needs."""
    found = ticks(largest)
    assert found[0] == 0
    assert found[-1] >= largest * (1 - 1e-6)
    assert found[-2] < largest
    assert 2 <= len(found) <= 7


def test_points_are_the_rows() -> None:
    """The controller by N, each way of measuring a line; steps that never ran are left out."""
    left, right = panels(a_document())
    assert left.lines[0].points == [(50, 1.0), (200, 4.0)]
    assert [clients for clients, _ in right.lines[0].points] == [1000, 2000, 3000]


def test_it_is_xml_with_a_line_for_each() -> None:
    """Browsers draw it."""
    root = ElementTree.fromstring(svg(a_document()))
    lines = root.iter("{http://www.w3.org/2000/svg}polyline")
    assert len(list(lines)) == 5


def test_without_results_it_is_empty() -> None:
    """And still a picture."""
    root = ElementTree.fromstring(svg(results.fresh(MACHINE, quick=False)))
    assert not list(root.iter("{http://www.w3.org/2000/svg}polyline"))
